//! What an image has, as an SPDX 2.3 document. Pure.

use super::packages::{Found, Package};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use teu_images::Image;

const NO_ASSERTION: &str = "NOASSERTION";
const ROOT: &str = "SPDXRef-Image";
/// Where an image does not say when it was made.
const BEGINNING: &str = "1970-01-01T00:00:00Z";

/// The document.
pub fn document(name: &str, image: &Image, found: &Found) -> Value {
    let mut packages = vec![json!({
        "SPDXID": ROOT,
        "name": name,
        "versionInfo": image.id,
        "downloadLocation": NO_ASSERTION,
        "filesAnalyzed": false,
        "primaryPackagePurpose": "CONTAINER",
    })];
    let mut relationships = vec![json!({
        "spdxElementId": "SPDXRef-DOCUMENT",
        "relationshipType": "DESCRIBES",
        "relatedSpdxElement": ROOT,
    })];
    for one in &found.packages {
        let id = id(one);
        packages.push(package(one, &id, found));
        relationships.push(json!({
            "spdxElementId": ROOT,
            "relationshipType": "CONTAINS",
            "relatedSpdxElement": id,
        }));
    }
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": format!("urn:teu:sbom:{}", image.id),
        "creationInfo": {
            "created": whole_seconds(image.created.as_deref().unwrap_or(BEGINNING)),
            "creators": [format!("Tool: teu-{}", env!("CARGO_PKG_VERSION"))],
            "comment": "from the databases of dpkg, apk and Python's installers; other software is not looked for",
        },
        "packages": packages,
        "relationships": relationships,
    })
}

fn package(one: &Package, id: &str, found: &Found) -> Value {
    let mut value = json!({
        "SPDXID": id,
        "name": one.name,
        "versionInfo": one.version,
        "downloadLocation": NO_ASSERTION,
        "filesAnalyzed": false,
        "licenseConcluded": NO_ASSERTION,
        "licenseDeclared": NO_ASSERTION,
        "copyrightText": NO_ASSERTION,
        "sourceInfo": format!("from {}", one.place),
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": found.purl(one),
        }],
    });
    if !one.license.is_empty() {
        // Free text of the package: not everybody writes SPDX's expressions.
        value["licenseComments"] = one.license.as_str().into();
    }
    value
}

/// Letters, digits, `.` and `-`, and a hash of what tells it from others.
fn id(one: &Package) -> String {
    let plain: String = one
        .name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
        .collect();
    let mut hash = Sha256::new();
    for part in [&one.name, &one.version, &one.architecture, &one.place] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let hash: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("SPDXRef-Package-{}-{plain}-{hash}", one.kind.word())
}

/// `2024-01-02T03:04:05.678Z` without its fraction, which SPDX does not have.
fn whole_seconds(text: &str) -> String {
    match (text.split_once('.'), text.ends_with('Z')) {
        (Some((seconds, _)), true) => format!("{seconds}Z"),
        (None, true) => text.to_owned(),
        _ => BEGINNING.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::whole_seconds;

    #[test]
    fn times() {
        for (text, expected) in [
            ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
            ("2024-01-02T03:04:05.678Z", "2024-01-02T03:04:05Z"),
            ("2024-01-02T03:04:05+01:00", "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(whole_seconds(text), expected);
        }
    }
}

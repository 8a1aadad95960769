//! The few fields that matter of package databases. Pure; what does not parse is no package.

use super::{Kind, Package};

/// Bytes of a field that are kept.
const FIELD_LIMIT_BYTES: usize = 500;

/// Paragraphs of `Key: value`, with the fields that are wanted; continued lines are left out.
fn paragraphs<'a>(
    text: &'a str,
    separator: &'static str,
) -> impl Iterator<Item = Vec<(&'a str, &'a str)>> {
    text.split("\n\n").map(move |paragraph| {
        let lines = paragraph.lines().filter(|line| !line.starts_with([' ', '\t']));
        lines.filter_map(|line| line.split_once(separator)).map(|(k, v)| (k, v.trim())).collect()
    })
}

fn field(fields: &[(&str, &str)], key: &str) -> String {
    let found = fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(key));
    let value = found.map_or("", |(_, value)| value);
    let mut end = value.len().min(FIELD_LIMIT_BYTES);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value[..end].chars().filter(|c| !c.is_control()).collect()
}

fn package(kind: Kind, fields: &[(&str, &str)], keys: [&str; 4], place: &str) -> Option<Package> {
    let [name, version, architecture, license] = keys.map(|key| field(fields, key));
    let place = place.to_owned();
    let is_named = !name.is_empty() && !version.is_empty();
    is_named.then_some(Package { kind, name, version, architecture, license, place })
}

/// dpkg's `status`: packages that are installed. A paragraph of `status.d` has no status.
pub fn dpkg(text: &str, place: &str) -> Vec<Package> {
    let is_installed = |fields: &Vec<(&str, &str)>| {
        let status = field(fields, "Status");
        status.is_empty() || status.split(' ').nth(2) == Some("installed")
    };
    let keys = ["Package", "Version", "Architecture", ""];
    paragraphs(text, ":")
        .filter(is_installed)
        .filter_map(|fields| package(Kind::Deb, &fields, keys, place))
        .collect()
}

/// apk's `installed`.
pub fn apk(text: &str, place: &str) -> Vec<Package> {
    // Its keys are one letter, and differ in case; those of files come after the package's own.
    paragraphs(text, ":")
        .filter_map(|mut fields| {
            let end = fields.iter().position(|(key, _)| *key == "F").unwrap_or(fields.len());
            fields.truncate(end);
            fields.retain(|(key, _)| ["P", "V", "A", "L"].contains(key));
            package(Kind::Apk, &fields, ["P", "V", "A", "L"], place)
        })
        .collect()
}

/// The head of one Python package's `METADATA`.
pub fn python(text: &str, place: &str) -> Vec<Package> {
    let keys = ["Name", "Version", "", "License-Expression"];
    let Some(fields) = paragraphs(text, ":").next() else { return Vec::new() };
    let mut found = package(Kind::Pypi, &fields, keys, place);
    if let Some(found) = found.as_mut().filter(|found| found.license.is_empty()) {
        found.license = field(&fields, "License");
    }
    found.into_iter().collect()
}

/// `ID` and `VERSION_ID`.
pub fn os_release(text: &str) -> (String, String) {
    let value = |key: &str| {
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let found = lines.filter(|(known, _)| *known == key).map(|(_, value)| value).next();
        let plain = found.unwrap_or_default().trim().trim_matches(['"', '\'']);
        field(&[("x", plain)], "x")
    };
    (value("ID"), value("VERSION_ID"))
}

#[cfg(test)]
mod tests {
    use super::{apk, dpkg, os_release, python};

    fn shown(found: &[super::Package]) -> Vec<String> {
        found
            .iter()
            .map(|p| format!("{} {} {} {}", p.name, p.version, p.architecture, p.license))
            .collect()
    }

    #[test]
    fn databases() {
        let text = "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2\nDescription: x\n Version: 9\n\nPackage: b\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: c\nVersion: 3\n\nnonsense\n";
        assert_eq!(shown(&dpkg(text, "x")), ["a 1:2 amd64 ", "c 3  "]);
        let text = "C:Q1\nP:musl\nV:1.2-r0\nA:x86_64\nL:MIT\nF:lib\na:0:0:755\nR:x\n\nP:b\nV:1\n\n";
        assert_eq!(shown(&apk(text, "x")), ["musl 1.2-r0 x86_64 MIT", "b 1  "]);
        let text = "Metadata-Version: 2.1\nName: pip\nVersion: 24.0\nLicense: MIT\n\nName: other\nVersion: 1\n";
        assert_eq!(shown(&python(text, "x")), ["pip 24.0  MIT"]);
        assert_eq!(os_release("ID=debian\nVERSION_ID=\"12\"\n"), ("debian".into(), "12".into()));
    }

    #[test]
    fn hostile() {
        let long = format!("Package: {}\nVersion: \u{1b}[2J1\n", "é".repeat(10_000));
        let found = dpkg(&long, "x");
        assert_eq!(found[0].name.len(), super::FIELD_LIMIT_BYTES);
        assert_eq!(found[0].version, "[2J1");
        assert!(dpkg("", "x").is_empty() && apk("::::", "x").is_empty());
        assert!(python("\u{0}", "x").is_empty());
    }
}

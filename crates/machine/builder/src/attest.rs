//! What is said about an image beside it: how it was made, and what packages it has.
//!
//! Each is an in-toto statement in an artifact of its own, whose subject is the image's manifest: a
//! registry lists it as a referrer. An index holds the image and a manifest of the same statements, as
//! BuildKit writes them. No time, no random number and no name of this machine is in it:
//! the same image made from the same things has the same statements, byte for byte. Nobody has
//! signed them; who needs that signs the artifacts.

use crate::error::{Error, Result};
use crate::progress::{Event, Step};
use crate::solve::{Built, Solver};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Instant;
use teu_images::{Image, NewArtifact};
use teu_oci::Digest;
use teu_oci::image::Descriptor;

mod packages;
mod provenance;
mod purl;
mod spdx;

/// An in-toto statement, and the artifact that holds it.
const STATEMENT: &str = "application/vnd.in-toto+json";
const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
const SPDX: &str = "https://spdx.dev/Document";

/// Says of one platform's image what was asked for: in artifacts that refer to its manifest, and in a
/// manifest that stands beside it in an index, where BuildKit's clients look. Gives the entry.
pub fn attach(solver: &Solver<'_>, built: &Built, image: &Image) -> Result<Option<Descriptor>> {
    let asked = &solver.request.attest;
    let mut statements = Vec::new();
    if let Some(detail) = asked.provenance {
        statements.push(step(solver, "generating provenance", || {
            statement(solver, image, PROVENANCE, provenance::predicate(solver, detail))
        })?);
    }
    if asked.sbom {
        statements.push(step(solver, "generating sbom", || {
            let tree = built.tree(solver, "the image");
            let tree = tree.map_err(|cause| Error::Export(Box::new(cause)))?;
            let found = packages::find(&tree).map_err(|cause| Error::Export(Box::new(cause)))?;
            let name = solver
                .request
                .tags
                .first()
                .map_or_else(|| image.id.to_string(), teu_oci::Reference::familiar);
            statement(solver, image, SPDX, spdx::document(&name, image, &found))
        })?);
    }
    if statements.is_empty() {
        return Ok(None);
    }
    let images = solver.environment.images;
    Ok(Some(images.write_attestations(&image.descriptor, statements)?))
}

/// Nothing was made that attestations could be attached to.
pub fn warn(solver: &Solver<'_>) {
    let message = "attestations are attached to an image, and this build makes none".to_owned();
    solver.tell(Event::Warning { rule: "Attestation".into(), message, line: 0 });
}

fn step<T>(solver: &Solver<'_>, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let id = solver.next_id();
    let name = name.to_owned();
    solver.tell(Event::Started(Step { id, name, stage: String::new(), line: 0 }));
    let begun = Instant::now();
    let result = work();
    solver.tell(match &result {
        Ok(_) => Event::Done { step: id, elapsed: begun.elapsed() },
        Err(error) => Event::Failed { step: id, error: error.to_string() },
    });
    result
}

/// A statement, attached to the image; gives its blob.
fn statement(
    solver: &Solver<'_>,
    image: &Image,
    kind: &str,
    predicate: Value,
) -> Result<Descriptor> {
    let digest = &image.manifest_digest;
    let mut names: Vec<String> =
        solver.request.tags.iter().map(|tag| purl::docker(tag, &image.platform())).collect();
    if names.is_empty() {
        names.push(image.id.to_string());
    }
    let subjects: Vec<Value> = names
        .iter()
        .map(|name| json!({ "name": name, "digest": { digest.algorithm(): digest.hex() } }))
        .collect();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": kind,
        "predicate": predicate,
    });
    let bytes = statement.to_string().into_bytes();
    let images = solver.environment.images;
    let size = images.blob_size(digest).unwrap_or_default();
    let media_type = image.manifest.media_type.as_deref().unwrap_or(teu_oci::media::MANIFEST);
    let subject = Descriptor::new(media_type, digest.clone(), size);
    let annotations = BTreeMap::from([(PREDICATE_TYPE.to_owned(), kind.to_owned())]);
    let mut blob = Descriptor::new(STATEMENT, Digest::sha256(&bytes), bytes.len() as u64);
    blob.annotations.clone_from(&annotations);
    let new = NewArtifact { kind: STATEMENT, media_type: STATEMENT, bytes: &bytes, annotations };
    images.attach_new(&subject, &new)?;
    Ok(blob)
}

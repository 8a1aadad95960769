//! Documents that pretend.

use super::*;

const CONFIG: &str = r#""config":{"mediaType":"c","digest":"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","size":1}"#;

fn manifest(text: &str) -> Result<Manifest, DocumentError> {
    Manifest::parse(text.as_bytes(), media::MANIFEST)
}

#[test]
fn a_manifest_is_a_manifest_and_an_index_an_index() {
    let plain = format!(r#"{{"schemaVersion":2,{CONFIG},"layers":[]}}"#);
    assert!(manifest(&plain).is_ok());
    assert!(Index::parse(br#"{"schemaVersion":2,"manifests":[]}"#, media::INDEX).is_ok());
    let both = format!(r#"{{"schemaVersion":2,{CONFIG},"layers":[],"manifests":[]}}"#);
    assert!(matches!(manifest(&both), Err(DocumentError::Confused(_))));
    assert!(matches!(Index::parse(both.as_bytes(), media::INDEX), Err(DocumentError::Confused(_))));
    let typed =
        format!(r#"{{"schemaVersion":2,"mediaType":"{}",{CONFIG},"layers":[]}}"#, media::INDEX);
    assert!(matches!(manifest(&typed), Err(DocumentError::Confused(_))));
    let twice = format!(r#"{{"schemaVersion":2,{CONFIG},{CONFIG},"layers":[]}}"#);
    assert!(matches!(manifest(&twice), Err(DocumentError::Json(_))));
    let old = r#"{"schemaVersion":1,"fsLayers":[],"name":"x"}"#;
    assert!(matches!(manifest(old), Err(DocumentError::Confused(_))));
    let one = format!(r#"{{"schemaVersion":1,{CONFIG},"layers":[]}}"#);
    assert!(matches!(manifest(&one), Err(DocumentError::Version(1))));
}

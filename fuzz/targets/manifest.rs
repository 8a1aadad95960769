//! Manifests and indexes: nothing is both (CVE-2021-41190), and what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use teu_oci::image::{Index, Manifest};
use teu_oci::media;

fuzz_target!(|bytes: &[u8]| {
    let manifest = Manifest::parse(bytes, media::MANIFEST);
    let index = Index::parse(bytes, media::INDEX);
    assert!(manifest.is_err() || index.is_err(), "no document is both");
    if let Ok(manifest) = manifest {
        let text = serde_json::to_vec(&manifest).expect("it can be written");
        assert_eq!(Manifest::parse(&text, media::MANIFEST).expect("and read"), manifest);
    }
    if let Ok(index) = index {
        let text = serde_json::to_vec(&index).expect("it can be written");
        assert_eq!(Index::parse(&text, media::INDEX).expect("and read"), index);
    }
});

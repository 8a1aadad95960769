//! What registries say in headers: challenges, links, ranges.
#![no_main]

use libfuzzer_sys::fuzz_target;
use teu_images::remote::{blob, challenge, link, upload};

fuzz_target!(|text: &str| {
    for challenge in challenge::parse(text) {
        if let challenge::Challenge::Bearer { realm, .. } = challenge {
            assert!(!realm.is_empty());
        }
    }
    if let Some(next) = link::next(text) {
        assert!(text.contains(next) && !next.contains('>'));
    }
    let _ = blob::range_start(text);
    let _ = upload::range_end(text);
});

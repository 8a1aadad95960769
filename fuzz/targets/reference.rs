//! Names, digests and platforms: what parses is printed so that it parses to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use teu_oci::{Digest, Platform, Reference};

fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse::<Reference>().as_ref(), Ok(&reference));
        assert_eq!(reference.familiar().parse::<Reference>().as_ref(), Ok(&reference));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert!(!digest.hex().contains(['/', '.']));
    }
    if let Ok(platform) = text.parse::<Platform>() {
        assert!(platform.satisfies(&platform));
    }
});

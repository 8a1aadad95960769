//! Label and field selectors from anywhere: refused or read; what was read is read again from what
//! it writes, and means the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use teu_api::selector::{FieldSelector, LabelSelector};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(selector) = LabelSelector::parse(text) {
        // The set of only the empty value is written as what is refused; Kubernetes does the same.
        let written = selector.to_string();
        if !written.contains("()") {
            assert_eq!(LabelSelector::parse(&written), Ok(selector));
        }
    }
    if let Ok(selector) = FieldSelector::parse(text) {
        assert_eq!(FieldSelector::parse(&selector.to_string()), Ok(selector));
    }
});

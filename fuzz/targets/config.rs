//! Image configurations, and the instructions of `--change` on them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use teu_oci::image::{Config, ImageConfig};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(config) = serde_json::from_slice::<ImageConfig>(bytes) {
        let text = serde_json::to_vec(&config).expect("it can be written");
        let again: ImageConfig = serde_json::from_slice(&text).expect("and read");
        assert_eq!(again, config);
        for created in config.created.iter() {
            let _ = teu_images::time::parse_rfc3339(created);
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = teu_images::time::parse_rfc3339(text);
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let _ = teu_images::change::apply(&mut Config::default(), &lines);
    }
});

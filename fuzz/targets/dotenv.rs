//! Files of variables and texts with variables: whatever the bytes, reading ends, and errors can be
//! shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use teu_compose::{dotenv, interpolate, normal::words, yaml};

fuzz_target!(|data: &[u8]| {
    let outside = |name: &str| (name.len() < 3).then(|| format!("${name}'\""));
    match dotenv::parse(data, &outside) {
        Ok(pairs) => assert!(pairs.iter().all(|(name, _)| !name.is_empty())),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let text = String::from_utf8_lossy(data);
    match interpolate::interpolate(&text, &outside) {
        Ok(filled) => assert!(text.contains('$') || filled == text),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let _ = words::split(&text);
    if let Ok(duration) = words::duration(&text) {
        assert_eq!(words::duration(&duration).as_deref(), Ok(duration.as_str()));
    }
    // Every text is the same after being printed and read.
    let value = serde_json::json!({ "key": text, "list": [text] });
    let printed = yaml::emit(&value);
    if let Ok(documents) = yaml::parse("", printed.as_bytes()) {
        assert_eq!(documents.first().map(|node| node.to_json()), Some(value), "{printed}");
    }
});

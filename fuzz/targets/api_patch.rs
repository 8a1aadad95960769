//! Patches from anywhere over documents from anywhere: refused or applied, never deeper than can be
//! read again; a merge patch applied twice is applied once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use teu_api::patch::{MAX_DEPTH, json, merge, strategic};
use teu_kubernetes::types;

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(at) = data.iter().position(|byte| *byte == b'\n') else { return };
    let read = |bytes: &[u8]| teu_api::decode::json(bytes).map(|it| it.value);
    let (Ok(document), Ok(patch)) = (read(&data[..at]), read(&data[at + 1..])) else { return };
    let mut patched = document.clone();
    if json(&mut patched, &patch).is_ok() {
        assert!(depth(&patched) <= MAX_DEPTH);
    }
    let mut merged = document.clone();
    merge(&mut merged, &patch);
    let once = merged.clone();
    merge(&mut merged, &patch);
    assert_eq!(once, merged);
    let schema = types::type_schema("io.k8s.api.core.v1.Pod").expect("a type");
    if let Ok(merged) = strategic(document, patch, &schema) {
        assert!(depth(&merged) <= MAX_DEPTH);
    }
});

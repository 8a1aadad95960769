//! Definitions of custom resources and objects of them from anywhere: checked, defaulted, validated.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use teu_api::crd::{check, fill, rows};
use teu_api::decode::{Decoded, fit};

fuzz_target!(|data: &[u8]| {
    let Some(at) = data.iter().position(|byte| *byte == b'\n') else { return };
    let read = |bytes: &[u8]| teu_api::decode::json(bytes).map(|it| it.value);
    let (Ok(schema), Ok(object)) = (read(&data[..at]), read(&data[at + 1..])) else { return };
    let mut definition = json!({
        "metadata": {"name": "xs.a.b"},
        "spec": {"group": "a.b", "scope": "Cluster", "names": {"plural": "xs", "kind": "X"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]},
    });
    fill(&mut definition);
    let is_good = check(&definition).is_empty();
    for row in rows(&definition) {
        let mut decoded = Decoded { value: object.clone(), faults: Vec::new() };
        if fit(&mut decoded, &row.schema).is_err() {
            continue;
        }
        row.rules.default(&mut decoded.value);
        let once = decoded.value.clone();
        row.rules.default(&mut decoded.value);
        // What a checked definition fills in is filled in at once.
        if is_good {
            assert_eq!(decoded.value, once);
        }
        let _ = row.rules.validate_create(&decoded.value);
        let _ = row.rules.cells(&decoded.value, 0);
    }
});

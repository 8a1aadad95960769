//! JSON and YAML from anywhere: read within bounds or refused; what JSON says is what `serde_json`
//! reads; what has been made to fit a type fits it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use teu_api::decode::{Decoded, fit, json, yaml};
use teu_kubernetes::types;

fuzz_target!(|data: &[u8]| {
    let _ = yaml(data);
    let Ok(mut decoded) = json(data) else { return };
    assert_eq!(serde_json::from_slice::<Value>(data).ok().as_ref(), Some(&decoded.value));
    let schema = types::type_schema("io.k8s.api.core.v1.Pod").expect("a type");
    if fit(&mut decoded, &schema).is_ok() {
        let mut again = Decoded { value: decoded.value.clone(), faults: Vec::new() };
        fit(&mut again, &schema).expect("it fits");
        assert_eq!((&again.value, again.faults.len()), (&decoded.value, 0));
    }
});

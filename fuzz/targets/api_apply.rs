//! A live object and a configuration from anywhere: refused or applied; applied again, nothing
//! changes; its owners can be read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use teu_api::apply::{Set, Write, apply, managed, update};
use teu_kubernetes::types;

fuzz_target!(|data: &[u8]| {
    let Some(at) = data.iter().position(|byte| *byte == b'\n') else { return };
    let read = |bytes: &[u8]| teu_api::decode::json(bytes).map(|it| it.value);
    let (Ok(live), Ok(mut config)) = (read(&data[..at]), read(&data[at + 1..])) else { return };
    if !live.is_object() || !config.is_object() {
        return;
    }
    config["apiVersion"] = json!("v1");
    let schema = types::type_schema("io.k8s.api.core.v1.Pod").expect("a type");
    let ignored = Set::default();
    let write = |live| Write {
        live,
        schema: &schema,
        api_version: "v1",
        kind: "Pod",
        manager: "fuzz",
        subresource: "",
        ignored: &ignored,
        now: 0,
    };
    let made = update(&write(None), live);
    let Ok(once) = apply(&write(Some(&made)), &config, true) else { return };
    managed::read(&once).expect("readable");
    let twice = apply(&write(Some(&once)), &config, false);
    assert_eq!(twice.as_ref(), Ok(&once));
});

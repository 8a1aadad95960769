//! Expressions from anywhere: refused or evaluated within their budget, on a small stack.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use teu_api::cel::{Input, Program, Variables};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(program) = Program::compile(text, &["object", "self"]) else { return };
    let object = json!({"a": [1, 2, {"b": "c"}], "name": "x", "n": 3, "m": {"k": "v"}});
    let mut variables = Variables::default();
    variables.set("object", Input::Plain(&object));
    variables.set("self", Input::Plain(&object));
    let _ = program.json(&variables);
});

//! The parsers of foreign bytes under noise made of their own words: what the fuzz targets ask
//! (`fuzz/targets/api_*`), with a fixed seed, on every run of the tests. It finds what needs no search;
//! the targets find the rest.

use crate::Quantity;
use crate::cel::{Input, Program, Variables};
use crate::decode::{Decoded, fit, json, yaml};
use crate::patch::{MAX_DEPTH, json as json_patch, merge, strategic};
use crate::selector::{FieldSelector, LabelSelector};
use serde_json::Value;
use teu_kubernetes::type_schema;

/// Texts of each kind.
const ROUNDS: usize = 1500;

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\"a\"",
    "\"spec\":",
    "\"containers\":",
    "\"name\":",
    "1",
    "-0",
    "1e9",
    "true",
    "null",
    "\\u00e9",
    "\\ud800",
    " ",
    "{\"a\":",
    "\"$patch\":\"delete\"",
];
const YAML: &[&str] = &[
    "a: ", "- ", "\n", "  ", "&x ", "*x", "[", "]", "{", "}", "|\n", "'", "\"", "#", "---\n", "? ",
    "!!str ", "1", "~", "<<: ", ":", ",", "\t",
];
const SELECTOR: &[&str] = &[
    "a",
    "b/c",
    "=",
    "==",
    "!=",
    " in ",
    " notin ",
    "(",
    ")",
    ",",
    "!",
    "<",
    ">",
    "1",
    " ",
    "\\,",
    "metadata.name",
    "é",
    "-",
];
const CEL: &[&str] = &[
    "object", "self", ".a", ".name", "[0]", "[", "]", "(", ")", "+", "==", "&&", "||", "?", ":",
    "!", "1", "'x'", "\"", "has(", ".map(x, ", ".all(x, ", "{", "}", "size(", "x", ",", "-", "in ",
    "1.5",
];
const NUMBER: &[&str] =
    &["0", "1", "9", "99999999", ".", "-", "+", "e", "E", "Ki", "Mi", "m", "n", "u", "k", "G", " "];
const PATCH: &[&str] = &[
    "[{\"op\":\"add\",\"path\":\"/a/0\",\"value\":[1]}]",
    "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/b\"},{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b~1\"}]",
    "[{\"op\":\"remove\",\"path\":\"/spec/containers/0\"},{\"op\":\"test\",\"path\":\"\",\"value\":null}]",
    "{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":null},{\"$patch\":\"replace\"}]}}",
    "{\"spec\":{\"$setElementOrder/containers\":[{\"name\":\"b\"}],\"containers\":[{\"name\":\"b\"}]}}",
    "{\"metadata\":{\"$retainKeys\":[\"a\"],\"labels\":{\"a\":null}},\"a\":[]}",
];
const DOCUMENTS: &[&str] = &[
    "{\"a\":{\"b\":[1,2]},\"b/\":0}",
    "{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"x\"},{\"name\":\"b\"}]}}",
    "{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"a\":[[],{}]}",
];

/// xorshift: no more is needed to mix words.
struct Noise(u64);

impl Noise {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % count as u64).expect("below a usize")
    }

    fn text(&mut self, words: &[&str], most: usize) -> String {
        let count = self.below(most);
        (0..count).map(|_| words[self.below(words.len())]).collect()
    }

    /// One of some texts, perhaps with a piece of noise in it.
    fn worn(&mut self, texts: &[&str], words: &[&str]) -> String {
        let mut text = texts[self.below(texts.len())].to_owned();
        if self.below(2) == 0 {
            let at = self.below(text.len());
            text.insert_str(at, words[self.below(words.len())]);
        }
        text
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[test]
fn documents() {
    let mut noise = Noise(1);
    let schema = type_schema("io.k8s.api.core.v1.Pod").expect("a type");
    for _ in 0..ROUNDS {
        let _ = yaml(noise.text(YAML, 25).as_bytes());
        let text = match noise.below(2) {
            0 => noise.text(JSON, 25),
            _ => noise.worn(DOCUMENTS, JSON),
        };
        let Ok(mut decoded) = json(text.as_bytes()) else { continue };
        assert_eq!(serde_json::from_str::<Value>(&text).ok().as_ref(), Some(&decoded.value));
        if fit(&mut decoded, &schema).is_ok() {
            let mut again = Decoded { value: decoded.value.clone(), faults: Vec::new() };
            fit(&mut again, &schema).expect("it fits");
            assert_eq!((&again.value, again.faults.len()), (&decoded.value, 0), "{text}");
        }
    }
}

#[test]
fn patches() {
    let mut noise = Noise(2);
    let schema = type_schema("io.k8s.api.core.v1.Pod").expect("a type");
    for _ in 0..ROUNDS {
        let read = |text: &str| json(text.as_bytes()).map(|decoded| decoded.value);
        let (document, patch) = (noise.worn(DOCUMENTS, JSON), noise.worn(PATCH, JSON));
        let (Ok(document), Ok(patch)) = (read(&document), read(&patch)) else { continue };
        let mut patched = document.clone();
        if json_patch(&mut patched, &patch).is_ok() {
            assert!(depth(&patched) <= MAX_DEPTH);
        }
        let mut merged = document.clone();
        merge(&mut merged, &patch);
        let once = merged.clone();
        merge(&mut merged, &patch);
        assert_eq!(once, merged, "{patch}");
        if let Ok(merged) = strategic(document, patch, &schema) {
            assert!(depth(&merged) <= MAX_DEPTH);
        }
    }
}

#[test]
fn selectors_and_quantities() {
    let mut noise = Noise(3);
    for _ in 0..ROUNDS * 10 {
        let text = noise.text(SELECTOR, 12);
        if let Ok(selector) = LabelSelector::parse(&text) {
            let written = selector.to_string();
            // The set of only the empty value is written as what is refused, as in the original.
            if !written.contains("()") {
                assert_eq!(LabelSelector::parse(&written), Ok(selector), "{text}");
            }
        }
        if let Ok(selector) = FieldSelector::parse(&text) {
            assert_eq!(FieldSelector::parse(&selector.to_string()), Ok(selector), "{text}");
        }
        let text = noise.text(NUMBER, 8);
        if let Ok(quantity) = Quantity::parse(&text)
            && quantity.value().unsigned_abs() < 1 << 62
        {
            let written = quantity.to_string();
            let again = Quantity::parse(&written).expect("what is written can be read");
            assert_eq!((again, again.to_string()), (quantity, written), "{text}");
        }
    }
}

#[test]
fn expressions() {
    let mut noise = Noise(4);
    let object = serde_json::json!({ "a": [1, 2, { "b": "c" }], "name": "x", "m": { "k": "v" } });
    for _ in 0..ROUNDS / 3 {
        let Ok(program) = Program::compile(&noise.text(CEL, 12), &["object", "self"]) else {
            continue;
        };
        let mut variables = Variables::default();
        variables.set("object", Input::Plain(&object));
        variables.set("self", Input::Plain(&object));
        let _ = program.json(&variables);
    }
}

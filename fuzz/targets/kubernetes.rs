//! Kubernetes' protobuf: whatever the bytes, reading ends within its bounds; what is read is written,
//! and what was written is read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use teu_kubernetes::{protobuf, resources};

/// Numbers with a point may be read as their neighbour when they are printed and read as JSON.
fn without_fractions(value: &mut Value) {
    match value {
        Value::Number(figure) if figure.is_f64() => *value = Value::Null,
        Value::Array(items) => items.iter_mut().for_each(without_fractions),
        Value::Object(fields) => fields.values_mut().for_each(without_fractions),
        _ => {}
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let kinds = resources();
    let Some(kind) = kinds.get(usize::from(*first) % kinds.len()) else { return };
    let version = kind.api_version();
    let mut bytes = protobuf::MAGIC.to_vec();
    // The envelope by hand half the time, so that the fuzzer need not find a kind's name.
    if *first < 128 {
        bytes.push(0x12);
        let mut length = rest.len();
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
    }
    bytes.extend_from_slice(rest);
    let mut read = match protobuf::decode(&bytes, Some((&version, &kind.kind))) {
        Ok(read) => read,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let written = protobuf::encode(&read).expect("what was read can be written");
    let mut again = match protobuf::decode(&written, None) {
        Ok(again) => again,
        Err(protobuf::DecodeError::Json(_)) => return,
        Err(error) => panic!("{error}: {read}"),
    };
    without_fractions(&mut read);
    without_fractions(&mut again);
    assert_eq!(again, read);
});

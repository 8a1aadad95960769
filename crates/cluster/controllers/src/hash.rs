//! A short name for a pod template: of letters that make no words, as the real ones are, and the same for
//! the same template whatever the order of its fields.

use serde_json::Value;

const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The name; `collisions` makes another for the same template.
pub fn of(template: &Value, collisions: Option<i64>) -> String {
    let mut hash = Fnv(0x811c_9dc5);
    feed(template, &mut hash);
    if let Some(collisions) = collisions {
        hash.bytes(&collisions.to_le_bytes());
    }
    encode(&hash.0.to_string())
}

/// Digits as letters of the alphabet.
pub fn encode(text: &str) -> String {
    let letter = |byte: u8| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]);
    text.bytes().map(letter).collect()
}

/// FNV-1a of 32 bits.
struct Fnv(u32);

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }
}

/// Fields in the order of their names; what is not there is as what is empty.
fn feed(value: &Value, hash: &mut Fnv) {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort_unstable();
            hash.bytes(b"{");
            for name in names {
                let value = &fields[name];
                if value.is_null() {
                    continue;
                }
                hash.bytes(name.as_bytes());
                hash.bytes(b":");
                feed(value, hash);
            }
            hash.bytes(b"}");
        }
        Value::Array(items) => {
            hash.bytes(b"[");
            items.iter().for_each(|item| feed(item, hash));
            hash.bytes(b"]");
        }
        other => {
            hash.bytes(other.to_string().as_bytes());
            hash.bytes(b",");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_of_fields_does_not_count() {
        let one = of(&json!({ "a": 1, "b": [1, 2], "c": null }), None);
        assert_eq!(one, of(&json!({ "b": [1, 2], "a": 1 }), None));
        assert_ne!(one, of(&json!({ "b": [2, 1], "a": 1 }), None));
        assert_ne!(one, of(&json!({ "a": 1, "b": [1, 2] }), Some(1)));
        assert!(one.bytes().all(|byte| ALPHABET.contains(&byte)));
    }
}

//! Objects as Kubernetes' protobuf and back, by the table of built-in types.
//!
//! What is on the wire begins with `k8s\0`; then comes an envelope that names the kind and holds the
//! object's message. Values stay JSON on our side: nothing here knows a type at compile time.
//!
//! Go always sends fields that are no pointers, zero or not, and reads a missing one as zero. So zeros
//! are left out when they are written here, and when they are read a zero stands only where Go's own
//! JSON would print it: a pointer, or a field without `omitempty`.
//!
//! Refused: more than [`DEPTH`] levels, more than [`VALUES`] values in one object, kinds that are not
//! built in (they have no numbers).

mod decode;
mod encode;
mod error;
mod message;
mod special;
mod time;

pub use error::{DecodeError, EncodeError};

use crate::wire::{Reader, Wire, Writer};
use crate::{resource, types};
use serde_json::Value;

/// Content type of one object.
pub const CONTENT_TYPE: &str = "application/vnd.kubernetes.protobuf";
/// Content type of a watch.
pub const STREAM_TYPE: &str = "application/vnd.kubernetes.protobuf;stream=watch";
/// What every object begins with.
pub const MAGIC: [u8; 4] = *b"k8s\0";
/// Levels of one object, as JSON counts them: what is read here can be read as JSON again.
pub const DEPTH: usize = 120;
/// Values in one object: what a small message may grow to in memory is bounded by it.
pub const VALUES: usize = 1 << 20;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// Kinds that clients send under any group.
const OPTIONS: &[&str] = &["DeleteOptions", "ListOptions"];

/// The number of the type of this kind, if it is built in. A custom group has none, whatever it calls
/// its kinds; only options are known there, as clients send them under the group that they speak to.
pub fn type_of(api_version: &str, kind: &str) -> Option<u16> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let package = resource::package(group);
    let own = package.and_then(|package| types::number(&format!("{package}.{version}.{kind}")));
    let is_meta = package.is_some() || group == "meta.k8s.io" || OPTIONS.contains(&kind);
    own.or_else(|| is_meta.then(|| types::number(&format!("{META}.{kind}"))).flatten())
}

/// Whether objects of this kind have a form in protobuf.
pub fn is_known(api_version: &str, kind: &str) -> bool {
    type_of(api_version, kind).is_some()
}

/// An object with its envelope; its `apiVersion` and `kind` say what it is.
pub fn encode(object: &Value) -> Result<Vec<u8>, EncodeError> {
    let text = |name| object.get(name).and_then(Value::as_str).unwrap_or_default();
    encode_as(text("apiVersion"), text("kind"), object)
}

/// An object of this kind, whatever it says itself.
pub fn encode_as(api_version: &str, kind: &str, object: &Value) -> Result<Vec<u8>, EncodeError> {
    let number = type_of(api_version, kind).ok_or_else(|| EncodeError::Kind {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
    })?;
    let mut out = Writer(MAGIC.to_vec());
    out.message(1, |out| {
        out.text(1, api_version);
        out.text(2, kind);
    });
    out.try_message(2, |out| encode::message(out, number, object))?;
    out.text(3, "");
    out.text(4, "");
    Ok(out.0)
}

/// An object from its bytes. `expected` is what it is taken for if its envelope does not say.
pub fn decode(bytes: &[u8], expected: Option<(&str, &str)>) -> Result<Value, DecodeError> {
    decode::enveloped(bytes, expected, &mut decode::Budget::new())
}

/// The length in front of an event.
pub const LENGTH_BYTES: usize = 4;

/// One event of a watch, framed as the stream wants it. `object` is what [`encode`] made.
pub fn watch_event(kind: &str, object: &[u8]) -> Vec<u8> {
    let mut event = Writer::default();
    event.text(1, kind);
    event.message(2, |out| out.bytes(1, object));
    let length = u32::try_from(event.0.len()).unwrap_or(u32::MAX);
    let mut out = length.to_be_bytes().to_vec();
    out.extend_from_slice(&event.0);
    out
}

/// The kind and the object of an event, without the length that frames it.
pub fn read_watch_event(bytes: &[u8]) -> Result<(String, Value), DecodeError> {
    let (mut kind, mut object) = (String::new(), Value::Null);
    let mut reader = Reader(bytes);
    while let Some((number, value)) = reader.field()? {
        match (number, value) {
            (1, Wire::Bytes(text)) => kind = decode::text(text)?.to_owned(),
            (2, Wire::Bytes(raw)) => {
                let mut reader = Reader(raw);
                while let Some((number, value)) = reader.field()? {
                    if let (1, Wire::Bytes(raw)) = (number, value) {
                        object = decode(raw, None)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok((kind, object))
}

#[cfg(test)]
mod tests;

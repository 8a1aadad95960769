//! How a call ended: gRPC's codes, and how they travel in trailers.

use crate::wire::{Any, RpcStatus};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};
use prost::Message;
use std::fmt;

const CODE: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";
const DETAILS: &str = "grpc-status-details-bin";
/// Bytes of a message in a header, and of details: peers refuse more than 16 KiB of headers less.
const TEXT_LIMIT_BYTES: usize = 4 << 10;
const DETAILS_LIMIT_BYTES: usize = 1 << 20;

/// gRPC's codes that are given or looked at here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    Ok = 0,
    Canceled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
}

/// How a call ended other than well.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// One of [`Code`], or what the other side gave.
    pub code: i32,
    /// For people.
    pub message: String,
    /// For programs.
    pub details: Vec<Any>,
}

impl Status {
    /// Without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code: code as i32, message: message.into(), details: Vec::new() }
    }

    /// What is not done here, for people: no code of its own, which clients would print before it.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Code::Unknown, message)
    }

    /// Says whether this is that code.
    pub fn is(&self, code: Code) -> bool {
        self.code == code as i32
    }

    /// Into trailers.
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(CODE, HeaderValue::from(self.code));
        let end = self.message.floor_char_boundary(TEXT_LIMIT_BYTES);
        if let Ok(text) = HeaderValue::from_str(&percent_encoded(&self.message[..end])) {
            headers.insert(MESSAGE, text);
        }
        if self.details.is_empty() {
            return;
        }
        let status = RpcStatus::from(self.clone()).encode_to_vec();
        if status.len() > DETAILS_LIMIT_BYTES {
            return;
        }
        if let Ok(text) = HeaderValue::from_str(&STANDARD.encode(&status)) {
            headers.insert(DETAILS, text);
        }
    }

    /// From trailers (or headers that are both); `None` for a good end.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let code = match text(CODE).map(str::parse) {
            Some(Ok(0)) => return None,
            Some(Ok(code)) => code,
            _ => Code::Unknown as i32,
        };
        let message = percent_decoded(text(MESSAGE).unwrap_or_default());
        Some(Self { code, message, details: Vec::new() })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

impl From<h2::Error> for Status {
    fn from(error: h2::Error) -> Self {
        let code = match error.reason() {
            Some(h2::Reason::CANCEL) => Code::Canceled,
            _ => Code::Unavailable,
        };
        Self::new(code, format!("connection: {error}"))
    }
}

impl From<Status> for RpcStatus {
    fn from(status: Status) -> Self {
        Self { code: status.code, message: status.message, details: status.details }
    }
}

impl From<RpcStatus> for Status {
    fn from(status: RpcStatus) -> Self {
        Self { code: status.code, message: status.message, details: status.details }
    }
}

/// What may not stand in a header becomes `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The reverse; what is no escape stays.
fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escape = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match escape.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                out.push(byte);
                rest = &tail[2..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_survives_headers() {
        for message in ["", "plain", "100% of\nline — \u{1f980}", "%zz"] {
            let status = Status::new(Code::NotFound, message);
            let mut headers = HeaderMap::new();
            status.write(&mut headers);
            assert_eq!(Status::read(&headers), Some(status), "{message:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(CODE, HeaderValue::from(0));
        assert_eq!(Status::read(&headers), None);
        assert!(Status::read(&HeaderMap::new()).is_some_and(|status| status.is(Code::Unknown)));
    }
}

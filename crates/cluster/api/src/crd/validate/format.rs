//! Formats of texts and numbers: those that the real server knows; others mean nothing.

use super::{Found, in_body, type_invalid};
use crate::crd::node::{Node, compile_pattern};
use regex::Regex;
use serde_json::Value;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

pub(super) fn check(value: &Value, node: &Node, path: &str, found: &mut Found) {
    if node.format.is_empty() {
        return;
    }
    let fits = match value {
        Value::String(text) => fits(text, &node.format),
        Value::Number(number) => match (&*node.format, number.as_i64()) {
            ("int32", Some(whole)) => i32::try_from(whole).is_ok(),
            _ => true,
        },
        _ => true,
    };
    if !fits {
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let text = format!("{} must be of type {}: {shown:?}", in_body(path), node.format);
        found.add(type_invalid(path, &shown, &text));
    }
}

fn fits(text: &str, format: &str) -> bool {
    match format {
        "date-time" | "datetime" => crate::time::is_rfc3339(text),
        "date" => crate::time::is_rfc3339(&format!("{text}T00:00:00Z")),
        "duration" => crate::time::is_duration(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_cidr(text),
        "byte" => is_base64(text),
        "uri" => text.split_once(':').is_some_and(|(scheme, rest)| {
            let plain = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
            scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
                && scheme.chars().all(plain)
                && !rest.is_empty()
                && !rest.contains(char::is_whitespace)
        }),
        "hostname" => {
            crate::selector::subdomain_errors(&text.to_ascii_lowercase(), false).is_empty()
        }
        "k8s-short-name" => crate::kinds::name::label(text).is_empty(),
        "k8s-long-name" => crate::selector::subdomain_errors(text, false).is_empty(),
        "email" => matches_one(&EMAIL, text),
        "mac" => matches_one(&MAC, text),
        "uuid" | "uuid3" | "uuid4" | "uuid5" => is_uuid(text, format.strip_prefix("uuid")),
        "hexcolor" => matches_one(&HEX_COLOR, text),
        "ssn" => matches_one(&SSN, text),
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        _ => true,
    }
}

type Pattern = LazyLock<Option<Regex>>;

static EMAIL: Pattern = LazyLock::new(|| compile_pattern(r"^[^@\s]+@[^@\s]+$").ok());
static MAC: Pattern =
    LazyLock::new(|| compile_pattern(r"^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$").ok());
static HEX_COLOR: Pattern =
    LazyLock::new(|| compile_pattern(r"^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$").ok());
static SSN: Pattern = LazyLock::new(|| compile_pattern(r"^\d{3}[- ]?\d{2}[- ]?\d{4}$").ok());

fn matches_one(pattern: &Pattern, text: &str) -> bool {
    pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = if address.parse::<Ipv4Addr>().is_ok() {
        32
    } else if address.parse::<Ipv6Addr>().is_ok() {
        128
    } else {
        return false;
    };
    let plain =
        bits.bytes().all(|byte| byte.is_ascii_digit()) && (bits == "0" || !bits.starts_with('0'));
    plain && bits.parse::<u32>().is_ok_and(|bits| bits <= most)
}

fn is_base64(text: &str) -> bool {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).is_ok()
}

fn is_uuid(text: &str, version: Option<&str>) -> bool {
    let plain: String = text.chars().filter(|letter| *letter != '-').collect();
    let dashes = text.len() - plain.len();
    let version_fits = match version {
        Some(version @ ("3" | "4" | "5")) => plain.get(12..13) == Some(version),
        _ => true,
    };
    plain.len() == 32
        && (dashes == 0 || dashes == 4)
        && plain.bytes().all(|byte| byte.is_ascii_hexdigit())
        && version_fits
}

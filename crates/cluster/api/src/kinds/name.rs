//! Forms of names, and the words for what is wrong with them (`apimachinery/pkg/util/validation`).

use crate::selector::{label_key_errors, subdomain_errors};

const LABEL_BYTES: usize = 63;
const SUBDOMAIN_BYTES: usize = 253;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const UNDERSCORED: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')";
const WILDCARD: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const ENVIRONMENT: &str = "a valid environment variable name must consist only of printable ASCII characters other than '='";
const HEADER: &str = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
const PERCENT: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
const C_IDENTIFIER: &str = "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')";

fn too_long(limit: usize) -> String {
    format!("must be no more than {limit} characters")
}

fn is_label(text: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(plain)
        && bytes.last().is_some_and(plain)
        && bytes.iter().all(|byte| plain(byte) || *byte == b'-')
}

/// A name or the start of one: what will follow a trailing dash is letters.
fn whole(name: &str, is_prefix: bool) -> String {
    match name.strip_suffix('-') {
        Some(start) if is_prefix => format!("{start}a"),
        _ => name.to_owned(),
    }
}

/// RFC 1123's label.
pub fn label(name: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if name.len() > LABEL_BYTES {
        errors.push(too_long(LABEL_BYTES));
    }
    if !is_label(name) {
        let dotted = !name.is_empty() && name.split('.').all(is_label);
        errors.push(if dotted { "must not contain dots".to_owned() } else { LABEL.to_owned() });
    }
    errors
}

/// RFC 1123's label as an object's name.
pub fn label_name(name: &str, is_prefix: bool) -> Vec<String> {
    label(&whole(name, is_prefix))
}

/// RFC 1035's label.
pub fn label_1035(name: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if name.len() > LABEL_BYTES {
        errors.push(too_long(LABEL_BYTES));
    }
    if !is_label(name) || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        errors.push(LABEL_1035.to_owned());
    }
    errors
}

/// RFC 1035's label as an object's name.
pub fn label_1035_name(name: &str, is_prefix: bool) -> Vec<String> {
    label_1035(&whole(name, is_prefix))
}

/// RFC 1123's subdomain.
pub fn subdomain(name: &str) -> Vec<String> {
    subdomain_errors(name, false)
}

/// RFC 1123's subdomain as an object's name.
pub fn subdomain_name(name: &str, is_prefix: bool) -> Vec<String> {
    subdomain_errors(&whole(name, is_prefix), false)
}

/// What can be one segment of a path (RBAC, and names that are otherwise free).
pub fn path_segment(name: &str, is_prefix: bool) -> Vec<String> {
    let mut errors = Vec::new();
    if !is_prefix && (name == "." || name == "..") {
        errors.push(format!("may not be '{name}'"));
    }
    for character in ['/', '%'] {
        if name.contains(character) {
            errors.push(format!("may not contain '{character}'"));
        }
    }
    errors
}

/// A subdomain that may have underscores.
pub fn underscored_subdomain(name: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if name.len() > SUBDOMAIN_BYTES {
        errors.push(too_long(SUBDOMAIN_BYTES));
    }
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fits = name.split('.').all(|part| {
        let bytes = part.strip_prefix('_').unwrap_or(part).as_bytes();
        bytes.first().is_some_and(plain)
            && bytes.last().is_some_and(plain)
            && bytes.iter().all(|byte| plain(byte) || matches!(byte, b'-' | b'_'))
    });
    if !fits {
        errors.push(UNDERSCORED.to_owned());
    }
    errors
}

/// `*.` and a subdomain.
pub fn wildcard_subdomain(name: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if name.len() > SUBDOMAIN_BYTES {
        errors.push(too_long(SUBDOMAIN_BYTES));
    }
    if !name.strip_prefix("*.").is_some_and(|rest| rest.split('.').all(is_label)) {
        errors.push(WILDCARD.to_owned());
    }
    errors
}

/// `name` or `example.com/name`.
pub fn qualified(name: &str) -> Vec<String> {
    label_key_errors(name)
}

/// A key of a ConfigMap or a Secret.
pub fn config_key(key: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if key.len() > SUBDOMAIN_BYTES {
        errors.push(too_long(SUBDOMAIN_BYTES));
    }
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if key.is_empty() || !key.as_bytes().iter().all(fits) {
        errors.push(CONFIG_KEY.to_owned());
    }
    match key {
        "." | ".." => errors.push(format!("must not be '{key}'")),
        _ if key.starts_with("..") => errors.push("must not start with '..'".to_owned()),
        _ => {}
    }
    errors
}

/// An environment variable's name.
pub fn environment(name: &str) -> Vec<String> {
    if name.is_empty() {
        return vec!["environment variable name must be non-empty".to_owned()];
    }
    let fits = name.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=');
    if fits { Vec::new() } else { vec![ENVIRONMENT.to_owned()] }
}

/// A header's name.
pub fn header(name: &str) -> Vec<String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !name.is_empty() && name.bytes().all(fits) { Vec::new() } else { vec![HEADER.to_owned()] }
}

/// `50%`.
pub fn percent(text: &str) -> Vec<String> {
    let digits = text.strip_suffix('%').unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Vec::new();
    }
    vec![PERCENT.to_owned()]
}

/// An identifier of C.
pub fn c_identifier(name: &str) -> Vec<String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let starts = name.bytes().next().is_some_and(|byte| fits(byte) && !byte.is_ascii_digit());
    if starts && name.bytes().all(fits) { Vec::new() } else { vec![C_IDENTIFIER.to_owned()] }
}

/// A port's number.
pub fn port_number(port: i64) -> Vec<String> {
    if (1..=65535).contains(&port) {
        return Vec::new();
    }
    vec!["must be between 1 and 65535, inclusive".to_owned()]
}

/// A port's name (IANA's service name).
pub fn port_name(name: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if name.len() > 15 {
        errors.push(too_long(15));
    }
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(fits) {
        errors
            .push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into());
    }
    if !name.bytes().any(|byte| byte.is_ascii_lowercase()) {
        errors.push("must contain at least one letter (a-z)".into());
    }
    if name.contains("--") {
        errors.push("must not contain consecutive hyphens".into());
    }
    if name.starts_with('-') || name.ends_with('-') {
        errors.push("must not begin or end with a hyphen".into());
    }
    errors
}

/// A user's or group's number.
pub fn unix_id(id: i64) -> Vec<String> {
    if (0..=0xffff_ffff).contains(&id) {
        return Vec::new();
    }
    vec!["must be between 0 and 4294967295, inclusive".to_owned()]
}

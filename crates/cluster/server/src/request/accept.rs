//! What a client wants to be answered: format and form (`Accept`).

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING, USER_AGENT};
use teu_api::Status;

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `application/json`.
    Json,
    /// `application/yaml`.
    Yaml,
    /// `application/vnd.kubernetes.protobuf`.
    Protobuf,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// The object.
    Whole,
    /// Rows for people.
    Table,
    /// Its metadata.
    Partial,
}

/// A wish that can be fulfilled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accept {
    /// See there.
    pub format: Format,
    /// See there.
    pub form: Form,
    /// Whether for people's eyes.
    pub is_pretty: bool,
    /// Whether it may be compressed.
    pub takes_gzip: bool,
}

impl Format {
    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }
}

/// What can be answered, in the words of a refusal.
pub const TYPES: [&str; 3] =
    ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
/// Clauses of an `Accept` header that are looked at.
const MAX_CLAUSES: usize = 64;

impl Default for Accept {
    fn default() -> Self {
        Self { format: Format::Json, form: Form::Whole, is_pretty: false, takes_gzip: false }
    }
}

impl Accept {
    /// What the headers ask for; `has_protobuf` says whether the answer has such a form.
    pub fn of(headers: &HeaderMap, has_protobuf: bool) -> Result<Self, Status> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let agent = text(USER_AGENT);
        let mut accept = Self {
            is_pretty: ["curl", "Wget", "Mozilla/5.0"].iter().any(|name| agent.starts_with(name)),
            takes_gzip: text(ACCEPT_ENCODING)
                .split(',')
                .any(|coding| coding.split(';').next().unwrap_or_default().trim() == "gzip"),
            ..Self::default()
        };
        let wanted: Vec<&str> =
            headers.get_all(ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect();
        let wanted = wanted.join(",");
        if wanted.trim().is_empty() {
            return Ok(accept);
        }
        let mut best: Option<(u16, Format, Form)> = None;
        for clause in wanted.split(',').take(MAX_CLAUSES) {
            let Some((quality, format, form)) = read(clause) else { continue };
            let fits = format != Format::Protobuf || has_protobuf;
            if fits && quality > 0 && best.is_none_or(|(other, ..)| quality > other) {
                best = Some((quality, format, form));
            }
        }
        let Some((_, format, form)) = best else { return Err(Status::not_acceptable(&TYPES)) };
        (accept.format, accept.form) = (format, form);
        Ok(accept)
    }

    /// A number that differs between all of them.
    pub fn shape(self) -> u64 {
        self.format as u64 | (self.form as u64) << 4 | u64::from(self.is_pretty) << 8
    }
}

/// One clause: quality in thousandths, format, form; `None` if we have no such thing.
fn read(clause: &str) -> Option<(u16, Format, Form)> {
    let mut parts = clause.split(';').map(str::trim);
    let format = match parts.next()? {
        "application/json" | "*/*" | "application/*" => Format::Json,
        "application/yaml" | "application/x-yaml" => Format::Yaml,
        "application/vnd.kubernetes.protobuf" => Format::Protobuf,
        _ => return None,
    };
    let (mut quality, mut form, mut group, mut version) = (1000, Form::Whole, "", "");
    for part in parts {
        match part.split_once('=')? {
            ("q", value) => quality = thousandths(value)?,
            ("as", "Table") => form = Form::Table,
            ("as", "PartialObjectMetadata" | "PartialObjectMetadataList") => form = Form::Partial,
            ("as", _) => return None,
            ("g", value) => group = value,
            ("v", value) => version = value,
            // `stream=watch`, `charset=utf-8`, `profile=…`: ours anyhow, or none of ours.
            ("profile", _) => return None,
            _ => {}
        }
    }
    let known =
        form == Form::Whole || (group == "meta.k8s.io" && matches!(version, "v1" | "v1beta1"));
    known.then_some((quality, format, form))
}

fn thousandths(text: &str) -> Option<u16> {
    let number: f32 = text.parse().ok()?;
    // In 0..=1000 it is exact enough.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let whole = (number.clamp(0.0, 1.0) * 1000.0) as u16;
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn wishes() {
        let check = |text: &'static str, wanted: Option<(Format, Form)>| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(text));
            let found = Accept::of(&headers, true).ok().map(|accept| (accept.format, accept.form));
            assert_eq!(found, wanted, "{text}");
        };
        check("*/*", Some((Format::Json, Form::Whole)));
        check(
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
            Some((Format::Json, Form::Table)),
        );
        check(
            "application/vnd.kubernetes.protobuf,application/json",
            Some((Format::Protobuf, Form::Whole)),
        );
        check("application/json;q=0.5, application/yaml", Some((Format::Yaml, Form::Whole)));
        check("text/html, application/json;q=0.1", Some((Format::Json, Form::Whole)));
        check("text/plain", None);
        check(
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
            Some((Format::Json, Form::Partial)),
        );
    }
}

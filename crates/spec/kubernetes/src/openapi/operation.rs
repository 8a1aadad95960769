//! One operation, printed in either dialect.

use super::Dialect;
use super::parameter::Parameter;
use serde_json::{Map, Value, json};

const OBJECTS: &[&str] =
    &["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const STREAMS: &[&str] =
    &["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
const PATCHES: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

/// What is sent.
pub(super) enum Sent {
    /// Nothing.
    Nothing,
    /// An object of this type.
    Object(Value),
    /// Options, or nothing.
    Options(Value),
    /// A patch of this type; custom resources know no strategic ones.
    Patch(Value, bool),
}

/// An operation.
pub(super) struct Operation<'a> {
    pub(super) id: String,
    pub(super) tag: String,
    pub(super) words: String,
    pub(super) action: &'static str,
    /// Group, version, kind.
    pub(super) kind: (&'a str, &'a str, &'a str),
    pub(super) query: &'static [Parameter],
    pub(super) sent: Sent,
    /// Type of the answer; text if there is none.
    pub(super) answer: Option<Value>,
    pub(super) codes: &'static [(&'static str, &'static str)],
    /// Whether it may be watched.
    pub(super) watch: bool,
    /// Whether the resource is a custom one, which protobuf does not know.
    pub(super) custom: bool,
}

impl Operation<'_> {
    pub(super) fn print(&self, dialect: Dialect) -> Value {
        let mut out = Map::new();
        out.insert("description".into(), self.words.as_str().into());
        out.insert("operationId".into(), self.id.as_str().into());
        out.insert("tags".into(), json!([self.tag]));
        let mut parameters: Vec<Value> =
            self.query.iter().map(|parameter| parameter.query(dialect)).collect();
        match dialect {
            Dialect::V2 => {
                out.insert("consumes".into(), json!(self.takes()));
                out.insert("produces".into(), json!(self.gives()));
                out.insert("schemes".into(), json!(["https"]));
                parameters.extend(self.body_parameter());
            }
            Dialect::V3 => {
                if let Some(body) = self.body() {
                    out.insert("requestBody".into(), body);
                }
            }
        }
        if !parameters.is_empty() {
            out.insert("parameters".into(), parameters.into());
        }
        out.insert("responses".into(), self.responses(dialect));
        out.insert("x-kubernetes-action".into(), self.action.into());
        let (group, version, kind) = self.kind;
        out.insert(
            "x-kubernetes-group-version-kind".into(),
            json!({ "group": group, "version": version, "kind": kind }),
        );
        Value::Object(out)
    }

    fn takes(&self) -> Vec<&'static str> {
        match &self.sent {
            Sent::Patch(_, strategic) => {
                let known = |each: &&&str| *strategic || !each.contains("strategic");
                PATCHES.iter().filter(known).copied().collect()
            }
            _ => vec!["*/*"],
        }
    }

    fn gives(&self) -> Vec<&'static str> {
        if self.answer.is_none() {
            return vec!["*/*"];
        }
        let streams = if self.watch { STREAMS } else { &[] };
        let known = |each: &&&str| !self.custom || !each.contains("protobuf");
        OBJECTS.iter().chain(streams).filter(known).copied().collect()
    }

    fn body_parameter(&self) -> Option<Value> {
        let (schema, required) = match &self.sent {
            Sent::Nothing => return None,
            Sent::Options(schema) => (schema, false),
            Sent::Object(schema) | Sent::Patch(schema, _) => (schema, true),
        };
        let mut out = Map::new();
        out.insert("name".into(), "body".into());
        out.insert("in".into(), "body".into());
        if required {
            out.insert("required".into(), true.into());
        }
        out.insert("schema".into(), schema.clone());
        Some(out.into())
    }

    fn body(&self) -> Option<Value> {
        let (schema, required) = match &self.sent {
            Sent::Nothing => return None,
            Sent::Options(schema) => (schema, false),
            Sent::Object(schema) | Sent::Patch(schema, _) => (schema, true),
        };
        let mut out = Map::new();
        let content = self.takes().into_iter().map(|kind| (kind, json!({ "schema": schema })));
        out.insert("content".into(), map(content));
        if required {
            out.insert("required".into(), true.into());
        }
        Some(out.into())
    }

    fn responses(&self, dialect: Dialect) -> Value {
        let schema = self.answer.clone().unwrap_or_else(|| json!({ "type": "string" }));
        let known = self.codes.iter().map(|(code, words)| {
            let response = match dialect {
                Dialect::V2 => json!({ "description": words, "schema": schema }),
                Dialect::V3 => {
                    let kinds = self.gives().into_iter();
                    let content = map(kinds.map(|kind| (kind, json!({ "schema": schema }))));
                    json!({ "description": words, "content": content })
                }
            };
            (*code, response)
        });
        map(known.chain([("401", json!({ "description": "Unauthorized" }))]))
    }
}

fn map<'a>(entries: impl Iterator<Item = (&'a str, Value)>) -> Value {
    entries.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
}

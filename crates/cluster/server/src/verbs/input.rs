//! What a client sent to change an object with: all of it, one of the patches, or a configuration
//! that is applied.

use crate::api::{Api, Call, WriteOptions};
use crate::table::Entry;
use serde_json::Value;
use teu_api::apply::{self, Write, ignored_fields};
use teu_api::decode::{self, Decoded};
use teu_api::{Status, patch};

/// A change as it was sent.
#[derive(Debug, Clone)]
pub enum Input {
    /// All of it.
    Whole(Value),
    /// RFC 6902.
    JsonPatch(Value),
    /// RFC 7386.
    MergePatch(Value),
    /// Kubernetes' own.
    StrategicPatch(Value),
    /// Server-side apply.
    Applied(Value),
}

/// The media types of patches, in the order of a refusal's text.
pub const PATCH_TYPES: [&str; 5] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
    "application/apply-patch+cbor",
    "application/strategic-merge-patch+json",
];

impl Input {
    /// What it makes of an object, made to fit the schema, and what did not; or of the document that
    /// a subresource is.
    pub fn fitted(
        &self,
        api: &Api,
        call: &Call,
        before: &Value,
        options: &WriteOptions,
    ) -> Result<(Value, Vec<String>), Status> {
        let value = self.make(api, call, before, options)?;
        if matches!(self, Self::Whole(_) | Self::Applied(_)) {
            return Ok((value, Vec::new()));
        }
        let decoded = Decoded { value, faults: Vec::new() };
        if let (true, Some((schema, api_version, kind))) = (call.is_derived(), call.document()) {
            return decode::object(decoded, &schema, options.validation, (&api_version, kind));
        }
        let Entry { row, api_version, .. } = &*call.entry;
        let kind = &*row.resource.kind;
        decode::object(decoded, &row.schema, options.validation, (api_version, kind))
    }

    /// What it makes.
    fn make(
        &self,
        api: &Api,
        call: &Call,
        before: &Value,
        options: &WriteOptions,
    ) -> Result<Value, Status> {
        let refused = |error: patch::PatchError| error.to_status();
        match self {
            Self::Whole(sent) => Ok(sent.clone()),
            Self::JsonPatch(operations) => {
                let mut new = before.clone();
                patch::json(&mut new, operations).map_err(refused)?;
                Ok(new)
            }
            Self::MergePatch(sent) => {
                let mut new = before.clone();
                patch::merge(&mut new, sent);
                Ok(new)
            }
            Self::StrategicPatch(sent) => {
                let schema = &call.entry.row.schema;
                patch::strategic(before.clone(), sent.clone(), schema).map_err(refused)
            }
            Self::Applied(sent) => api.apply(call, Some(before), sent, options),
        }
    }

    /// Whether owners of fields have been seen to.
    pub fn is_applied(&self) -> bool {
        matches!(self, Self::Applied(_))
    }
}

impl Api {
    /// What applying makes of an object, or of none.
    pub fn apply(
        &self,
        call: &Call,
        live: Option<&Value>,
        sent: &Value,
        options: &WriteOptions,
    ) -> Result<Value, Status> {
        let ignored = ignored_fields(sent, call.entry.has_status(), &call.subresource);
        apply::apply(&self.writer(call, live, options, &ignored), sent, options.is_forced)
    }

    /// Gives an object that is about to be written its owners.
    pub fn own(
        &self,
        call: &Call,
        live: Option<&Value>,
        new: Value,
        options: &WriteOptions,
    ) -> Value {
        let ignored = ignored_fields(&new, call.entry.has_status(), &call.subresource);
        apply::update(&self.writer(call, live, options, &ignored), new)
    }

    fn writer<'a>(
        &self,
        call: &'a Call,
        live: Option<&'a Value>,
        options: &'a WriteOptions,
        ignored: &'a apply::Set,
    ) -> Write<'a> {
        Write {
            live,
            schema: &call.entry.row.schema,
            api_version: &call.entry.api_version,
            kind: call.entry.kind(),
            manager: &options.manager,
            subresource: &call.subresource,
            ignored,
            now: self.wall.seconds(),
        }
    }
}

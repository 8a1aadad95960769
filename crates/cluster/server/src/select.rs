//! What of a resource a list or watch is about.

use crate::stored::Stored;
use crate::table::Entry;
use teu_api::Status;
use teu_api::selector::{FieldSelector, LabelSelector};

/// Both selectors.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selector {
    /// Reads both; fields have to be ones the resource can be selected by.
    pub fn parse(entry: &Entry, labels: &str, fields: &str) -> Result<Self, Status> {
        let label_error = |error| {
            Status::bad_request(format!("unable to parse label selector {labels:?}: {error}"))
        };
        let labels_read = LabelSelector::parse(labels).map_err(label_error)?;
        let fields_read =
            FieldSelector::parse(fields).map_err(|error| Status::bad_request(error.to_string()))?;
        let known = entry.row.rules.selectable();
        for term in &fields_read.terms {
            let field = &*term.field;
            if !matches!(field, "metadata.name" | "metadata.namespace") && !known.contains(&field) {
                let text = format!(
                    "Unable to find {:?} that match label selector {labels:?}, field selector {fields:?}: field label not supported: {field}",
                    format!("{}, Resource={}", entry.api_version, entry.plural()),
                );
                return Err(Status::bad_request(text));
            }
        }
        Ok(Self { labels: labels_read, fields: fields_read })
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// The one object it can be about.
    pub fn name(&self) -> Option<&str> {
        self.fields.exact("metadata.name")
    }

    /// The one namespace it can be about.
    pub fn namespace(&self) -> Option<&str> {
        self.fields.exact("metadata.namespace").filter(|namespace| !namespace.is_empty())
    }

    /// Whether it selects an object.
    pub fn matches(&self, stored: &Stored, entry: &Entry) -> bool {
        if self.is_empty() {
            return true;
        }
        let own = self.fields.terms.iter().any(|term| !term.field.starts_with("metadata."));
        let index = match own {
            true => stored.selectable_in(entry),
            false => Some(stored.selectable(&entry.row)),
        };
        index.is_some_and(|index| {
            self.labels.matches(|key| index.label(key))
                && self.fields.matches(|field| index.field(field))
        })
    }
}

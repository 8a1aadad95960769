//! What is wrong with an object or with bytes.

use crate::wire::Broken;

/// Why an object has no form in protobuf.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// A custom resource, or nothing known.
    #[error("{kind} of {api_version} is not built in, so it has no form in protobuf")]
    Kind {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
    /// A value that is not of its field's type.
    #[error("{field}: {found} is not {wanted}")]
    Value {
        /// The field's name, from the object.
        field: &'static str,
        /// What is there, shortened.
        found: String,
        /// What should be.
        wanted: &'static str,
    },
    /// Nested without end.
    #[error("the object has more than {} levels", super::DEPTH)]
    Depth,
}

/// Why bytes are no object.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// They do not begin as they should.
    #[error("the bytes do not begin with \"k8s\\0\": they are no object in Kubernetes' protobuf")]
    Magic,
    /// No protobuf.
    #[error("the bytes are cut short or are no protobuf")]
    Broken,
    /// Another kind than is built in.
    #[error("no kind \"{kind}\" is registered for version \"{api_version}\"")]
    Kind {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
    /// Text that is none.
    #[error("text is not UTF-8")]
    Text,
    /// A field that holds something else than its type.
    #[error("{field}: not of the field's type")]
    Value {
        /// The field's name.
        field: &'static str,
    },
    /// JSON within the message.
    #[error("what a raw extension holds is neither JSON nor an object in protobuf")]
    Json(#[source] serde_json::Error),
    /// Nested without end.
    #[error("the object has more than {} levels", super::DEPTH)]
    Depth,
    /// Too much in it.
    #[error("the object has more than {} values", super::VALUES)]
    Values,
}

impl From<Broken> for DecodeError {
    fn from(Broken: Broken) -> Self {
        Self::Broken
    }
}

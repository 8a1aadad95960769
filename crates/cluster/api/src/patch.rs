//! The three kinds of patches a client may send: JSON patch (RFC 6902), merge patch (RFC 7386) and
//! Kubernetes' own strategic merge patch, which merges lists by what the schema says of them.
//!
//! All are functions of a document and a patch. What they give may still be anything: it goes
//! through decoding and validation like what a client sends whole. Work is bounded by the number of
//! operations, the bytes they copy and the depth they reach.

mod go;
pub mod json;
mod merge;
mod strategic;

pub(crate) use go::printed;
pub use json::{Operation, parse_operations};
pub use merge::merge;
pub use strategic::strategic;

use crate::status::{Cause, CauseKind, Status};
use serde_json::Value;

/// Operations of one JSON patch; the real server's limit.
pub const MAX_OPERATIONS: usize = 10_000;

/// Bytes that the `copy` operations of one patch may copy together; the real server's limit.
pub const MAX_COPY_BYTES: usize = 3 << 20;

/// Levels of objects and arrays that a patched document may have. What is stored must be readable
/// again, and readers recurse.
pub const MAX_DEPTH: usize = 100;

/// Why a patch is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// It is not a list of operations.
    #[error("json patch: {0}")]
    Malformed(&'static str),
    /// Too many.
    #[error("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {0}")]
    TooManyOperations(usize),
    /// No such operation.
    #[error("unexpected kind: {0}")]
    UnknownOperation(String),
    /// A path leads nowhere.
    #[error("{operation} operation does not apply: doc is missing path: {path}")]
    Missing {
        /// Which.
        operation: &'static str,
        /// Its path.
        path: String,
    },
    /// An index that is none of the array's.
    #[error("{operation} operation does not apply: invalid index in path: {path}")]
    Index {
        /// Which.
        operation: &'static str,
        /// Its path.
        path: String,
    },
    /// What was expected is not there.
    #[error("testing value {path} failed")]
    Test {
        /// Where.
        path: String,
    },
    /// A value would be moved into itself.
    #[error("move operation does not apply: {path} is inside of what is moved")]
    IntoItself {
        /// To where.
        path: String,
    },
    /// The copies are too large together.
    #[error("the copy operations of the patch exceed {MAX_COPY_BYTES} bytes")]
    TooMuchCopied,
    /// The document would be too deep.
    #[error("the patched object has more than {MAX_DEPTH} levels at {path}")]
    TooDeep {
        /// Where.
        path: String,
    },
    /// `$patch` says something unknown.
    #[error("unknown patch type: {directive} in map: {map}")]
    Directive {
        /// What it says.
        directive: String,
        /// Where.
        map: String,
    },
    /// `$patch: merge` in a list.
    #[error("merging lists cannot yet be specified in the patch")]
    MergeInList,
    /// An item lacks what tells it apart.
    #[error("map: {map} does not contain declared merge key: {key}")]
    NoMergeKey {
        /// The item.
        map: String,
        /// The field.
        key: String,
    },
    /// A list's items are not alike.
    #[error("list element types are not identical: {0}")]
    MixedList(String),
    /// A list in a list.
    #[error("lists of lists are not supported")]
    ListOfLists,
    /// Objects in a list without a key.
    #[error("cannot merge lists without merge key for type struct")]
    NoKeyForList,
    /// An object was expected, or an array.
    #[error("expected a {expected}, but received a {actual}: {value}")]
    BadType {
        /// Go's word.
        expected: &'static str,
        /// Go's word.
        actual: &'static str,
        /// What was received.
        value: String,
    },
    /// `$deleteFromPrimitiveList` is wrong.
    #[error("invalid patch format of primitive list")]
    DeleteList,
    /// `$retainKeys` is wrong.
    #[error("invalid patch format of retainKeys")]
    RetainKeys,
    /// `$setElementOrder` is wrong.
    #[error("invalid patch format of setElementOrder list")]
    ElementOrder,
    /// The patch's list is not in the order it declares.
    #[error("The order in patch list:\n{patch}\n doesn't match $setElementOrder list:\n{order}\n")]
    OrderMismatch {
        /// The list.
        patch: String,
        /// The declared order.
        order: String,
    },
    /// Not an object.
    #[error(
        "error decoding patch: json: cannot unmarshal {0} into Go value of type map[string]interface {{}}"
    )]
    NotAnObject(&'static str),
}

impl PatchError {
    /// The answer. A patch that cannot be read is a bad request; one that does not fit the object is
    /// 422 with the real server's text, and the reason as a cause, where clients print it.
    pub fn to_status(&self) -> Status {
        match self {
            Self::TooManyOperations(_) => Status::too_large(self.to_string()),
            Self::UnknownOperation(_)
            | Self::Missing { .. }
            | Self::Index { .. }
            | Self::Test { .. }
            | Self::IntoItself { .. }
            | Self::TooMuchCopied
            | Self::TooDeep { .. }
            | Self::ListOfLists => {
                let message = "the server rejected our request due to an error in our request";
                let mut status = Status::new(422, "Invalid", message);
                status.causes.push(Cause {
                    reason: CauseKind::FieldValueInvalid,
                    message: self.to_string(),
                    field: "patch".to_owned(),
                });
                status
            }
            _ => Status::bad_request(self.to_string()),
        }
    }
}

/// Applies a JSON patch that came as a document.
pub fn json(document: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let operations = parse_operations(patch)?;
    json::apply(document, &operations)
}

/// Levels of arrays and objects in a value; 0 for a scalar. For values of bounded depth only.
pub(crate) fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

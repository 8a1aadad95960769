//! Selectors: which objects a list or a watch is about, by labels and by fields.

pub mod field;
pub mod label;
mod name;

pub use field::FieldSelector;
pub use label::LabelSelector;
pub use name::{label_key_errors, label_value_errors, subdomain_errors};

/// Bytes of a selector's text; longer ones do not fit into a request's line anyway.
pub const MAX_SELECTOR_BYTES: usize = 64 << 10;

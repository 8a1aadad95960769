//! The operations: what the verbs do, without HTTP.

mod again;
pub mod create;
pub mod delete;
pub mod input;
pub mod list;
pub mod meta;
pub mod parts;
pub mod read;
pub mod update;
pub mod watch;

use crate::stored::Object;
use teu_store::cache::Item;

/// An object out of a cache or a list.
pub type Found = std::sync::Arc<Item<crate::stored::Stored>>;

/// What a write answers.
#[derive(Debug)]
pub struct Written {
    /// As it is now.
    pub object: Object,
    /// Whether it was not there before.
    pub is_new: bool,
    /// What the client is told besides.
    pub warnings: Vec<String>,
}

//! A request taken apart: what its path, its query and its headers ask for.

pub mod accept;
pub mod path;
pub mod query;

pub use accept::{Accept, Form, Format};
pub use path::Place;
pub use query::Query;

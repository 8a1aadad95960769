//! Real clients against the documents that this crate makes.

mod explain;
mod go;
mod serve;

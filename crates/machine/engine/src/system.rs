//! What is about the whole engine.

pub mod events;
pub mod info;
pub mod usage;
pub mod version;

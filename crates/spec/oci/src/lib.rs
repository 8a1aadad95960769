//! Documents of the Open Container Initiative, and Docker's dialect of them, as pure types.
//!
//! Why: the words of other people (digest, descriptor, manifest, bundle configuration) are spelled
//! once, here, and every crate above reads and prints them the same way. This crate refuses to do
//! anything else: it opens no file, asks no registry, and knows no defaults of ours.
//!
//! Start reading at [`digest`] (content is named by it), then [`reference`] (people name images by
//! it), then [`image`] (manifest, index, configuration) and [`runtime`] (what a process runs in).
//!
//! Specifications: OCI image-spec 1.1, distribution-spec 1.1 (names), runtime-spec 1.2.

#![forbid(unsafe_code)]

pub mod chain;
pub mod digest;
pub mod image;
pub mod media;
pub mod platform;
pub mod reference;
pub mod runtime;

pub use chain::ChainId;
pub use digest::Digest;
pub use platform::Platform;
pub use reference::Reference;

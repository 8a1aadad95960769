//! Images on disk: content by digest, snapshots by chain, names by reference, kept by lease.
//!
//! Why: everything that makes or runs an image (builder, containers, command line) shares one
//! store, which is an OCI image layout that other tools can read at any moment. Only [`remote`] talks
//! to a network. This crate refuses to print, to read the environment, and to believe bytes it has
//! not hashed.
//!
//! Start reading at [`store`] (the layout, its locks and what makes it safe), then [`unpack`] (how a
//! hostile tar becomes a directory), [`tree`] (how a directory becomes a tar), [`tar`] (the format),
//! [`remote`] (registries).
//!
//! Invariants: a blob under its final name has the bytes its name says, as long as the disk keeps
//! them; a name in `index.json` is acknowledged only after its content is on disk; no path of an
//! archive is ever resolved but beneath a directory descriptor.

#![forbid(unsafe_code)]

pub mod change;
pub mod compression;
pub mod error;
pub mod lazy;
pub mod limits;
pub mod remote;
pub mod store;
pub mod tar;
pub mod time;
pub mod transfer;
pub mod tree;
pub mod unpack;
pub mod whole;

pub use error::{Error, Result};
pub use limits::Limits;
pub use store::Store;
pub use store::archive::source::ArchiveSource;
pub use store::archive::{Loaded, SaveFormat};
pub use store::artifact::Artifact;
pub use store::attached::NewArtifact;
pub use store::blob::{BlobReader, Hasher, Ingest};
pub use store::fetch::Fetch;
pub use store::give::StoreSource;
pub use store::image::{HistoryRow, Image};
pub use store::import::ImportRequest;
pub use store::layer::{Layer, LayerOptions};
pub use store::lazy::{Lazily, Readiness, Serving};
pub use store::lease::Lease;
pub use store::ledger::{Entry as LedgerEntry, Ledger, Sealed};
pub use store::name::Broken;
pub use store::prune::{PruneFilter, Pruned};
pub use store::published::Published;
pub use store::receive::StoreSink;
pub use store::remove::{InUse, RemoveRequest, Removed};
pub use store::snapshot::Chain;
pub use store::upload::{Upload, UploadInfo};
pub use store::usage::{ImageUsage, Keeper, LeaseUsage, Usage};
pub use store::write::Annotations;

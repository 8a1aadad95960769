//! Layers that are read before they are here: eStargz, and the process that serves them.
//!
//! An eStargz layer is an ordinary gzip of a tar, so every client can read it. Each file (each 4 MiB
//! of a large one) begins a gzip member of its own, and a table of contents at the end says where;
//! with it a file can be fetched alone. See `docs/design/lazy.md`.
//!
//! Invariant: no byte is given to a container that does not have the digest that the table says, and
//! no table is used that does not have the digest that the image's manifest says.

pub mod coming;
pub mod extents;
pub mod files;
pub mod footer;
pub mod nodes;
pub mod toc;
pub mod writer;

/// The annotation of a layer with the digest of its table of contents.
pub const TOC_DIGEST: &str = "containerd.io/snapshot/stargz/toc.digest";
/// The annotation of a layer with the bytes of its plain tar.
pub const UNCOMPRESSED_SIZE: &str = "io.containers.estargz.uncompressed-size";
/// The name of the table in the tar.
pub const TOC_NAME: &[u8] = b"stargz.index.json";

//! Copying one image, or all that an index leads to, from any kind of storage to any other.
//!
//! A [`Source`] gives documents and blobs by descriptor; a [`Sink`] takes them. Each kind of storage
//! is one or both of it, and [`copy`] knows nothing else about them: what is copied keeps its bytes,
//! and so its digests, unless a change is asked for ([`recode`]) or the sink cannot hold it.
//!
//! Invariant: a document reaches a sink after everything that it leads to, and everything is hashed
//! on its way.

pub mod assemble;
pub(crate) mod attached;
pub mod copy;
pub mod daemon;
pub mod directory;
pub mod estargz;
pub mod image;
pub mod layout;
pub mod progress;
pub mod pull;
pub mod recode;
pub mod registry;
pub(crate) mod threads;
pub mod trust;

pub use assemble::{Assembly, assemble};
pub use copy::{Copied, CopyRequest, Selection, copy};
pub use daemon::{Daemon, DaemonSink};
pub use directory::{DirectorySink, DirectorySource};
pub use image::{Sink, Source, View};
pub use layout::{ArchiveKind, ArchiveSink, LayoutSink};
pub use progress::{Progress, Quiet, State};
pub use pull::{PullRequest, Pulled, PushRequest, pull, push};
pub use recode::{Dialect, Recode};
pub use registry::{RegistrySink, RegistrySource};

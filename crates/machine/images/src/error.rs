//! What can go wrong with images, each with its place and what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use teu_oci::digest::ParseDigestError;
use teu_oci::reference::ParseReferenceError;
use teu_oci::{Digest, Platform};

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on images failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused something at a path.
    #[error("cannot {verb} {}: {source}", path.display())]
    Io {
        /// What was being done.
        verb: &'static str,
        /// To what.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// Reading or writing a stream failed.
    #[error("cannot {verb}: {source}")]
    Stream {
        /// What was being done.
        verb: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A document of ours or of an image does not parse.
    #[error("{what} is not valid: {source}")]
    Document {
        /// Which document.
        what: String,
        /// Where it breaks.
        #[source]
        source: serde_json::Error,
    },
    /// A text does not name an image.
    #[error(transparent)]
    Reference(#[from] ParseReferenceError),
    /// A text is not a digest.
    #[error(transparent)]
    Digest(#[from] ParseDigestError),
    /// No image has this name or id.
    #[error("no such image: {name}{}", hint(.near.as_deref()))]
    NoSuchImage {
        /// What was asked for.
        name: String,
        /// A name that is nearly the same.
        near: Option<String>,
    },
    /// The id prefix fits several images.
    #[error("image id {prefix:?} is ambiguous: it fits {}; give more digits", .candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        prefix: String,
        /// The short ids it fits, with a name each.
        candidates: Vec<String>,
    },
    /// The image exists for other machines only.
    #[error("image {name} has no variant for {wanted}; it has {}", list(.present))]
    NoPlatform {
        /// The image.
        name: String,
        /// What was wanted.
        wanted: Box<Platform>,
        /// What is there.
        present: Vec<Platform>,
    },
    /// Content that is referred to is absent.
    #[error("content {digest} is not in the store ({what}); load or pull the image again")]
    Missing {
        /// What is absent.
        digest: Digest,
        /// What role it has.
        what: &'static str,
    },
    /// Bytes in the store are not what their name says.
    #[error(
        "content {expected} is corrupted on disk (its bytes hash to {found}); remove the images that use it (`teu system df -v` names them) and load or pull them again"
    )]
    Corrupted {
        /// The name of the blob.
        expected: Digest,
        /// What its bytes hash to.
        found: Digest,
    },
    /// Bytes that came in are not what was announced.
    #[error("{what} does not match its digest: expected {expected}, got {found}")]
    Mismatch {
        /// Which content.
        what: &'static str,
        /// What was announced.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// Bytes that came in are not as many as was announced.
    #[error("{digest} has {found} bytes where its descriptor says {expected}")]
    Size {
        /// Which content.
        digest: Digest,
        /// What was announced.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// A document claims to be of another kind than its descriptor says (CVE-2021-41190).
    #[error("{digest} is described as {expected} but its content says it is {found}")]
    Confused {
        /// Which document.
        digest: Digest,
        /// The descriptor's media type.
        expected: String,
        /// What the document looks like.
        found: String,
    },
    /// A media type nothing here can read.
    #[error("{digest} has media type {media_type:?}, which is not {wanted}")]
    MediaType {
        /// Which content.
        digest: Digest,
        /// Its type.
        media_type: String,
        /// What was needed.
        wanted: &'static str,
    },
    /// Manifest and configuration disagree on the number of layers.
    #[error("image {image}: the manifest has {layers} layers, its configuration {diff_ids}")]
    LayerCount {
        /// The image.
        image: Digest,
        /// Layers of the manifest.
        layers: usize,
        /// Layers of the configuration.
        diff_ids: usize,
    },
    /// Something is larger than a limit of ours.
    #[error("{what} exceeds the limit of {limit} {unit}")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// An entry of an archive was refused.
    #[error("archive entry {name:?}: {reason}")]
    Entry {
        /// The entry's name, shortened.
        name: String,
        /// Why.
        reason: EntryFault,
    },
    /// Writing an entry of an archive failed.
    #[error("cannot {verb} {name:?} of the archive: {source}")]
    EntryIo {
        /// What was being done.
        verb: &'static str,
        /// The entry's name, shortened.
        name: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The archive itself is broken.
    #[error("broken tar archive at byte {offset}: {reason}")]
    Tar {
        /// Where in the (decompressed) stream.
        offset: u64,
        /// What is wrong.
        reason: TarFault,
    },
    /// The archive is no image archive.
    #[error("not an image archive: {reason}")]
    Archive {
        /// What is missing or wrong.
        reason: ArchiveFault,
    },
    /// A directory cannot be made into a layer.
    #[error("cannot make a layer of {}: {reason}", path.display())]
    Upper {
        /// The entry.
        path: PathBuf,
        /// Why.
        reason: UpperFault,
    },
    /// The image is used by a container.
    #[error("image {image} is used by {}; remove them first, or force", .users.join(", "))]
    InUse {
        /// The image as it was named.
        image: String,
        /// Who uses it.
        users: Vec<String>,
    },
    /// The image has several names and was asked for by id.
    #[error("image {image} has several names ({}); name one of them, or force", .names.join(", "))]
    SeveralNames {
        /// The image's short id.
        image: String,
        /// Its names.
        names: Vec<String>,
    },
    /// A lease's name cannot be a file's name.
    #[error("invalid lease name {0:?}: letters, digits, '.', '_' and '-' are allowed")]
    LeaseName(String),
    /// Another process has a ledger.
    #[error("{0} is in use by another process; is a registry running over this store already?")]
    LedgerInUse(String),
    /// A digest cannot be tagged as a name.
    #[error("cannot tag as {0}: a name with a digest is given by a registry only")]
    TagDigest(String),
    /// A `--change` instruction was refused.
    #[error("--change {instruction:?}: {reason}")]
    Change {
        /// The instruction.
        instruction: String,
        /// What is wrong with it.
        reason: crate::change::ChangeFault,
    },
    /// A table of contents tells of other files than the layer has.
    #[error(
        "layer {layer} is not what its table of contents says, beginning with {path:?}: it is refused; pull the image without --lazy, or not at all"
    )]
    FalseTable {
        /// The layer's blob.
        layer: Digest,
        /// Where they differ.
        path: String,
    },
    /// Attestations and signatures have no place there.
    #[error(
        "referrers cannot be kept by this kind of storage; registries, oci:, oci-archive: and the local store keep them"
    )]
    NoReferrers,
    /// The caller's progress said so.
    #[error("given up: nobody waits for the transfer any more")]
    GivenUp,
    /// `--preserve-digests` cannot be kept.
    #[error("{digest} would change (--preserve-digests): {why}")]
    WouldChange {
        /// What was to be copied.
        digest: Digest,
        /// How.
        why: &'static str,
    },
    /// A registry.
    #[error(transparent)]
    Remote(Box<crate::remote::RemoteError>),
}

impl From<crate::remote::RemoteError> for Error {
    fn from(error: crate::remote::RemoteError) -> Self {
        Self::Remote(Box::new(error))
    }
}

/// Why an archive's entry is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    /// A component is `..`.
    #[error("the path leaves the root (`..`)")]
    Traversal,
    /// The name holds a NUL byte or is empty.
    #[error("the name is empty or holds a NUL byte")]
    Name,
    /// The path has too many bytes.
    #[error("the path is longer than 4095 bytes")]
    PathLength,
    /// One component has too many bytes.
    #[error("a component of the path is longer than 255 bytes")]
    ComponentLength,
    /// The path has too many components.
    #[error("the path has too many components")]
    Depth,
    /// A component of the path is a file.
    #[error("a component of the path is not a directory")]
    NotADirectory,
    /// A link in the path does not lead to a directory beneath the root.
    #[error("a symbolic link in the path leads nowhere beneath the root")]
    Link,
    /// The hard link's target does not exist in the layer or the ones below.
    #[error("the target of the hard link does not exist in this layer or the ones below")]
    HardLink,
    /// A whiteout without a name.
    #[error("a whiteout names no file")]
    Whiteout,
    /// The type flag is none that is known.
    #[error("entries of this type are not supported")]
    Kind,
    /// A sparse map that is out of order or out of bounds.
    #[error("the sparse map is invalid")]
    Sparse,
    /// The root is not a directory.
    #[error("the root must be a directory")]
    Root,
}

/// Why a stream is not a tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TarFault {
    /// The stream ended inside an entry.
    #[error("unexpected end")]
    Truncated,
    /// The header's checksum is wrong.
    #[error("wrong header checksum (is it a tar at all?)")]
    Checksum,
    /// A number field does not parse or is negative.
    #[error("invalid number in the header")]
    Number,
    /// An extended header does not parse.
    #[error("invalid extended (PAX) header")]
    Pax,
    /// Extended header without an entry after it.
    #[error("an extended header without an entry")]
    Dangling,
}

/// Why a tar is no image archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveFault {
    /// Neither of the two tables of content.
    #[error(
        "it has neither manifest.json nor index.json (to make an image of a file system, use `teu import`)"
    )]
    NoTable,
    /// A member is named but absent.
    #[error("member {0:?} is missing")]
    Member(String),
    /// The layout's version is unknown.
    #[error("image layout version {0:?} is not known")]
    Version(String),
    /// It has no image.
    #[error("it has no image")]
    Empty,
    /// It has no image of this name.
    #[error("it has no image named {wanted:?}; it has {}", .present.join(", "))]
    NoName {
        /// What was asked for.
        wanted: String,
        /// What there is.
        present: Vec<String>,
    },
    /// It has several images, and none was named.
    #[error("it has several images ({}); name one of them", .0.join(", "))]
    Several(Vec<String>),
}

/// Why an overlay's upper directory cannot be a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpperFault {
    /// The directory was renamed with `redirect_dir=on`.
    #[error(
        "the directory was moved by the overlay (redirect_dir); mount it with redirect_dir=off"
    )]
    Redirect,
    /// Only metadata was copied up.
    #[error("only its metadata was copied up (metacopy); mount the overlay with metacopy=off")]
    Metacopy,
}

impl Error {
    /// An I/O error with its verb and path.
    pub fn io(verb: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Self {
        Self::Io { verb, path: path.as_ref().to_path_buf(), source: source.into() }
    }

    /// A stream's error with its verb. Errors of this crate that travelled through a reader or
    /// writer come out as they went in.
    pub fn stream(verb: &'static str, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        match source.downcast::<Self>() {
            Ok(own) => own,
            Err(source) => Self::Stream { verb, source },
        }
    }

    /// A broken document.
    pub fn document(what: impl Into<String>, source: serde_json::Error) -> Self {
        Self::Document { what: what.into(), source }
    }

    /// A refused entry; the name is shortened.
    pub(crate) fn entry(name: &[u8], reason: EntryFault) -> Self {
        Self::Entry { name: shorten(name), reason }
    }

    /// The error of a system call on an entry.
    pub(crate) fn entry_io(verb: &'static str, name: &[u8], source: impl Into<io::Error>) -> Self {
        Self::EntryIo { verb, name: shorten(name), source: source.into() }
    }
}

impl From<Error> for io::Error {
    /// For errors that must travel through `Read` or `Write`.
    fn from(error: Error) -> Self {
        match error {
            Error::Stream { source, .. } => source,
            other => Self::other(other),
        }
    }
}

const NAME_SHOWN_BYTES: usize = 200;

fn shorten(name: &[u8]) -> String {
    let shown = name.get(..NAME_SHOWN_BYTES).unwrap_or(name);
    let mut text = String::from_utf8_lossy(shown).into_owned();
    if shown.len() < name.len() {
        text.push('…');
    }
    text
}

fn hint(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean {near}?"))
}

fn list(platforms: &[Platform]) -> String {
    platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

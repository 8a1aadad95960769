//! The one folder that an embedded store owns, as the few verbs it needs.
//!
//! Handed in, so that a simulation can tear writes and lose what was not synced. Names are plain
//! file names. Unless a verb says so, what it did may be undone by a power cut.

use std::io;

/// The unit of durable writes to the log: offsets and lengths are its multiples.
pub const BLOCK_BYTES: usize = 4096;

/// A folder.
pub trait Disk: Send + Sync + 'static {
    /// How messages call it.
    fn describe(&self) -> String;

    /// Takes it for this process, until what is answered is dropped; `None` if another has it.
    fn lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>>;

    /// The files in it.
    fn names(&self) -> io::Result<Vec<String>>;

    /// The bytes of a file.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// Opens a file for reading from its beginning.
    fn open(&self, name: &str) -> io::Result<Box<dyn io::Read + Send>>;

    /// Makes a file (or empties it) to be written from its beginning.
    fn create(&self, name: &str) -> io::Result<Box<dyn Sequential>>;

    /// Opens a file that has its full length for durable writes in place.
    fn open_log(&self, name: &str) -> io::Result<Box<dyn InPlace>>;

    /// Gives a file another name, replacing what had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes names durable: what was created, renamed, removed before.
    fn sync_names(&self) -> io::Result<()>;

    /// A number that nobody can guess.
    fn random(&self) -> io::Result<u64>;
}

/// A file that is written from its beginning.
pub trait Sequential: io::Write + Send {
    /// Makes durable what was written.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file whose blocks are written in place.
pub trait InPlace: Send {
    /// Writes whole blocks at a multiple of the block size; durable when it returns. Cut short by a
    /// crash, each sector (512 bytes) has either its old or its new content.
    fn write(&mut self, at: u64, blocks: &[u8]) -> io::Result<()>;
}

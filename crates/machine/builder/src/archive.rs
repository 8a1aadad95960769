//! Archives that `ADD` unpacks, and contexts that come as a stream.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use teu_images::compression::{self, Decoder, Format};
use teu_images::unpack::{UnpackOptions, Whiteouts};

const BUFFER_BYTES: usize = 128 << 10;

/// What a file's first bytes say it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archive {
    /// Not an archive: copied as it is.
    None,
    /// A tar, plain or compressed.
    Tar,
}

/// Recognises an archive as Docker does: by its bytes, never by its name. A compressed file that
/// is no tar inside is copied as it is.
pub fn recognise(file: &File) -> std::io::Result<Archive> {
    let mut head = [0; 512];
    let count = file.read_at(&mut head, 0)?;
    let head = &head[..count];
    let compressed = compression::recognise(head) != Format::Plain;
    if !compressed {
        return Ok(if is_tar(head) { Archive::Tar } else { Archive::None });
    }
    let mut start = Vec::new();
    let limits = teu_images::Limits::default();
    let inside = Decoder::new(file.try_clone()?, &limits)
        .and_then(|decoder| decoder.take(512).read_to_end(&mut start));
    rustix::fs::seek(file, rustix::fs::SeekFrom::Start(0))?;
    Ok(if inside.is_ok() && is_tar(&start) { Archive::Tar } else { Archive::None })
}

fn is_tar(block: &[u8]) -> bool {
    block.get(257..262) == Some(b"ustar")
}

/// Unpacks a stream into a directory of ours.
pub fn unpack(stream: Box<dyn Read + Send>, directory: &Path) -> teu_images::Result<()> {
    let root = File::open(directory).map_err(|e| teu_images::Error::io("open", directory, e))?;
    unpack_at(stream, std::os::fd::AsFd::as_fd(&root), None)
}

/// Unpacks a stream beneath a descriptor.
pub fn unpack_at(
    stream: impl Read + Send,
    root: std::os::fd::BorrowedFd<'_>,
    owner: Option<(u32, u32)>,
) -> teu_images::Result<()> {
    let limits = teu_images::Limits::default();
    let decoder = Decoder::new(stream, &limits)
        .map_err(|error| teu_images::Error::stream("read the archive", error))?;
    let mut decoder = std::io::BufReader::with_capacity(BUFFER_BYTES, decoder);
    let options =
        UnpackOptions { limits, whiteouts: Whiteouts::Plain, owner, ..UnpackOptions::default() };
    teu_images::unpack::unpack(&mut decoder, root, &options).map(drop)
}

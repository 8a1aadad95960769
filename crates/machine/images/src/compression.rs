//! Compressed streams: recognised by their first bytes, decompressed with a bound on the ratio.
//!
//! gzip (all members of it), zstd, bzip2 and xz are read here; layers of images may be of the first
//! two only. A stream that is none of these is taken as it is. A bomb (a few bytes that grow without
//! end) is stopped by [`Limits::ratio`].

use crate::error::Error;
use crate::limits::Limits;
use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use teu_oci::media::Compression;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// How a stream is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As it is.
    Plain,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// bzip2.
    Bzip2,
    /// The .xz format.
    Xz,
}

impl Format {
    /// The same for a layer; `None` where no layer may be packed so.
    pub fn of_layer(self) -> Option<Compression> {
        match self {
            Self::Plain => Some(Compression::None),
            Self::Gzip => Some(Compression::Gzip),
            Self::Zstd => Some(Compression::Zstd),
            Self::Bzip2 | Self::Xz => None,
        }
    }
}

/// Recognises a stream by its first bytes (six are enough).
pub fn recognise(start: &[u8]) -> Format {
    match start {
        [0x1f, 0x8b, ..] => Format::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Format::Zstd,
        // A skippable frame of zstd.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Format::Zstd,
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Format::Bzip2,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Format::Xz,
        _ => Format::Plain,
    }
}

/// A decompressor chosen by the stream itself.
pub struct Decoder<'a> {
    inner: Box<dyn Read + Send + 'a>,
    format: Format,
    consumed: Arc<AtomicU64>,
    produced: u64,
    limits: Limits,
}

impl std::fmt::Debug for Decoder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("format", &self.format).finish_non_exhaustive()
    }
}

impl<'a> Decoder<'a> {
    /// Looks at the stream's first bytes and decompresses what they say.
    pub fn new(mut source: impl Read + Send + 'a, limits: &Limits) -> io::Result<Self> {
        let start = peek(&mut source)?;
        let format = recognise(&start);
        Self::of(format, io::Cursor::new(start).chain(source), limits)
    }

    /// Decompresses a stream that is known.
    pub fn of(format: Format, source: impl Read + Send + 'a, limits: &Limits) -> io::Result<Self> {
        let consumed = Arc::new(AtomicU64::new(0));
        let counted = Counted { source, consumed: consumed.clone() };
        let inner: Box<dyn Read + Send + 'a> = match format {
            // Whoever reads has a buffer of their own.
            Format::Plain => Box::new(counted),
            Format::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(buffered(counted))),
            Format::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(buffered(counted))?;
                decoder.window_log_max(WINDOW_LOG)?;
                Box::new(decoder)
            }
            Format::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(buffered(counted))),
            Format::Xz => Box::new(lzma_rust2::XzReader::new(buffered(counted), true)),
        };
        Ok(Self { inner, format, consumed, produced: 0, limits: *limits })
    }

    /// What the stream turned out to be.
    pub fn format(&self) -> Format {
        self.format
    }
}

fn buffered<R: Read>(source: R) -> BufReader<R> {
    BufReader::with_capacity(BUFFER_BYTES, source)
}

/// The first six bytes of a stream, or what there is.
pub(crate) fn peek(source: &mut (impl Read + ?Sized)) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(6);
    let mut source = source;
    (&mut source).take(6).read_to_end(&mut start)?;
    Ok(start)
}

/// 2^27 bytes of window at most, as other readers have it.
const WINDOW_LOG: u32 = 27;

impl Read for Decoder<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.produced += length as u64;
        if self.format != Format::Plain && self.produced > self.limits.ratio_free_bytes {
            let consumed = self.consumed.load(Ordering::Relaxed);
            if self.produced / self.limits.ratio > consumed {
                let limit = self.limits.ratio;
                let what = "the compression of the archive";
                return Err(Error::Limit { what, limit, unit: "bytes out of one" }.into());
            }
        }
        Ok(length)
    }
}

struct Counted<R> {
    source: R,
    consumed: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        self.consumed.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

#[cfg(test)]
mod tests;

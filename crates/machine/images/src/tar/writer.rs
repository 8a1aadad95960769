//! Writing: ustar headers, with PAX records only where ustar cannot say it.
//!
//! Deterministic: the bytes depend on the entries alone. The shape is that of Go's archive/tar, so
//! that every reader in the field knows it.

use super::{BLOCK_BYTES, Kind, Mtime};
use std::io::{self, Write};

/// An entry to write.
#[derive(Debug, Clone)]
pub struct WriteEntry<'a> {
    /// Path; a directory's should end in `/`.
    pub path: &'a [u8],
    /// Target of a link.
    pub link: &'a [u8],
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of content that will follow; only files have any.
    pub size_bytes: u64,
    /// When it was modified; fractions cost an extended header.
    pub mtime: Mtime,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes, in the order they shall have.
    pub xattrs: &'a [(Vec<u8>, Vec<u8>)],
}

impl<'a> WriteEntry<'a> {
    /// A plain file or directory of root's.
    pub fn new(path: &'a [u8], kind: Kind, mode: u32, size_bytes: u64) -> Self {
        let mtime = Mtime::default();
        let (link, device, xattrs) = (&[][..], (0, 0), &[][..]);
        Self { path, link, kind, mode, uid: 0, gid: 0, size_bytes, mtime, device, xattrs }
    }
}

/// A writer of an archive.
#[derive(Debug)]
pub struct Builder<W: Write> {
    out: W,
    left: u64,
    padding: usize,
}

const NAME_BYTES: usize = 100;
const PREFIX_BYTES: usize = 155;
const OCTAL_7: u64 = 0o7_777_777;
const OCTAL_11: u64 = 0o77_777_777_777;

impl<W: Write> Builder<W> {
    /// Begins an archive.
    pub fn new(out: W) -> Self {
        Self { out, left: 0, padding: 0 }
    }

    /// Writes an entry's header; its content is to follow by [`Builder::content`].
    pub fn start(&mut self, entry: &WriteEntry<'_>) -> io::Result<()> {
        self.end_content()?;
        let records = records(entry);
        if !records.is_empty() {
            let path = pax_path(entry.path);
            let mut header = WriteEntry::new(&path, Kind::File, 0, records.len() as u64);
            header.mtime = Mtime::default();
            self.out.write_all(&block(&header, b'x'))?;
            self.out.write_all(&records)?;
            self.out.write_all(&ZEROS[..padding(records.len() as u64)])?;
        }
        let size = if entry.kind == Kind::File { entry.size_bytes } else { 0 };
        let entry = WriteEntry { size_bytes: size, ..entry.clone() };
        self.out.write_all(&block(&entry, flag(entry.kind)))?;
        (self.left, self.padding) = (size, padding(size));
        Ok(())
    }

    /// Writes content of the entry that was started.
    pub fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::other("more content than the entry's header says"));
        }
        self.left -= bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Writes an entry with content at hand.
    pub fn append(&mut self, entry: &WriteEntry<'_>, content: &[u8]) -> io::Result<()> {
        self.start(entry)?;
        self.content(content)
    }

    /// Content bytes that the current entry still lacks.
    pub fn missing_bytes(&self) -> u64 {
        self.left
    }

    /// Ends the archive and gives the writer back.
    pub fn finish(mut self) -> io::Result<W> {
        self.end_content()?;
        self.out.write_all(&[0; 2 * BLOCK_BYTES])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn end_content(&mut self) -> io::Result<()> {
        if self.left > 0 {
            return Err(io::Error::other("less content than the entry's header says"));
        }
        self.out.write_all(&ZEROS[..std::mem::take(&mut self.padding)])
    }
}

static ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];

fn padding(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK_BYTES as u64).unwrap_or(0);
    (BLOCK_BYTES - over) % BLOCK_BYTES
}

fn flag(kind: Kind) -> u8 {
    match kind {
        Kind::File => b'0',
        Kind::HardLink => b'1',
        Kind::Symlink => b'2',
        Kind::Char => b'3',
        Kind::Block => b'4',
        Kind::Directory => b'5',
        Kind::Fifo => b'6',
    }
}

/// Splits a path into ustar's prefix and name.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= NAME_BYTES {
        return Some((b"", path));
    }
    let inner = path.strip_suffix(b"/").unwrap_or(path);
    let at = inner.iter().take(PREFIX_BYTES + 1).rposition(|&b| b == b'/')?;
    let (prefix, name) = (&path[..at], &path[at + 1..]);
    (at > 0 && name.len() <= NAME_BYTES).then_some((prefix, name))
}

/// What ustar cannot say, as PAX records sorted by key.
fn records(entry: &WriteEntry<'_>) -> Vec<u8> {
    let mut records: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut add = |key: &[u8], value: &[u8]| records.push((key.to_vec(), value.to_vec()));
    if split(entry.path).is_none() {
        add(b"path", entry.path);
    }
    if entry.link.len() > NAME_BYTES {
        add(b"linkpath", entry.link);
    }
    for (key, id) in [(&b"uid"[..], entry.uid), (b"gid", entry.gid)] {
        if u64::from(id) > OCTAL_7 {
            add(key, id.to_string().as_bytes());
        }
    }
    if entry.kind == Kind::File && entry.size_bytes > OCTAL_11 {
        add(b"size", entry.size_bytes.to_string().as_bytes());
    }
    if entry.mtime.nanoseconds > 0 || !fits(entry.mtime.seconds) {
        add(b"mtime", time(entry.mtime).as_bytes());
    }
    for (name, value) in entry.xattrs {
        add(&[b"SCHILY.xattr.", name.as_slice()].concat(), value);
    }
    records.sort();
    let mut text = Vec::new();
    for (key, value) in &records {
        // The length counts its own digits.
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        text.extend_from_slice(format!("{length} ").as_bytes());
        text.extend_from_slice(key);
        text.push(b'=');
        text.extend_from_slice(value);
        text.push(b'\n');
    }
    text
}

fn fits(seconds: i64) -> bool {
    u64::try_from(seconds).is_ok_and(|seconds| seconds <= OCTAL_11)
}

fn time(mtime: Mtime) -> String {
    let (sign, seconds, nanoseconds) = match (mtime.seconds, mtime.nanoseconds) {
        (seconds, 0) if seconds < 0 => ("-", seconds.unsigned_abs(), 0),
        (seconds, nanos) if seconds < 0 => {
            ("-", (seconds + 1).unsigned_abs(), 1_000_000_000 - nanos)
        }
        (seconds, nanos) => ("", seconds.unsigned_abs(), nanos),
    };
    if nanoseconds == 0 {
        return format!("{sign}{seconds}");
    }
    format!("{sign}{seconds}.{nanoseconds:09}").trim_end_matches('0').to_owned()
}

/// The name of an extended header, as other writers make it; nobody reads it.
fn pax_path(path: &[u8]) -> Vec<u8> {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let base = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
    let mut name = b"PaxHeaders.0/".to_vec();
    name.extend_from_slice(&base[..base.len().min(80)]);
    name
}

fn block(entry: &WriteEntry<'_>, flag: u8) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    let (prefix, name) = match split(entry.path) {
        Some(parts) => parts,
        None => (&b""[..], &entry.path[..NAME_BYTES]),
    };
    block[..name.len()].copy_from_slice(name);
    octal(&mut block[100..108], u64::from(entry.mode & 0o7777));
    octal(&mut block[108..116], small(entry.uid));
    octal(&mut block[116..124], small(entry.gid));
    let size = entry.size_bytes;
    octal(&mut block[124..136], if size > OCTAL_11 { 0 } else { size });
    let seconds = entry.mtime.seconds;
    octal(&mut block[136..148], if fits(seconds) { seconds.unsigned_abs() } else { 0 });
    block[156] = flag;
    let link = &entry.link[..entry.link.len().min(NAME_BYTES)];
    block[157..157 + link.len()].copy_from_slice(link);
    block[257..265].copy_from_slice(b"ustar\x0000");
    octal(&mut block[329..337], u64::from(entry.device.0));
    octal(&mut block[337..345], u64::from(entry.device.1));
    block[345..345 + prefix.len()].copy_from_slice(prefix);
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    octal(&mut block[148..155], sum);
    block
}

fn small(id: u32) -> u64 {
    if u64::from(id) > OCTAL_7 { 0 } else { u64::from(id) }
}

/// Octal digits filling the field but for a final NUL.
fn octal(field: &mut [u8], mut value: u64) {
    let Some((last, digits)) = field.split_last_mut() else { return };
    *last = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(value & 7).unwrap_or(0);
        value >>= 3;
    }
}

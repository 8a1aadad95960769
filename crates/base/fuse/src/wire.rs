//! The protocol's structures, as bytes. Pure.

use crate::Attributes;

/// Bytes before each request.
pub const REQUEST_BYTES: usize = 40;
/// Bytes before each answer.
const ANSWER_BYTES: u32 = 16;
/// What an answer is believed for: nothing here ever changes.
const VALID_S: u64 = 24 * 3600;
const BLOCK_BYTES: u32 = 4096;
/// Bytes of one read that the kernel may ask for.
pub const READ_LIMIT_BYTES: usize = 1 << 20;
/// Bytes of one write; there are none, and the kernel wants a number.
pub const WRITE_LIMIT_BYTES: u32 = 64 << 10;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Lookup,
    Forget,
    Attributes,
    Target,
    Open,
    Read,
    Statfs,
    Release,
    Attribute,
    AttributeNames,
    Init,
    Directory,
    DirectoryPlus,
    Interrupt,
    Destroy,
    Access,
    Other,
}

impl Operation {
    fn of(number: u32) -> Self {
        match number {
            1 => Self::Lookup,
            2 | 42 => Self::Forget,
            3 => Self::Attributes,
            5 => Self::Target,
            14 | 27 => Self::Open,
            15 => Self::Read,
            17 => Self::Statfs,
            18 | 25 | 29 => Self::Release,
            22 => Self::Attribute,
            23 => Self::AttributeNames,
            26 => Self::Init,
            28 => Self::Directory,
            34 => Self::Access,
            36 => Self::Interrupt,
            38 => Self::Destroy,
            44 => Self::DirectoryPlus,
            _ => Self::Other,
        }
    }
}

/// A request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What is asked.
    pub operation: Operation,
    /// Its number.
    pub unique: u64,
    /// About which node.
    pub node: u64,
    /// What follows.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads what the kernel gave in one piece.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
        let body = bytes.get(REQUEST_BYTES..length)?;
        let operation = Operation::of(u32_at(bytes, 4)?);
        Some(Self { operation, unique: u64_at(bytes, 8)?, node: u64_at(bytes, 16)?, body })
    }

    /// Text up to its NUL.
    pub fn text(&self, offset: usize) -> Option<&'a [u8]> {
        let text = self.body.get(offset..)?;
        let end = text.iter().position(|&byte| byte == 0)?;
        Some(&text[..end])
    }

    /// `offset` and `size` of a read of a file or directory.
    pub fn range(&self) -> Option<(u64, usize)> {
        let size = usize::try_from(u32_at(self.body, 16)?).ok()?;
        Some((u64_at(self.body, 8)?, size.min(READ_LIMIT_BYTES)))
    }
}

/// A number in the machine's own order.
pub fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

/// A number in the machine's own order.
pub fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(offset..offset + 8)?.try_into().ok()?))
}

/// Bytes of an answer.
#[derive(Debug, Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// Four bytes.
    pub fn u32(&mut self, number: u32) -> &mut Self {
        self.0.extend_from_slice(&number.to_ne_bytes());
        self
    }

    /// Eight bytes.
    pub fn u64(&mut self, number: u64) -> &mut Self {
        self.0.extend_from_slice(&number.to_ne_bytes());
        self
    }

    /// Two bytes.
    pub fn u16(&mut self, number: u16) -> &mut Self {
        self.0.extend_from_slice(&number.to_ne_bytes());
        self
    }

    /// Bytes of nothing.
    pub fn zeros(&mut self, count: usize) -> &mut Self {
        self.0.resize(self.0.len() + count, 0);
        self
    }

    /// `fuse_attr`
    fn attr(&mut self, found: &Attributes) -> &mut Self {
        let seconds = u64::from_ne_bytes(found.mtime.to_ne_bytes());
        let (major, minor) = found.device;
        let device = (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12);
        self.u64(found.node).u64(found.size).u64(found.size.div_ceil(512));
        self.u64(seconds).u64(seconds).u64(seconds);
        let nanoseconds = found.mtime_nanoseconds;
        self.u32(nanoseconds).u32(nanoseconds).u32(nanoseconds);
        self.u32(found.mode).u32(found.links).u32(found.uid).u32(found.gid);
        self.u32(device).u32(BLOCK_BYTES).u32(0)
    }

    /// `fuse_attr_out`
    pub fn attributes(&mut self, found: &Attributes) -> &mut Self {
        self.u64(VALID_S).u32(0).u32(0).attr(found)
    }

    /// `fuse_entry_out`
    pub fn entry(&mut self, found: &Attributes) -> &mut Self {
        self.u64(found.node).u64(0).u64(VALID_S).u64(VALID_S).u32(0).u32(0).attr(found)
    }

    /// `fuse_entry_out` of a name that is not there, and will not be.
    pub fn no_entry(&mut self) -> &mut Self {
        self.u64(0).u64(0).u64(VALID_S).zeros(104)
    }

    /// `fuse_dirent`; `kind` as `d_type`.
    pub fn name(&mut self, (node, kind): (u64, u32), next: u64, name: &[u8]) -> &mut Self {
        let length = u32::try_from(name.len()).unwrap_or(0);
        self.u64(node).u64(next).u32(length).u32(kind);
        self.0.extend_from_slice(name);
        self.zeros(name.len().next_multiple_of(8) - name.len())
    }

    /// `fuse_statfs_out`
    pub fn statfs(&mut self) -> &mut Self {
        self.zeros(40).u32(BLOCK_BYTES).u32(255).u32(BLOCK_BYTES).zeros(28)
    }

    /// `fuse_init_out`, to what the kernel can.
    pub fn init(&mut self, readahead: u32, offered: u32) -> &mut Self {
        // Reads side by side, both ways to list, parallel listing, no opens, cached links, large reads.
        const WANTED: u32 = 1 | 1 << 13 | 1 << 14 | 1 << 17 | 1 << 18 | 1 << 22 | 1 << 23 | 1 << 24;
        let pages = u16::try_from(READ_LIMIT_BYTES >> 12).unwrap_or(u16::MAX);
        self.u32(7).u32(31).u32(readahead).u32(WANTED & offered).u16(64).u16(48);
        self.u32(WRITE_LIMIT_BYTES).u32(1).u16(pages).u16(0).zeros(32)
    }
}

/// The head of an answer with so many bytes behind it.
pub fn head(unique: u64, error: i32, length: usize) -> [u8; 16] {
    let mut head = [0; 16];
    let length = ANSWER_BYTES + u32::try_from(length).unwrap_or(0);
    head[..4].copy_from_slice(&length.to_ne_bytes());
    head[4..8].copy_from_slice(&(-error).to_ne_bytes());
    head[8..].copy_from_slice(&unique.to_ne_bytes());
    head
}

#[cfg(test)]
mod tests {
    use super::{Bytes, Operation, Request};
    use crate::Attributes;

    #[test]
    fn sizes_are_the_kernels() {
        let found = Attributes::default();
        let size = |fill: &dyn Fn(&mut Bytes)| {
            let mut bytes = Bytes::default();
            fill(&mut bytes);
            bytes.0.len()
        };
        assert_eq!(
            size(&|b| {
                b.attributes(&found);
            }),
            104
        );
        assert_eq!(
            size(&|b| {
                b.entry(&found);
            }),
            128
        );
        assert_eq!(
            size(&|b| {
                b.no_entry();
            }),
            128
        );
        assert_eq!(
            size(&|b| {
                b.statfs();
            }),
            80
        );
        assert_eq!(
            size(&|b| {
                b.init(0, u32::MAX);
            }),
            64
        );
        assert_eq!(
            size(&|b| {
                b.name((1, 4), 1, b"abc");
            }),
            32
        );
        assert_eq!(
            size(&|b| {
                b.name((1, 4), 1, b"12345678");
            }),
            32
        );
    }

    #[test]
    fn requests() {
        let mut bytes = Bytes::default();
        bytes.u32(44).u32(1).u64(7).u64(3).zeros(16);
        bytes.0.extend_from_slice(b"abc\0");
        let request = Request::parse(&bytes.0).expect("a request");
        assert_eq!((request.operation, request.unique, request.node), (Operation::Lookup, 7, 3));
        assert_eq!(request.text(0), Some(&b"abc"[..]));
        assert!(Request::parse(&bytes.0[..43]).is_none());
        assert!(Request::parse(&[]).is_none());
    }
}

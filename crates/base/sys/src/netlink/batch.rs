//! Messages, built one after another into one buffer.
//!
//! Lengths are written when a message or a nest ends; sequence numbers when the batch is sent. Every
//! message and attribute starts at a multiple of four.

use super::{HEADER_BYTES, NLM_F_ACK, NLM_F_REQUEST};

const NLA_F_NESTED: u16 = 0x8000;
/// One attribute's length is 16 bits wide.
const ATTRIBUTE_BYTES_MAX: usize = u16::MAX as usize;

/// Messages that are sent together.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

/// The inside of a message or of a nested attribute.
#[derive(Debug)]
pub struct Body<'a> {
    bytes: &'a mut Vec<u8>,
}

impl Batch {
    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// How many messages there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Adds a message: its kind, its flags (`REQUEST` is implied), its fixed head and its attributes.
    pub fn message(
        &mut self,
        kind: u16,
        flags: u16,
        head: &[u8],
        fill: impl FnOnce(&mut Body<'_>),
    ) {
        let start = self.bytes.len();
        self.starts.push(start);
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 8]);
        self.bytes.extend_from_slice(head);
        pad(&mut self.bytes);
        fill(&mut Body { bytes: &mut self.bytes });
        let length = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// Asks that the last message be acknowledged.
    pub(super) fn acknowledge_last(&mut self) {
        if let Some(&start) = self.starts.last() {
            self.bytes[start + 6] |= NLM_F_ACK as u8;
        }
    }

    /// Bytes, how many messages, how many acknowledgements to wait for.
    pub(super) fn finish(mut self, first_sequence: u32) -> (Vec<u8>, u32, usize) {
        let mut awaited = 0;
        for (index, &start) in self.starts.iter().enumerate() {
            let sequence = first_sequence.wrapping_add(index as u32);
            self.bytes[start + 8..start + 12].copy_from_slice(&sequence.to_ne_bytes());
            debug_assert!(start + HEADER_BYTES <= self.bytes.len(), "a header was written");
            awaited += usize::from(self.bytes[start + 6] & NLM_F_ACK as u8 != 0);
        }
        (self.bytes, self.starts.len() as u32, awaited)
    }
}

impl Body<'_> {
    /// An attribute of bytes. Its callers give names and addresses, far below its limit.
    pub fn bytes(&mut self, kind: u16, value: &[u8]) {
        assert!(value.len() + 4 <= ATTRIBUTE_BYTES_MAX, "an attribute fits 16 bits of length");
        self.bytes.extend_from_slice(&((value.len() + 4) as u16).to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        pad(self.bytes);
    }

    /// A text with the zero at its end that the kernel wants.
    pub fn text(&mut self, kind: u16, value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.bytes(kind, &bytes);
    }

    /// One byte.
    pub fn u8(&mut self, kind: u16, value: u8) {
        self.bytes(kind, &[value]);
    }

    /// Two bytes, the host's order.
    pub fn u16(&mut self, kind: u16, value: u16) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    /// Four bytes, the host's order.
    pub fn u32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    /// Four bytes, the network's order (nftables).
    pub fn be32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// Attributes within an attribute.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Body<'_>)) {
        self.nest_with_head(kind, &[], fill);
    }

    /// Likewise, after a fixed head.
    pub fn nest_with_head(&mut self, kind: u16, head: &[u8], fill: impl FnOnce(&mut Body<'_>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&(kind | NLA_F_NESTED).to_ne_bytes());
        self.bytes.extend_from_slice(head);
        pad(self.bytes);
        fill(&mut Body { bytes: self.bytes });
        let length = self.bytes.len() - start;
        assert!(
            length <= ATTRIBUTE_BYTES_MAX,
            "a nest fits 16 bits of length: callers split lists"
        );
        self.bytes[start..start + 2].copy_from_slice(&(length as u16).to_ne_bytes());
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

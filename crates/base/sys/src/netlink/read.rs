//! Messages and attributes as they come from the kernel, read without trusting their lengths.

use super::HEADER_BYTES;

const NLA_TYPE_MASK: u16 = 0x3fff;

/// One message.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Which.
    pub kind: u16,
    /// Flags.
    pub flags: u16,
    /// Of the request that it answers.
    pub sequence: u32,
    /// All that follows the header.
    pub payload: &'a [u8],
}

/// The messages in a buffer; ends at the first that is cut short.
#[derive(Debug, Clone)]
pub struct Messages<'a>(&'a [u8]);

impl<'a> Messages<'a> {
    /// Of what was received.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let header = self.0.get(..HEADER_BYTES)?;
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let payload = self.0.get(HEADER_BYTES..length)?;
        let message = Message {
            kind: u16::from_ne_bytes([header[4], header[5]]),
            flags: u16::from_ne_bytes([header[6], header[7]]),
            sequence: u32::from_ne_bytes([header[8], header[9], header[10], header[11]]),
            payload,
        };
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }
}

/// The attributes in a buffer, with their kinds; ends at the first that is cut short.
#[derive(Debug, Clone)]
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// Of a message's payload, its fixed head taken off.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Of a message whose fixed head has this many bytes.
    pub fn after(message: &Message<'a>, head_bytes: usize) -> Self {
        Self(message.payload.get(head_bytes..).unwrap_or_default())
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let header = self.0.get(..4)?;
        let length = u16::from_ne_bytes([header[0], header[1]]) as usize;
        let kind = u16::from_ne_bytes([header[2], header[3]]) & NLA_TYPE_MASK;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

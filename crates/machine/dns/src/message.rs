//! Messages on the wire: what of a query matters, read without trusting it.

/// Bytes of the fixed head.
pub const HEADER_BYTES: usize = 12;
/// Bytes of a name on the wire.
const NAME_BYTES_MAX: usize = 255;
/// Bytes of a label.
const LABEL_BYTES_MAX: usize = 63;
/// A pointer of compression.
const POINTER: u8 = 0xc0;
const TYPE_OPT: u16 = 41;

/// Why a message is no query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed message")]
pub struct Malformed;

/// A query, as far as it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Chosen by the asker.
    pub id: u16,
    /// Recursion is desired.
    pub recursion: bool,
    /// 0 for a standard query.
    pub opcode: u8,
    /// The name in lower case without a dot at the end; `None` when it is no text.
    pub name: Option<String>,
    /// Type asked for.
    pub kind: u16,
    /// Class asked for.
    pub class: u16,
    /// Where the question ends.
    pub question_end: usize,
    /// The extension, when there is one.
    pub extension: Option<Extension>,
}

/// EDNS: RFC 6891.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    /// Bytes of a datagram that the asker takes.
    pub datagram_bytes: u16,
    /// Only 0 is known.
    pub version: u8,
}

/// Whether it can be answered at all: whole head, and not an answer itself.
pub fn is_request(message: &[u8]) -> bool {
    message.len() >= HEADER_BYTES && message[2] & 0x80 == 0
}

impl Query {
    /// Reads a query. The question must be one.
    pub fn read(message: &[u8]) -> Result<Self, Malformed> {
        if message.len() < HEADER_BYTES || u16_at(message, 4)? != 1 {
            return Err(Malformed);
        }
        let (name, name_end) = read_name(message, HEADER_BYTES)?;
        let kind = u16_at(message, name_end)?;
        let class = u16_at(message, name_end + 2)?;
        let question_end = name_end + 4;
        let extension = read_extension(message, question_end)?;
        Ok(Self {
            id: u16_at(message, 0)?,
            recursion: message[2] & 1 != 0,
            opcode: message[2] >> 3 & 0xf,
            name,
            kind,
            class,
            question_end,
            extension,
        })
    }
}

/// Two bytes, which must be there.
pub fn u16_at(message: &[u8], at: usize) -> Result<u16, Malformed> {
    match message.get(at..at + 2) {
        Some(bytes) => Ok(u16::from_be_bytes([bytes[0], bytes[1]])),
        None => Err(Malformed),
    }
}

/// A name and where it ends. A pointer must lead backwards, each further than the one before: so
/// loops cannot be written. Names that are no plain text give `None`.
fn read_name(message: &[u8], start: usize) -> Result<(Option<String>, usize), Malformed> {
    let mut text = String::new();
    let mut is_text = true;
    let (mut at, mut end, mut barrier, mut length) = (start, None, start, 0);
    loop {
        let head = *message.get(at).ok_or(Malformed)?;
        if head & POINTER == POINTER {
            let target = usize::from(u16_at(message, at)? & 0x3fff);
            end = end.or(Some(at + 2));
            if target >= barrier {
                return Err(Malformed);
            }
            (at, barrier) = (target, target);
            continue;
        }
        let size = usize::from(head);
        length += size + 1;
        if size > LABEL_BYTES_MAX || length > NAME_BYTES_MAX {
            return Err(Malformed);
        }
        let label = message.get(at + 1..at + 1 + size).ok_or(Malformed)?;
        at += 1 + size;
        if size == 0 {
            return Ok((is_text.then_some(text), end.unwrap_or(at)));
        }
        is_text &= label.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'.');
        if is_text {
            if !text.is_empty() {
                text.push('.');
            }
            text.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
        }
    }
}

fn read_extension(message: &[u8], mut at: usize) -> Result<Option<Extension>, Malformed> {
    let records = |at| u16_at(message, at).map(usize::from);
    let before = records(6)? + records(8)?;
    let mut extension = None;
    for number in 0..before + records(10)? {
        let (_, name_end) = read_name(message, at)?;
        let kind = u16_at(message, name_end)?;
        let class = u16_at(message, name_end + 2)?;
        let version = *message.get(name_end + 5).ok_or(Malformed)?;
        let data_bytes = usize::from(u16_at(message, name_end + 8)?);
        at = name_end + 10 + data_bytes;
        if at > message.len() {
            return Err(Malformed);
        }
        if kind == TYPE_OPT && number >= before {
            if extension.is_some() {
                return Err(Malformed);
            }
            extension = Some(Extension { datagram_bytes: class, version });
        }
    }
    Ok(extension)
}

#[cfg(test)]
mod tests;

//! One entry of a json-file log: cut from a stream, escaped as Docker's own writer escapes.

use super::LINE_LIMIT_BYTES;

/// What entries of one moment share.
#[derive(Debug)]
pub(in crate::shim) struct Source {
    tail: String,
}

impl Source {
    /// Entries of `stream` (`stdout`, `stderr`) at a time in nanoseconds since the epoch.
    pub(in crate::shim) fn new(stream: &str, time_ns: i64) -> Self {
        Self { tail: format!("\",\"stream\":\"{stream}\",\"time\":\"{}\"}}\n", timestamp(time_ns)) }
    }

    /// Appends the entry of one line or piece of a line.
    pub(super) fn write(&self, line: &[u8], out: &mut Vec<u8>) {
        out.reserve(line.len() + self.tail.len() + 16);
        out.extend_from_slice(b"{\"log\":\"");
        escape(line, out);
        out.extend_from_slice(self.tail.as_bytes());
    }
}

/// Cuts a stream into lines (with their newline) and pieces of long lines.
pub(super) fn cut(bytes: &[u8], open_line: &mut Vec<u8>, mut each: impl FnMut(&[u8])) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let room = LINE_LIMIT_BYTES - open_line.len();
        let window = &rest[..rest.len().min(room)];
        let newline = window.iter().position(|&byte| byte == b'\n');
        let (piece, whole) = match newline {
            Some(at) => (&rest[..=at], true),
            None => (window, window.len() == room),
        };
        rest = &rest[piece.len()..];
        if !whole {
            open_line.extend_from_slice(piece);
        } else if open_line.is_empty() {
            emit(piece, open_line, newline.is_some(), &mut each);
        } else {
            let mut line = std::mem::take(open_line);
            line.extend_from_slice(piece);
            emit(&line, open_line, newline.is_some(), &mut each);
        }
    }
}

/// A piece of a long line ends before a character that it would cut in two.
fn emit(line: &[u8], open_line: &mut Vec<u8>, complete: bool, each: &mut impl FnMut(&[u8])) {
    let cut = if complete { line.len() } else { line.len() - open_character(line) };
    each(&line[..cut]);
    open_line.extend_from_slice(&line[cut..]);
}

/// Bytes of a UTF-8 character that is not complete at the end.
fn open_character(line: &[u8]) -> usize {
    for back in 1..=line.len().min(3) {
        let byte = line[line.len() - back];
        let length = match byte {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => return 0,
        };
        return if back < length { back } else { 0 };
    }
    0
}

/// The text of a JSON string; bytes that are no UTF-8 become U+FFFD.
fn escape(line: &[u8], out: &mut Vec<u8>) {
    for chunk in line.utf8_chunks() {
        escape_text(chunk.valid(), out);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

fn escape_text(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut clean = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let special = byte < 0x20 || matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&' | 0xe2);
        if !special {
            continue;
        }
        // U+2028 and U+2029 end lines in JavaScript.
        let separator = byte == 0xe2 && matches!(&bytes[at..], [0xe2, 0x80, 0xa8 | 0xa9, ..]);
        if byte == 0xe2 && !separator {
            continue;
        }
        out.extend_from_slice(&bytes[clean..at]);
        clean = at + if separator { 3 } else { 1 };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0xe2 => {
                out.extend_from_slice(b"\\u202");
                out.push(if bytes[at + 2] == 0xa8 { b'8' } else { b'9' });
            }
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        }
    }
    out.extend_from_slice(&bytes[clean..]);
}

/// RFC 3339 with nanoseconds, trailing zeros left out, as Go prints it.
pub(in crate::shim) fn timestamp(time_ns: i64) -> String {
    let seconds = time_ns.div_euclid(1_000_000_000);
    let fraction = time_ns.rem_euclid(1_000_000_000);
    let (year, month, day) = teu_images::time::civil(seconds.div_euclid(86_400));
    let in_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (in_day / 3600, in_day / 60 % 60, in_day % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if fraction > 0 {
        let digits = format!("{fraction:09}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
    text.push('Z');
    text
}

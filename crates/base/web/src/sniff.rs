//! The first bytes of a connection, read before HTTP sees them: which version it is, and whether its
//! first request wants a raw stream without knowing how to ask for an upgrade.

use crate::stream::Stream;
use bytes::{Bytes, BytesMut};
use std::io;
use tokio::io::AsyncReadExt;

/// What every HTTP/2 connection begins with. RFC 9113, 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes read at first: most requests in whole.
const FIRST_BYTES: usize = 4 << 10;
/// Put into a request that asks for no upgrade but means one; names the protocol that
/// [`Upgrade`](crate::Upgrade) knows it by.
pub(crate) const RAW: &str = "teu-raw-stream";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

/// What is known from the first bytes.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    More,
    Http2,
    /// The request's method and path.
    Http1 {
        line_bytes: usize,
    },
}

/// Reads as little as decides. Nothing is lost: what was read is read again by HTTP.
pub(crate) async fn sniff(
    stream: &mut Stream,
    header_bytes: usize,
    expects_raw: impl Fn(&str, &str) -> bool,
) -> io::Result<Version> {
    let mut read = BytesMut::with_capacity(FIRST_BYTES);
    let version = loop {
        match judge(&read) {
            Verdict::Http2 => break Version::Http2,
            Verdict::Http1 { line_bytes } => {
                let is_raw = request_line(&read[..line_bytes])
                    .is_some_and(|(method, path)| expects_raw(method, path));
                if !is_raw || asks_for_upgrade(&read) {
                    break Version::Http1;
                }
                if has_whole_head(&read) {
                    insert_upgrade(&mut read, line_bytes);
                    stream.is_raw = true;
                    break Version::Http1;
                }
            }
            Verdict::More => {}
        }
        if read.len() >= header_bytes || stream.read_buf(&mut read).await? == 0 {
            // HTTP says what is wrong with it.
            break Version::Http1;
        }
    };
    stream.unread(Bytes::from(read));
    Ok(version)
}

fn judge(read: &[u8]) -> Verdict {
    let compared = read.len().min(PREFACE.len());
    if read[..compared] == PREFACE[..compared] {
        return if compared == PREFACE.len() { Verdict::Http2 } else { Verdict::More };
    }
    match read.iter().position(|byte| *byte == b'\n') {
        Some(end) => Verdict::Http1 { line_bytes: end + 1 },
        None => Verdict::More,
    }
}

/// Method and path of `METHOD /path?query HTTP/1.1`.
fn request_line(line: &[u8]) -> Option<(&str, &str)> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.trim_end().split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    (version == "HTTP/1.1").then(|| (method, target.split('?').next().unwrap_or(target)))
}

fn has_whole_head(read: &[u8]) -> bool {
    read.windows(4).any(|four| four == b"\r\n\r\n")
}

fn asks_for_upgrade(read: &[u8]) -> bool {
    let name = b"\nupgrade:";
    let head = read.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(read.len());
    read[..head].windows(name.len()).any(|bytes| bytes.eq_ignore_ascii_case(name))
}

fn insert_upgrade(read: &mut BytesMut, line_bytes: usize) {
    let rest = read.split_off(line_bytes);
    read.extend_from_slice(format!("Connection: Upgrade\r\nUpgrade: {RAW}\r\n").as_bytes());
    read.extend_from_slice(&rest);
}

#[cfg(test)]
mod tests;

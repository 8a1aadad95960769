//! WebSocket (RFC 6455) on the server's side, as far as an attachment needs it: the handshake, frames
//! taken apart while they come, and a bridge between them and plain bytes.
//!
//! A page of some web site must not reach an engine on this machine through a browser: an `Origin`
//! that is not the engine itself is refused. Frames have no limit because nothing is kept of them; a
//! control frame has 125 bytes at most, as the protocol says. What comes in text frames is as good as
//! what comes in binary ones.

use crate::error::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use rustix::io::{Errno, read, write};
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, shutdown, socketpair};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

/// What a key is joined with before it is hashed.
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Moved at a time.
const CHUNK_BYTES: usize = 32 << 10;
/// Of a ping, a pong, or a close.
const CONTROL_BYTES_MAX: u64 = 125;

const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A handshake that is agreed to: what `Sec-WebSocket-Accept` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted(pub String);

impl Accepted {
    /// Checks a handshake's headers.
    pub fn of(headers: &HeaderMap) -> Result<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if !text("upgrade").is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket")) {
            return Err(Error::bad("this path is for WebSocket clients"));
        }
        if text("sec-websocket-version") != Some("13") {
            return Err(Error::bad("Sec-WebSocket-Version: 13 is what is spoken here"));
        }
        if let Some(origin) = text("origin") {
            let host = origin.split_once("://").map_or(origin, |(_, host)| host);
            if text("host") != Some(host) {
                return Err(Error::status_of(
                    403,
                    format!("pages of {origin} may not attach to containers"),
                ));
            }
        }
        let key = text("sec-websocket-key")
            .filter(|key| STANDARD.decode(key.as_bytes()).is_ok_and(|bytes| bytes.len() == 16));
        let key = key.ok_or_else(|| Error::bad("Sec-WebSocket-Key is not 16 bytes in base64"))?;
        let joined = format!("{key}{MAGIC}");
        let hash = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, joined.as_bytes());
        Ok(Self(STANDARD.encode(hash)))
    }
}

/// A frame's head, without a mask: a server's.
fn head(opcode: u8, length: usize) -> Vec<u8> {
    let mut head = vec![0x80 | opcode];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => head.push(short),
        (_, Ok(long)) => {
            head.push(126);
            head.extend(long.to_be_bytes());
        }
        _ => {
            head.push(127);
            head.extend((length as u64).to_be_bytes());
        }
    }
    head
}

/// What a client's bytes hold.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    /// A part of a message.
    Data(Vec<u8>),
    /// To be answered with the same.
    Ping(Vec<u8>),
    /// It is over, orderly or because this is not the protocol.
    Close,
}

/// Takes a client's frames apart.
#[derive(Debug, Default)]
struct Parser {
    /// Of a head that is not whole yet.
    head: Vec<u8>,
    frame: Option<Frame>,
    closed: bool,
}

#[derive(Debug)]
struct Frame {
    opcode: u8,
    left: u64,
    mask: [u8; 4],
    /// Where in the mask its next byte is.
    at: usize,
    /// Of a control frame.
    kept: Vec<u8>,
}

impl Parser {
    fn take(&mut self, mut bytes: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while !self.closed {
            let Some(frame) = &mut self.frame else {
                let Some((&first, rest)) = bytes.split_first() else { break };
                bytes = rest;
                self.head.push(first);
                match begun(&self.head) {
                    Ok(None) => {}
                    Ok(Some(frame)) => {
                        self.head.clear();
                        self.frame = Some(frame);
                    }
                    Err(()) => self.close(&mut pieces),
                }
                continue;
            };
            let count = usize::try_from(frame.left).unwrap_or(usize::MAX).min(bytes.len());
            let (now, rest) = bytes.split_at(count);
            bytes = rest;
            let mut plain = now.to_vec();
            for byte in &mut plain {
                *byte ^= frame.mask[frame.at % 4];
                frame.at += 1;
            }
            frame.left -= count as u64;
            if frame.opcode < CLOSE {
                if !plain.is_empty() {
                    pieces.push(Piece::Data(plain));
                }
            } else {
                frame.kept.extend(plain);
            }
            if frame.left > 0 {
                break;
            }
            if let Some(frame) = self.frame.take() {
                match frame.opcode {
                    PING => pieces.push(Piece::Ping(frame.kept)),
                    CLOSE => self.close(&mut pieces),
                    _ => {}
                }
            }
        }
        pieces
    }

    fn close(&mut self, pieces: &mut Vec<Piece>) {
        self.closed = true;
        pieces.push(Piece::Close);
    }
}

/// A frame whose head is whole; an error when it is none that a client may send.
fn begun(head: &[u8]) -> Result<Option<Frame>, ()> {
    let [first, second, rest @ ..] = head else { return Ok(None) };
    let (opcode, masked) = (first & 0x0f, second & 0x80 != 0);
    if !masked || first & 0x70 != 0 || !matches!(opcode, 0..=2 | CLOSE..=PONG) {
        return Err(());
    }
    let (length, rest) = match second & 0x7f {
        126 => match rest.split_first_chunk::<2>() {
            Some((bytes, rest)) => (u64::from(u16::from_be_bytes(*bytes)), rest),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk::<8>() {
            Some((bytes, rest)) => (u64::from_be_bytes(*bytes), rest),
            None => return Ok(None),
        },
        short => (u64::from(short), rest),
    };
    if opcode >= CLOSE && (length > CONTROL_BYTES_MAX || first & 0x80 == 0) {
        return Err(());
    }
    let Some((mask, _)) = rest.split_first_chunk::<4>() else { return Ok(None) };
    Ok(Some(Frame { opcode, left: length, mask: *mask, at: 0, kept: Vec::new() }))
}

/// A connection's end that whoever is attached takes for the client's; frames go to and come from
/// the client on threads that end with it.
pub fn bridge(client: OwnedFd) -> Result<OwnedFd, Errno> {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let (client, ours) = (Arc::new(client), Arc::new(ours));
    rustix::io::ioctl_fionbio(&*client, false)?;
    // Frames of both threads must not mix.
    let out = Arc::new(Mutex::new(()));
    let send = {
        let client = client.clone();
        move |opcode: u8, bytes: &[u8]| -> Result<(), Errno> {
            let _turn = out.lock().unwrap_or_else(PoisonError::into_inner);
            write_all(&client, &head(opcode, bytes.len()))?;
            write_all(&client, bytes)
        }
    };
    let reply = send.clone();
    let (from, to) = (client.clone(), ours.clone());
    let begun = crate::serve::in_background(move || {
        // How it ends is the client's to know.
        let _ = inward(&from, &to, &reply);
        let _ = shutdown(&*to, Shutdown::Write);
    });
    let begun = begun
        && crate::serve::in_background(move || {
            if outward(&ours, &send).is_ok() {
                let _ = send(CLOSE, &1000u16.to_be_bytes());
            }
            let _ = shutdown(&*client, Shutdown::Both);
        });
    if begun { Ok(theirs) } else { Err(Errno::AGAIN) }
}

fn inward(
    client: &OwnedFd,
    attached: &OwnedFd,
    reply: &impl Fn(u8, &[u8]) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let mut parser = Parser::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = match read(client, &mut chunk[..]) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        };
        for piece in parser.take(&chunk[..count]) {
            match piece {
                Piece::Data(bytes) => write_all(attached, &bytes)?,
                Piece::Ping(bytes) => reply(PONG, &bytes)?,
                Piece::Close => return Ok(()),
            }
        }
    }
}

fn outward(
    attached: &OwnedFd,
    send: &impl Fn(u8, &[u8]) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match read(attached, &mut chunk[..]) {
            Ok(0) => return Ok(()),
            Ok(count) => send(BINARY, &chunk[..count])?,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn write_all(fd: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match write(fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

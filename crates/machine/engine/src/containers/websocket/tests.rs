//! The handshake of RFC 6455's example, and frames cut anywhere.

use super::{Accepted, CLOSE, PING, Parser, Piece, head};
use http::HeaderMap;

fn handshake(changes: &[(&'static str, &'static str)]) -> Result<String, u16> {
    let mut headers = HeaderMap::new();
    let usual = [
        ("upgrade", "WebSocket"),
        ("host", "127.0.0.1:2375"),
        ("origin", "http://127.0.0.1:2375"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for (name, value) in usual.iter().chain(changes) {
        headers.insert(*name, value.parse().expect("a value"));
    }
    Accepted::of(&headers).map(|accepted| accepted.0).map_err(|error| error.status())
}

#[test]
fn hands_are_shaken() {
    assert_eq!(handshake(&[]).as_deref(), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(handshake(&[("upgrade", "tcp")]), Err(400));
    assert_eq!(handshake(&[("sec-websocket-version", "8")]), Err(400));
    assert_eq!(handshake(&[("sec-websocket-key", "short")]), Err(400));
    assert_eq!(handshake(&[("origin", "https://elsewhere.example")]), Err(403));
}

/// A client's frame.
fn frame(opcode: u8, bytes: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut frame = head(opcode, bytes.len());
    frame[1] |= 0x80;
    frame.extend(mask);
    frame.extend(bytes.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

#[test]
fn frames_are_taken_apart_wherever_they_are_cut() {
    let long = vec![b'x'; 70_000];
    for size in [1, 3, 1000, 1 << 20] {
        let mut bytes = frame(1, b"hello");
        bytes.extend(frame(PING, b"there?"));
        bytes.extend(frame(2, &[b'y'; 200]));
        bytes.extend(frame(2, &long));
        bytes.extend(frame(CLOSE, b""));
        bytes.extend(frame(1, b"too late"));
        let mut parser = Parser::default();
        let (mut data, mut others) = (Vec::new(), Vec::new());
        for chunk in bytes.chunks(size) {
            for piece in parser.take(chunk) {
                match piece {
                    Piece::Data(bytes) => data.extend(bytes),
                    other => others.push(other),
                }
            }
        }
        assert_eq!(data.len(), 5 + 200 + long.len());
        assert!(data.starts_with(b"helloyyy") && data.ends_with(b"xxx"));
        assert_eq!(others, [Piece::Ping(b"there?".to_vec()), Piece::Close]);
    }
}

#[test]
fn what_no_client_may_send_ends_it() {
    let plain = [0x82, 1, b'x'];
    let mut large = frame(PING, b"");
    large[1] = 0x80 | 126;
    large.splice(2..2, [0, 200]);
    for bytes in [&plain[..], &large, &[0xf2, 0x80], &[0x83, 0x80]] {
        assert_eq!(Parser::default().take(bytes), [Piece::Close], "{bytes:?}");
    }
}

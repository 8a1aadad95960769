//! Keys in one piece and in several.

use super::*;

#[test]
fn scans() {
    for (typed, expected, leaves) in [
        (&[&b"abc"[..]][..], &b"abc"[..], false),
        (&[b"ab\x10\x11cd"], b"ab", true),
        (&[b"ab\x10", b"\x11"], b"ab", true),
        (&[b"\x10", b"x"], b"\x10x", false),
        (&[b"\x10\x10\x11"], b"\x10", true),
        (&[b"\x11"], b"\x11", false),
    ] {
        let mut scan = Scan::new(DetachKeys::default());
        let (mut out, mut left) = (Vec::new(), false);
        for piece in typed {
            let (bytes, leaves) = scan.feed(piece);
            out.extend(bytes);
            left |= leaves;
        }
        assert_eq!((out.as_slice(), left), (expected, leaves), "{typed:?}");
    }
}

#[test]
fn parses() {
    assert_eq!(DetachKeys::parse("ctrl-p,ctrl-q"), Ok(DetachKeys::default()));
    assert_eq!(DetachKeys::parse("a,ctrl-[,ctrl-@"), Ok(DetachKeys(vec![b'a', 27, 0])));
    for text in ["", "ctrl-", "ctrl-1", "ab", "ctrl-A"] {
        assert!(DetachKeys::parse(text).is_err(), "{text}");
    }
}

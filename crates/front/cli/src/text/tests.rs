//! Hostile and wide text.

use super::*;

#[test]
fn control_bytes_do_not_reach_a_terminal() {
    for (input, expected) in [
        ("web", "web"),
        ("\u{1b}[2Jgone", "\u{fffd}[2Jgone"),
        ("a\rb\nc\td", "a\u{fffd}b\u{fffd}c\u{fffd}d"),
        ("\u{9b}31m", "\u{fffd}31m"),
        ("evil\u{202e}gpj", "evil\u{fffd}gpj"),
        ("bell\u{7}del\u{7f}", "bell\u{fffd}del\u{fffd}"),
    ] {
        assert_eq!(plain(input), expected, "{input:?}");
    }
    assert_eq!(plain_lines("a\n\tb\u{1b}c"), "a\n\tb\u{fffd}c");
    assert_eq!(quoted("sh -c \"\u{1b}x\n\""), r#""sh -c \"\x1bx\n\"""#);
}

#[test]
fn shortens() {
    assert_eq!(ellipsis("sleep 1000", 20), "sleep 1000");
    assert_eq!(ellipsis("abcdefghijklmnopqrstuvwxyz", 20), "abcdefghijklmnopqrs…");
    assert_eq!(short_id("sha256:0123456789abcdef"), "0123456789ab");
    assert_eq!(short_id("short"), "short");
    assert_eq!(columns("日本"), 4);
}

#[test]
fn logs_keep_their_colours_only() {
    for (input, expected) in [
        (&b"plain \xff\n"[..], &b"plain \xff\n"[..]),
        (b"\x1b[1;31mred\x1b[0m\n", b"\x1b[1;31mred\x1b[0m\n"),
        (b"\x1b[2Jx\x1b]0;title\x07", b"?[2Jx?]0;title?"),
        (b"a\xc2\x9b31m", b"a?31m"),
        (b"\x1b", b"?"),
        (b"\x1b[", b"?["),
        (b"\x08\x7f", b"??"),
    ] {
        assert_eq!(tame(input), expected, "{input:?}");
    }
}

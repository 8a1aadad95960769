//! First bytes as data.

use super::*;

#[test]
fn few_bytes_decide() {
    let check = |read: &[u8], expected: Verdict| assert_eq!(judge(read), expected, "{read:?}");
    check(b"", Verdict::More);
    check(b"PRI * HT", Verdict::More);
    check(PREFACE, Verdict::Http2);
    check(b"PRI * HTTP/1.1\r\n", Verdict::Http1 { line_bytes: 16 });
    check(b"GET /", Verdict::More);
    check(b"GET / HTTP/1.1\r\nHo", Verdict::Http1 { line_bytes: 16 });
}

#[test]
fn request_lines() {
    let check = |line: &str, expected| assert_eq!(request_line(line.as_bytes()), expected);
    check("POST /exec/1/start?x=1 HTTP/1.1\r\n", Some(("POST", "/exec/1/start")));
    check("POST /exec/1/start HTTP/1.0\r\n", None);
    check("POST\r\n", None);
}

#[test]
fn the_wish_for_an_upgrade_is_seen_in_the_head_only() {
    let check = |read: &str, expected| assert_eq!(asks_for_upgrade(read.as_bytes()), expected);
    check("POST / HTTP/1.1\r\nHost: a\r\nUPGRADE: tcp\r\n\r\n", true);
    check("POST / HTTP/1.1\r\nHost: a\r\n\r\nUpgrade: tcp\r\n", false);
    check("POST / HTTP/1.1\r\nX-Upgrade: tcp\r\n\r\n", false);
}

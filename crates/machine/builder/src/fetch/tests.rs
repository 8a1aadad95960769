//! URLs and headers; downloads themselves are tested against a server on loopback.

use super::{date, disposition, name_of};

#[test]
fn reads_urls() {
    for (url, name) in [
        ("http://h/a/b.txt", Some("b.txt")),
        ("http://h/a/b.txt?x=/y", Some("b.txt")),
        ("http://h/a/", None),
        ("http://h", None),
        ("http://h/..", None),
    ] {
        assert_eq!(name_of(url).as_deref(), name, "{url}");
    }
}

#[test]
fn reads_headers() {
    assert_eq!(date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
    assert_eq!(date("yesterday"), None);
    assert_eq!(disposition("attachment; filename=\"../a.txt\"").as_deref(), Some("a.txt"));
}

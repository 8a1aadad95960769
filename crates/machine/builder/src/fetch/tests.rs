//! URLs and headers; downloads themselves are tested against a server on loopback.

use super::{FetchProblem, date, disposition, name_of, split};

#[test]
fn reads_urls() {
    assert_eq!(split("http://h:1/a/b?c#d").expect("reads"), ("h:1", "/a/b?c"));
    assert_eq!(split("http://h").expect("reads"), ("h", ""));
    assert!(matches!(split("https://h/"), Err(FetchProblem::Tls)));
    for url in ["ftp://h/", "http://", "http:///a", "http://u@h/", "http://h/a b", "http://h/\r\nx"]
    {
        assert!(matches!(split(url), Err(FetchProblem::Scheme)), "{url}");
    }
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

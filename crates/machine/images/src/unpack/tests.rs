//! Paths before anything looks at them.

use super::*;

#[test]
fn paths_become_plain_or_are_refused() {
    let limits = Limits::DEFAULT;
    for (raw, expected) in [
        ("a/b", "a/b"),
        ("/a//b/", "a/b"),
        ("./a/./b", "a/b"),
        ("./", ""),
        ("/", ""),
        ("...", "..."),
        ("a..b/..c", "a..b/..c"),
        ("new\nline", "new\nline"),
    ] {
        assert_eq!(normal(raw.as_bytes(), &limits).unwrap(), expected.as_bytes(), "{raw}");
    }
    for (raw, fault) in [
        ("", EntryFault::Name),
        ("a\0b", EntryFault::Name),
        ("..", EntryFault::Traversal),
        ("a/../b", EntryFault::Traversal),
        ("/..", EntryFault::Traversal),
    ] {
        let error = normal(raw.as_bytes(), &limits).unwrap_err();
        assert!(
            matches!(error, Error::Entry { reason, .. } if reason == fault),
            "{raw:?}: {error}"
        );
    }
    assert_eq!(path::split(b"a/b/c"), Some((&b"c"[..], &b"a/b"[..])));
    assert_eq!(path::split(b"c"), Some((&b"c"[..], &b""[..])));
    assert_eq!(path::split(b""), None);
}

//! Dates both ways.

use super::*;

#[test]
fn reads_and_writes() {
    for (text, ns) in [
        ("1970-01-01T00:00:00Z", 0),
        ("2000-02-29T23:59:59Z", 951_868_799_000_000_000),
        ("2026-11-22T02:50:54.5Z", 1_795_315_854_500_000_000),
        ("1969-12-31T23:59:59Z", -1_000_000_000),
    ] {
        assert_eq!(parse(text), Some(ns), "{text}");
        assert_eq!(rfc3339(ns), text);
    }
    assert_eq!(parse("2026-11-22T03:50:54+01:00"), parse("2026-11-22T02:50:54Z"));
    assert_eq!(parse("2026-11-22 02:50Z"), parse("2026-11-22T02:50:00Z"));
    for text in ["", "2026", "2026-13-01Z", "2026-1-1Z", "20261122", "2026-11-22T1:2Z", "x"] {
        assert_eq!(parse(text), None, "{text}");
    }
    assert_eq!(listed(0), "1970-01-01 00:00:00 +0000 UTC");
    assert_eq!(rfc3339_nano(1_500_000_000), "1970-01-01T00:00:01.500000000Z");
}

#[test]
fn instants() {
    let now = 1_000 * SECOND_NS;
    assert_eq!(instant("10m", now), Ok(400 * SECOND_NS));
    assert_eq!(instant("1700000000", now), Ok(1_700_000_000 * SECOND_NS));
    assert_eq!(instant("1.5", now), Ok(1_500_000_000));
    assert_eq!(instant("1970-01-02", now), Ok(86_400 * SECOND_NS));
    assert!(instant("yesterday", now).is_err());
    assert_eq!(ago(now - 3 * 60 * SECOND_NS, now), "3 minutes ago");
}

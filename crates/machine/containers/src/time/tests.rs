//! Times to text and back.

use super::*;

#[test]
fn times_are_written_as_go_writes_them() {
    for (ns, expected) in [
        (0, "0001-01-01T00:00:00Z"),
        (1_000_000_000, "1970-01-01T00:00:01Z"),
        (1_795_315_602_120_000_000, "2026-11-22T02:46:42.12Z"),
        (951_782_400_000_000_001, "2000-02-29T00:00:00.000000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
    ] {
        assert_eq!(rfc3339(ns), expected);
        if ns != 0 {
            assert_eq!(parse_rfc3339(expected), Some(ns));
        }
    }
    assert_eq!(rfc3339_nanos(1_000_000_000), "1970-01-01T00:00:01.000000000Z");
}

#[test]
fn times_are_read_in_every_form_that_docker_reads() {
    let now = 1_000_000 * SECOND_NS;
    for (text, expected) in [
        ("1970-01-01", Some(0)),
        ("1970-01-01T00:01", Some(60 * SECOND_NS)),
        ("1970-01-01T01:00:00+01:00", Some(0)),
        ("1970-01-01T00:00:00.5Z", Some(SECOND_NS / 2)),
        ("1.25", Some(1_250_000_000)),
        ("17", Some(17 * SECOND_NS)),
        ("10m", Some(now - 600 * SECOND_NS)),
        ("1h30m", Some(now - 5400 * SECOND_NS)),
        ("300ms", Some(now - 300_000_000)),
        ("", None),
        ("yesterday", None),
        ("10x", None),
        ("1970-13-01", None),
        ("99999999999999999999", None),
        ("é", None),
        ("1970-01-01T00:00:00+é", None),
    ] {
        assert_eq!(parse(text, now).ok(), expected, "{text}");
    }
}

//! Times as images have them.

use super::*;

#[test]
fn times_are_read_and_written() {
    for (text, seconds) in [
        ("1970-01-01T00:00:00Z", 0),
        ("2000-02-29T23:59:59Z", 951_868_799),
        ("2024-05-01T12:00:00Z", 1_714_564_800),
        ("1969-12-31T23:59:59Z", -1),
        ("0001-01-01T00:00:00Z", -62_135_596_800),
    ] {
        assert_eq!(parse_rfc3339(text), Some(seconds), "{text}");
        assert_eq!(format_rfc3339(seconds, 0), text);
    }
    assert_eq!(parse_rfc3339("2024-05-01T14:30:00.123456789+02:30"), Some(1_714_564_800));
    assert_eq!(parse_rfc3339("2024-05-01T10:00:00-02:00"), Some(1_714_564_800));
    assert_eq!(format_rfc3339(0, 120_000_000), "1970-01-01T00:00:00.12Z");
    for text in [
        "",
        "2024",
        "2024-13-01T00:00:00Z",
        "2024-05-01T12:00:00",
        "2024-05-01T12:00:00+2",
        "äöüäöüäöüäöüäöü",
    ] {
        assert_eq!(parse_rfc3339(text), None, "{text}");
    }
}

#[test]
fn durations_are_gos() {
    for (text, expected) in [
        ("0", Some(0)),
        ("1m30s", Some(90_000_000_000)),
        ("1.5s", Some(1_500_000_000)),
        ("+300ms", Some(300_000_000)),
        ("2h3us4ns", Some(7_200_000_003_004)),
        ("5\u{b5}s", Some(5000)),
        ("5\u{3bc}s", Some(5000)),
        ("", None),
        ("+", None),
        ("1", None),
        ("-1s", None),
        ("1s2", None),
        ("1d", None),
        ("999999999h", None),
        ("\u{e9}", None),
    ] {
        assert_eq!(duration(text), expected, "{text}");
    }
}

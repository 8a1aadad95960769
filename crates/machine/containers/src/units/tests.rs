//! Against go-units and time.ParseDuration.

use super::*;

#[test]
fn writes_sizes() {
    for (bytes, digits, expected) in [
        (0, 3, "0B"),
        (999, 3, "999B"),
        (1000, 3, "1kB"),
        (4_260_000, 3, "4.26MB"),
        (4_261_502, 4, "4.262MB"),
        (123_456_789, 3, "123MB"),
        (1_500_000_000, 4, "1.5GB"),
        (72_800_000, 3, "72.8MB"),
    ] {
        assert_eq!(human_size(bytes, digits), expected);
    }
    assert_eq!(binary_size(1 << 20), "1MiB");
    assert_eq!(binary_size(24_883_200), "23.73MiB");
}

#[test]
fn reads_sizes() {
    for (text, expected) in [
        ("0", 0),
        ("1024", 1024),
        ("64m", 64 << 20),
        ("64M", 64 << 20),
        ("64mb", 64 << 20),
        ("64MiB", 64 << 20),
        ("1.5g", 3 << 29),
        ("10 k", 10240),
        ("2b", 2),
    ] {
        assert_eq!(bytes(text), Ok(expected), "{text}");
    }
    for text in ["", "m", "-1", "1x", "1kk", "1.", "9999999999g", "1 m m", "0x10"] {
        assert!(bytes(text).is_err(), "{text}");
    }
}

#[test]
fn reads_durations() {
    for (text, expected) in [
        ("0", 0),
        ("10s", 10_000_000_000),
        ("1h2m3.5s", 3_723_500_000_000),
        ("300ms", 300_000_000),
        ("-1m", -60_000_000_000),
        ("1us", 1000),
        (".5s", 500_000_000),
    ] {
        assert_eq!(duration_ns(text), Ok(expected), "{text}");
    }
    for text in ["", "10", "s", "1d", "1h 2m", "1..2s", "99999999999h"] {
        assert!(duration_ns(text).is_err(), "{text}");
    }
}

#[test]
fn writes_durations() {
    for (seconds, expected) in [
        (0, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "About an hour"),
        (7200, "2 hours"),
        (3600 * 47, "47 hours"),
        (3600 * 48, "2 days"),
        (86400 * 14, "2 weeks"),
        (86400 * 61, "2 months"),
        (86400 * 800, "2 years"),
    ] {
        assert_eq!(human_duration(seconds), expected, "{seconds}");
    }
}

#[test]
fn reads_processors() {
    assert_eq!(nano_cpus("1.5"), Ok(1_500_000_000));
    assert_eq!(nano_cpus("0.01"), Ok(10_000_000));
    for text in ["", "-1", "abc", "1e3", "inf"] {
        assert!(nano_cpus(text).is_err(), "{text}");
    }
}

//! Dates there and back.

use super::{parse_rfc3339, rfc3339};

#[test]
fn knows_dates() {
    for (text, seconds) in [
        ("1970-01-01T00:00:00Z", 0),
        ("2000-02-29T12:34:56Z", 951_827_696),
        ("2024-12-31T23:59:59Z", 1_735_689_599),
        ("1969-12-31T23:59:59Z", -1),
        ("2100-03-01T00:00:00Z", 4_107_542_400),
    ] {
        assert_eq!(rfc3339(i128::from(seconds) * 1_000_000_000), text);
        assert_eq!(parse_rfc3339(text), Some(seconds), "{text}");
    }
    assert_eq!(rfc3339(1_500_000_000), "1970-01-01T00:00:01.500000000Z");
    assert_eq!(parse_rfc3339("2000-02-29T12:34:56.5+01:30"), Some(951_827_696 - 5400));
    assert_eq!(parse_rfc3339("yesterday"), None);
}

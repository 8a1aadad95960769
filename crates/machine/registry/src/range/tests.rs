//! Ranges as data, and mutations of them.

use super::*;

#[test]
fn downloads() {
    let check = |text: &str, size: u64, expected: Wanted| {
        assert_eq!(parse_range(text, size), expected, "{text:?} of {size}");
    };
    check("bytes=0-0", 10, Wanted::Part(0..1));
    check("bytes=3-", 10, Wanted::Part(3..10));
    check("bytes=-4", 10, Wanted::Part(6..10));
    check("bytes=-40", 10, Wanted::Part(0..10));
    check("bytes=0-18446744073709551615", 10, Wanted::Part(0..10));
    check("bytes=10-", 10, Wanted::Unsatisfiable);
    check("bytes=-0", 10, Wanted::Unsatisfiable);
    check("bytes=0-", 0, Wanted::Unsatisfiable);
    for whole in
        ["", "bytes", "bytes=", "bytes=x-", "bytes=2-1", "bytes=0-1,4-5", "items=0-1", "bytes=+1-2"]
    {
        check(whole, 10, Wanted::Whole);
    }
}

#[test]
fn chunks() {
    let check = |text: &str, expected| assert_eq!(parse_content_range(text), expected, "{text:?}");
    check("0-9", Some(0..10));
    check("bytes 0-9/100", Some(0..10));
    check("bytes=5-5/*", Some(5..6));
    for bad in ["", "-", "9-0", "0", "a-b", "0-18446744073709551615", "-1", "0-9-10", "+0-9"] {
        check(bad, None);
    }
}

#[test]
fn mutations_stay_within_the_content() {
    for seed in ["bytes=0-99", "bytes=-7", "bytes 3-9/10"] {
        for at in 0..seed.len() {
            for byte in 0..128_u8 {
                let mut bytes = seed.as_bytes().to_vec();
                bytes[at] = byte;
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if let Wanted::Part(range) = parse_range(&text, 50) {
                    assert!(range.start < range.end && range.end <= 50, "{text:?}: {range:?}");
                }
                if let Some(range) = parse_content_range(&text) {
                    assert!(range.start < range.end);
                }
            }
        }
    }
}

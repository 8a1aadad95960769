//! Platforms as people type them, and which of an index fits.

use super::*;

#[test]
fn reads_the_spellings_people_use() {
    for (text, expected) in [
        ("linux/amd64", "linux/amd64"),
        ("x86_64", "linux/amd64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm/v7", "linux/arm/v7"),
        ("armhf", "linux/arm/v7"),
        ("windows/amd64", "windows/amd64"),
    ] {
        assert_eq!(text.parse::<Platform>().map(|p| p.to_string()).as_deref(), Ok(expected));
    }
    for text in ["", "linux//x", "a/b/c/d", "linux/am d64"] {
        assert!(text.parse::<Platform>().is_err(), "{text:?} was accepted");
    }
}

#[test]
fn a_missing_variant_matches_any() {
    let parse = |text: &str| text.parse::<Platform>().expect("written above");
    assert!(parse("linux/arm64/v8").satisfies(&parse("linux/arm64")));
    assert!(!parse("linux/arm/v6").satisfies(&parse("linux/arm/v7")));
    assert!(!parse("linux/amd64").satisfies(&parse("linux/arm64")));
}

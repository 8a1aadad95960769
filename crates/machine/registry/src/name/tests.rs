//! Names as data, and mutations of them.

use super::*;

#[test]
fn names() {
    let check = |text: &str, expected: bool| {
        assert_eq!(Name::parse(text).is_some(), expected, "{text:?}");
        if let Some(name) = Name::parse(text) {
            assert_eq!(Name::from_file(&name.file()), Some(name));
        }
    };
    for good in ["a", "library/busybox", "a.b/c_d/e__f/g--h", "0/1", "a---b"] {
        check(good, true);
    }
    for bad in [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "A",
        "a..b",
        "a___b",
        ".a",
        "a.",
        "-a",
        "a-",
        "a/../b",
        "..",
        "a+b",
        "a b",
        "a%2fb",
        "ä",
        "a\0",
        "a._b",
        "a/_uploads",
    ] {
        check(bad, false);
    }
    check(&"a".repeat(NAME_BYTES), true);
    check(&"a".repeat(NAME_BYTES + 1), false);
}

#[test]
fn tags() {
    let check = |text: &str, expected: bool| assert_eq!(is_tag(text), expected, "{text:?}");
    for good in ["latest", "1.0", "_x", "A-b_c.d"] {
        check(good, true);
    }
    for bad in ["", ".x", "-x", "a/b", "a:b", "ä", "a b"] {
        check(bad, false);
    }
    check(&"a".repeat(TAG_BYTES), true);
    check(&"a".repeat(TAG_BYTES + 1), false);
}

#[test]
fn no_mutation_gets_a_path_through() {
    let seed = b"library/busy.box";
    for at in 0..seed.len() {
        for byte in 0..=255 {
            let mut bytes = seed.to_vec();
            bytes[at] = byte;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some(name) = Name::parse(&text) {
                let file = name.file();
                assert!(!file.contains('/') && !file.contains("..") && !file.starts_with('.'));
            }
        }
    }
}

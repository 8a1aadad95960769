//! Which operand is a container.

use super::*;

#[test]
fn sides() {
    for (text, expected) in [
        ("web:/etc", Side::Container("web", "/etc")),
        ("web:", Side::Container("web", "")),
        ("/a:b", Side::Local("/a:b")),
        ("./a:b", Side::Local("./a:b")),
        ("dir/a:b", Side::Local("dir/a:b")),
        (":x", Side::Local(":x")),
        ("-", Side::Local("-")),
        ("plain", Side::Local("plain")),
    ] {
        assert_eq!(side(text), expected, "{text}");
    }
}

//! Go's own table of `filepath.Match`, then `**`.

use super::{DoubleStar, Glob, clean};

#[test]
fn matches_as_go_does() {
    for (pattern, text, expected) in [
        ("abc", "abc", true),
        ("*", "abc", true),
        ("*c", "abc", true),
        ("a*", "a", true),
        ("a*", "abc", true),
        ("a*", "ab/c", false),
        ("a*/b", "abc/b", true),
        ("a*/b", "a/c/b", false),
        ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/f", true),
        ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false),
        ("a*b?c*x", "abxbbxdbxebxczzx", true),
        ("a*b?c*x", "abxbbxdbxebxczzy", false),
        ("ab[c]", "abc", true),
        ("ab[b-d]", "abc", true),
        ("ab[e-g]", "abc", false),
        ("ab[^c]", "abc", false),
        ("ab[^b-d]", "abc", false),
        ("ab[^e-g]", "abc", true),
        ("a\\*b", "a*b", true),
        ("a\\*b", "ab", false),
        ("a?b", "a☺b", true),
        ("a[^a]b", "a☺b", true),
        ("a???b", "a☺b", false),
        ("a[^a][^a][^a]b", "a☺b", false),
        ("[a-ζ]*", "α", true),
        ("*[a-ζ]", "A", false),
        ("a?b", "a/b", false),
        ("a*b", "a/b", false),
        ("[\\]a]", "]", true),
        ("[\\-]", "-", true),
        ("[x\\-]", "x", true),
        ("[x\\-]", "-", true),
        ("[x\\-]", "z", false),
        ("[\\-x]", "a", false),
        ("*x", "xxx", true),
        ("**", "a/b", false),
        ("", "", true),
        ("", "a", false),
    ] {
        let glob =
            Glob::new(pattern, DoubleStar::Plain).unwrap_or_else(|e| panic!("{pattern}: {e}"));
        assert_eq!(glob.matches(text), expected, "{pattern} {text}");
    }
}

#[test]
fn refuses_what_go_refuses() {
    for pattern in
        ["[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[", "[^", "[^bc", "a[", "\\", "[b-a]"]
    {
        assert!(Glob::new(pattern, DoubleStar::Plain).is_err(), "{pattern}");
    }
    assert!(Glob::new(&"a".repeat(5000), DoubleStar::Plain).is_err());
}

#[test]
fn matches_any_depth() {
    for (pattern, text, expected) in [
        ("**", "a", true),
        ("**", "a/b", true),
        ("**/", "a/", true),
        ("**/a", "a", true),
        ("**/a", "x/a", true),
        ("**/a", "x/y/a", true),
        ("**/a", "xa", false),
        ("**/a", "a/b", false),
        ("a/**", "a/b", true),
        ("a/**", "a/b/c", true),
        ("a/**", "a", false),
        ("a/**/b", "a/b", true),
        ("a/**/b", "a/x/b", true),
        ("a/**/b", "a/x/y/b", true),
        ("a/**/b", "a/xb", false),
        ("**/*.go", "a/b/c.go", true),
        ("**/*.go", "c.go", true),
        ("**/*.go", "c.gox", false),
        ("**/a/**", "a/b", true),
        ("**/a/**", "x/a/b/c", true),
        ("**/a*/*b", "x/ay/zb", true),
        ("**foo", "x/foo", true),
        ("***/a", "x/a", true),
        ("**/**/a", "a", true),
        ("abc/**/x.txt", "abc/x.txt", true),
    ] {
        let glob =
            Glob::new(pattern, DoubleStar::Recursive).unwrap_or_else(|e| panic!("{pattern}: {e}"));
        assert_eq!(glob.matches(text), expected, "{pattern} {text}");
    }
}

#[test]
fn stays_quick_with_many_stars() {
    let glob = Glob::new(&"*a".repeat(500), DoubleStar::Recursive).expect("parses");
    let start = std::time::Instant::now();
    assert!(!glob.matches(&format!("{}b", "a".repeat(2000))));
    assert!(start.elapsed().as_secs() < 5);
}

#[test]
fn cleans_as_go_does() {
    for (path, expected) in [
        ("", "."),
        ("abc", "abc"),
        ("abc/def", "abc/def"),
        ("./abc", "abc"),
        ("abc/", "abc"),
        ("abc//def", "abc/def"),
        ("/abc/../..", "/"),
        ("abc/..", "."),
        ("abc/../../def", "../def"),
        ("../..", "../.."),
        ("/", "/"),
        ("//a", "/a"),
        ("a/./b", "a/b"),
    ] {
        assert_eq!(clean(path), expected, "{path}");
    }
}

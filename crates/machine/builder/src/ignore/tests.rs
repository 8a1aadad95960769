//! `.dockerignore`, file by file.

use super::{Ignore, IgnoreProblem};

#[track_caller]
fn check(file: &str, excluded: &[&str], kept: &[&str]) {
    let ignore = Ignore::parse(file.as_bytes()).expect(file);
    for path in excluded {
        assert!(ignore.excludes(path), "{file:?} keeps {path}");
    }
    for path in kept {
        assert!(!ignore.excludes(path), "{file:?} excludes {path}");
    }
}

#[test]
fn excludes() {
    check("", &[], &["a"]);
    check("# a\na", &["a", "a/b"], &["b", "x/a", "# a"]);
    check("/a", &["a"], &["b/a"]);
    check("a/", &["a", "a/b"], &["ab"]);
    check("./a", &["a"], &[]);
    check("*.log", &["x.log"], &["d/x.log", "x.logs"]);
    check("**/*.log", &["x.log", "d/x.log", "d/e/x.log"], &["x.txt"]);
    check("*/temp*", &["a/temporary", "a/temp/x"], &["temp", "a/b/temp"]);
    check("temp?", &["tempa", "tempb/c"], &["temp"]);
    check("**/node_modules", &["node_modules/a", "x/node_modules"], &["node"]);
    check("a/../b", &["b"], &["a"]);
    check("  a  ", &["a"], &[]);
    check("a b", &["a b"], &["a"]);
    check("[ab].c", &["a.c", "b.c"], &["c.c"]);
    check("**", &["a", "a/b"], &[]);
    check("*", &["a", "a/b"], &[]);
    check(".", &[], &["a"]);
    check("a\\*", &["a*"], &["ab"]);
    check("\u{feff}a", &["a"], &[]);
    check("a\r\nb\r\n", &["a", "b"], &[]);
}

#[test]
fn takes_back() {
    check("*\n!a", &["b"], &["a", "a/b"]);
    check("*\n!a/b", &["a", "a/c", "b"], &["a/b", "a/b/c"]);
    check("*.md\n!README.md", &["a.md"], &["README.md"]);
    check("*.md\n!README*.md\nREADME-secret.md", &["a.md", "README-secret.md"], &["README-x.md"]);
    check("*.md\nREADME-secret.md\n!README*.md", &["a.md"], &["README-secret.md"]);
    check("a\n!a/**/keep", &["a", "a/b"], &["a/keep", "a/b/keep"]);
    check("**\n!**/*.go", &["a", "a/b.c"], &["a.go", "a/b.go"]);
    check("!a", &[], &["a"]);
    check("docs\n! docs/x", &["docs/y"], &["docs/x"]);
}

#[test]
fn knows_where_exceptions_can_be() {
    let ignore = Ignore::parse(b"node_modules\nvendor\n!vendor/keep/x\n").expect("parses");
    assert!(!ignore.may_contain_exceptions("node_modules"));
    assert!(ignore.may_contain_exceptions("vendor"));
    assert!(ignore.may_contain_exceptions("vendor/keep"));
    assert!(!ignore.may_contain_exceptions("vendor/other"));
    let wild = Ignore::parse(b"a\n!**/x").expect("parses");
    assert!(wild.may_contain_exceptions("a/b/c"));
}

#[test]
fn refuses() {
    let of = |text: &[u8]| Ignore::parse(text).expect_err("accepted");
    assert_eq!(of(b"a\n!"), IgnoreProblem::LoneException(2));
    assert!(matches!(of(b"["), IgnoreProblem::Pattern { line: 1, .. }));
    assert!(matches!(of(&vec![b'a'; (1 << 20) + 1]), IgnoreProblem::TooLarge(_)));
    assert_eq!(of("a\n".repeat(10_002).as_bytes()), IgnoreProblem::TooMany);
}

#[test]
fn patterns_are_given_as_senders_want_them() {
    let text = b"# comment\n  \n/a/./b\n ! /keep \n*.log\n";
    assert_eq!(super::patterns(text).expect("parses"), ["a/b", "!keep", "*.log"]);
    assert!(super::patterns(b"!\n").is_err());
}

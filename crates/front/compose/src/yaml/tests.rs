//! Scalars, anchors, limits, and printing as go-yaml prints.

use super::*;
use crate::node::{Mark, Value, float};

fn one(text: &str) -> crate::node::Node {
    parse("f.yaml", text.as_bytes()).expect("parses").remove(0)
}

fn said(text: &str) -> String {
    parse("f.yaml", text.as_bytes()).expect_err("refused").to_string()
}

#[test]
fn plain_scalars_mean_what_compose_takes_them_for() {
    let check = |text: &str, expected: Value| assert_eq!(scalar::resolve(text), expected, "{text}");
    check("~", Value::Null);
    check("True", Value::Bool(true));
    check("yes", Value::Text("yes".into()));
    check("on", Value::Text("on".into()));
    check("22:22", Value::Text("22:22".into()));
    check("0777", Value::Int(0o777));
    check("0o17", Value::Int(15));
    check("0x1F", Value::Int(31));
    check("-12", Value::Int(-12));
    check("+12", Value::Int(12));
    check("1_000", Value::Int(1000));
    check("1.5", Value::Float(1.5));
    check(".5", Value::Float(0.5));
    check("1e3", Value::Float(1000.0));
    check("1.2.3", Value::Text("1.2.3".into()));
    check("-", Value::Text("-".into()));
    check("0x", Value::Text("0x".into()));
    check("089", Value::Float(89.0));
}

#[test]
fn numbers_print_as_go_prints_them() {
    for (value, text) in [
        (0.5, "0.5"),
        (1.0, "1"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1e21, "1e+21"),
        (123_456_789.5, "123456789.5"),
    ] {
        assert_eq!(float(value), text);
    }
}

#[test]
fn anchors_are_copied_and_merged() {
    let node = one("a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  l: 3\nc: *x\n");
    let b = node.get("b").expect("there");
    assert_eq!(b.get("k").expect("merged").value, Value::Int(1));
    assert_eq!(b.get("l").expect("own").value, Value::Int(3));
    assert_eq!(node.get("c"), node.get("a"));
    let node = one("a: &x {k: 1}\nb: &y {k: 2, m: 3}\nc:\n  <<: [*x, *y]\n");
    assert_eq!(node.get("c").expect("there").get("k").expect("first wins").value, Value::Int(1));
}

#[test]
fn tags_are_marks() {
    let node = one("a: !reset []\nb: !override [1]\nc: !!str 12\n");
    assert_eq!(node.get("a").expect("there").mark, Mark::Reset);
    assert_eq!(node.get("b").expect("there").mark, Mark::Override);
    assert_eq!(node.get("c").expect("there").value, Value::Text("12".into()));
}

#[test]
fn what_is_refused_says_where() {
    assert_eq!(
        said("a: 1\nb: 2\na: 3\n"),
        "yaml: f.yaml:3:1: mapping key \"a\" already defined at line 1"
    );
    assert!(said("a:\n\t- b\n").starts_with("yaml: f.yaml:2"), "{}", said("a:\n\t- b\n"));
    assert_eq!(said("1: x\n"), "yaml: f.yaml:1:1: non-string key 1: put it in quotes");
    assert!(said("a: &x [*x]\n").contains("alias"));
    assert!(said("a: &x 1\nb:\n  <<: *x\n").contains("map merge requires map"));
}

#[test]
fn a_bomb_of_aliases_ends_with_an_error() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    assert!(said(&text).contains("more than 200000 nodes"));
    let deep = "[".repeat(5000);
    assert!(said(&deep).contains("nesting") || said(&deep).contains("yaml"));
}

#[test]
fn printing_quotes_only_what_needs_it() {
    let check = |value: &str, expected: &str| {
        let json = serde_json::json!({ "k": value });
        assert_eq!(emit(&json), format!("k: {expected}\n"), "{value:?}");
        let back = one(&emit(&json));
        assert_eq!(back.get_text("k"), Some(value), "{expected}");
    };
    check("plain", "plain");
    check("with space", "with space");
    check("", "\"\"");
    check("3000", "\"3000\"");
    check("true", "\"true\"");
    check("yes", "\"yes\"");
    check("22:22", "\"22:22\"");
    check("2026-01-02", "\"2026-01-02\"");
    check("a: b", "'a: b'");
    check("a:b", "a:b");
    check("#x", "'#x'");
    check("a #x", "'a #x'");
    check("-p", "-p");
    check("- p", "'- p'");
    check("*", "'*'");
    check("it's", "it's");
    check("'q'", "'''q'''");
    check("a\tb", "\"a\\tb\"");
    check(" lead", "' lead'");
    check("a\nb\n", "|\n  a\n  b");
    check("a\nb", "|-\n  a\n  b");
    check("a\n\n", "|+\n  a\n");
    check("ünï", "ünï");
    check("\u{1b}[1m", "\"\\e[1m\"");
}

#[test]
fn printing_nests() {
    let json = serde_json::json!({
        "a": {"b": [1, {"c": 2, "d": []}, [3, 4]], "e": {}},
        "f": null, "g": 0.5, "h": "x\ny\n", "i": {"j": "x\n\ny"}
    });
    let text = "a:\n  b:\n    - 1\n    - c: 2\n      d: []\n    - - 3\n      - 4\n  e: {}\nf: null\ng: 0.5\nh: |\n  x\n  y\ni:\n  j: |-\n    x\n\n    y\n";
    assert_eq!(emit(&json), text);
    assert_eq!(one(text).to_json(), json);
}

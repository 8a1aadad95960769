//! Lines and what they mean.

use super::*;

fn outside(name: &str) -> Option<String> {
    matches!(name, "HOST").then(|| "outer".to_owned())
}

fn check(text: &str, expected: &[(&str, &str)]) {
    let got = parse(text.as_bytes(), &outside).expect(text);
    let got: Vec<(&str, &str)> = got.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(got, expected, "{text}");
}

#[test]
fn lines() {
    check("A=1", &[("A", "1")]);
    check("A=1\nB=2\r\nC=3\n", &[("A", "1"), ("B", "2"), ("C", "3")]);
    check("# c\n\n  A = 1  \n", &[("A", "1")]);
    check("export A=1\nexport  B=2", &[("A", "1"), ("B", "2")]);
    check("A: 1", &[("A", "1")]);
    check("A=a # c", &[("A", "a")]);
    check("A=a#c", &[("A", "a#c")]);
    check("A=# c", &[("A", "")]);
    check("A=", &[("A", "")]);
    check("A=1\nA=2", &[("A", "2")]);
    check("A=x=y", &[("A", "x=y")]);
    check("HOST\nNONE", &[("HOST", "outer")]);
    check("a.b-c=1", &[("a.b-c", "1")]);
    check("\u{feff}A=1", &[("A", "1")]);
}

#[test]
fn quotes() {
    check("A='a $HOST # b'", &[("A", "a $HOST # b")]);
    check("A='it\\'s'", &[("A", "it's")]);
    check("A=\"a $HOST\"", &[("A", "a outer")]);
    check("A=\"a\\nb\\tc\"", &[("A", "a\nb\tc")]);
    check("A=\"\\$HOST\"", &[("A", "$HOST")]);
    check("A=\"q\\\"q\" # c", &[("A", "q\"q")]);
    check("A=\"one\ntwo\"\nB=3", &[("A", "one\ntwo"), ("B", "3")]);
    check("A='one\ntwo'", &[("A", "one\ntwo")]);
    check("A=\"\"", &[("A", "")]);
    check("A=a\"b", &[("A", "a\"b")]);
}

#[test]
fn variables() {
    check("A=1\nB=${A}2", &[("A", "1"), ("B", "12")]);
    check("HOST=inner\nB=$HOST", &[("HOST", "inner"), ("B", "outer")]);
    check("A=${NONE:-d}", &[("A", "d")]);
    check("A=${HOST:+x}", &[("A", "x")]);
    check("A=$$x", &[("A", "$x")]);
}

#[test]
fn refusals() {
    let said = |text: &str| parse(text.as_bytes(), &outside).expect_err(text).to_string();
    assert_eq!(said("A=1\nB B=2"), "line 2: unexpected character ' ' in variable name \"B B=2\"");
    assert_eq!(said("A=\"x"), "line 1: unterminated quoted value \"x");
    assert_eq!(said("=x"), "line 1: unexpected character '=' in variable name \"=x\"");
    assert_eq!(said("A='x' y"), "line 1: unexpected characters \"y\" behind a quoted value");
    assert!(said("A=${x").contains("line 1: invalid interpolation"));
    assert!(parse(b"A=\xff", &outside).expect_err("bytes").to_string().contains("UTF-8"));
}

//! Every modifier, nested and escaped.

use super::*;

fn lookup(name: &str) -> Option<String> {
    match name {
        "SET" => Some("value".to_owned()),
        "EMPTY" => Some(String::new()),
        "N" => Some("8080".to_owned()),
        _ => None,
    }
}

fn check(text: &str, expected: &str) {
    assert_eq!(interpolate(text, &lookup), Ok(expected.to_owned()), "{text}");
}

fn said(text: &str) -> String {
    interpolate(text, &lookup).expect_err("refused").to_string()
}

#[test]
fn every_modifier() {
    for (text, expected) in [
        ("$SET", "value"),
        ("${SET}", "value"),
        ("a${SET}b$SET-c", "avaluebvalue-c"),
        ("${UNSET}", ""),
        ("$UNSET.", "."),
        ("${SET:-x}", "value"),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY-x}", ""),
        ("${UNSET-x}", "x"),
        ("${UNSET:-}", ""),
        ("${SET:?no}", "value"),
        ("${EMPTY?no}", ""),
        ("${SET:+y}", "y"),
        ("${EMPTY:+y}", ""),
        ("${EMPTY+y}", "y"),
        ("${UNSET+y}", ""),
        ("${UNSET:-${SET}}", "value"),
        ("${UNSET:-${UNSET2:-${N}}}", "8080"),
        ("${UNSET:-a${SET}b}", "avalueb"),
        ("${SET:+${N}:80}", "8080:80"),
        ("${UNSET:-http://x:80/?a=b}", "http://x:80/?a=b"),
        ("$$SET", "$SET"),
        ("$${SET}", "${SET}"),
        ("$$$SET", "$value"),
        ("${UNSET:-$$x}", "$x"),
        ("no variables", "no variables"),
        ("${UNSET:-{\"a\":1}", "{\"a\":1"),
    ] {
        check(text, expected);
    }
}

#[test]
fn what_is_refused() {
    let format = "You may need to escape any $ with another $";
    for text in
        ["${", "$", "cost: $5", "${}", "${ SET}", "${SET", "$ x", "${SET!x}", "${UNSET:-${}}"]
    {
        assert!(said(text).contains(format), "{text}: {}", said(text));
    }
    assert_eq!(
        said("${UNSET:?is missing}"),
        "required variable UNSET is missing a value: is missing"
    );
    assert_eq!(said("${EMPTY:?}"), "required variable EMPTY is missing a value: ");
    assert_eq!(
        said("${UNSET?need $SET}"),
        "required variable UNSET is missing a value: need value"
    );
    assert!(interpolate(&"${A:-".repeat(10_000), &lookup).is_err());
}

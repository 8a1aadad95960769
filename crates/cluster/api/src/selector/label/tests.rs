//! Texts and what they select; the refusals in Kubernetes' words.

use super::{LabelSelector, Operator};

#[test]
fn texts() {
    // As read, and as written again.
    let check = |text: &str, expected: &str| {
        let selector = LabelSelector::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(selector.to_string(), expected, "{text}");
        assert_eq!(LabelSelector::parse(expected).as_ref(), Ok(&selector), "{expected}");
    };
    for (text, expected) in [
        ("", ""),
        ("  ", ""),
        ("x=a,y=b,z=c", "x=a,y=b,z=c"),
        (" x = a ,\ty", "x=a,y"),
        ("x==a", "x==a"),
        ("x!=a", "x!=a"),
        ("x=", "x="),
        ("x= ,z= ", "x=,z="),
        ("!x", "!x"),
        ("! x , y", "!x,y"),
        ("x in (b,a)", "x in (a,b)"),
        ("x notin ( a , b )", "x notin (a,b)"),
        ("x in (a,)", "x in (,a)"),
        ("x in (,a)", "x in (,a)"),
        ("x in (,)", "x in ()"),
        ("x>1,y<5", "x>1,y<5"),
        ("x in (in,notin)", "x in (in,notin)"),
        ("in in (a)", "in in (a)"),
        ("notin=in", "notin=in"),
        ("example.com/name-x_y.z=A-1", "example.com/name-x_y.z=A-1"),
    ] {
        // `()` is written for the one empty value, and refused when read: as in the original.
        if expected.ends_with("()") {
            assert_eq!(LabelSelector::parse(text).map(|it| it.to_string()), Ok(expected.into()));
        } else {
            check(text, expected);
        }
    }
}

#[test]
fn refusals() {
    let check = |text: &str, expected: &str| {
        let error = LabelSelector::parse(text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    };
    check(",", "found ',', expected: !, identifier, or 'end of string'");
    check("x,", "found '', expected: identifier after ','");
    check("x,,y", "found ',', expected: identifier after ','");
    check("x y", "unable to parse requirement: found 'y', expected: in, notin, =, ==, !=, gt, lt");
    check("x=a b", "found 'b', expected: ',' or 'end of string'");
    check("!x=a", "found '=', expected: ',' or 'end of string'");
    check("x=(", "unable to parse requirement: found '(', expected: identifier");
    check("!", "unable to parse requirement: found '', expected: identifier");
    check("x in a", "found 'a', expected: '('");
    check("x in (a", "found '', expected: ',' or ')'");
    check("x in (a b)", "found 'b', expected: ',' or ')'");
    check("x in (", "found '', expected: ',', ')' or identifier");
    check("x in ()", "for 'in', 'notin' operators, values set can't be empty");
    check("x>a", "for 'Gt', 'Lt' operators, the value must be an integer");
    check("_x", "key: Invalid value: \"_x\": name part must consist of");
    check("/x", "prefix part must be non-empty");
    check("A.com/x", "prefix part a lowercase RFC 1123 subdomain");
    check("a/b/c", "a qualified name must consist of");
    check("a/", "name part must be non-empty");
    check("x>-1", "values[0][x]: Invalid value: \"-1\"");
    check("x=-a", "values[0][x]: Invalid value: \"-a\": a valid label must be");
    check(&format!("x={}", "a".repeat(64)), "must be no more than 63 characters");
    check(&"x,".repeat(40_000), "bytes");
}

#[test]
fn matches() {
    let labels = [("app", "web"), ("tier", ""), ("cores", "8"), ("word", "eight")];
    let find = |key: &str| labels.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    let check = |text: &str, expected: bool| {
        let selector = LabelSelector::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(selector.matches(find), expected, "{text}");
    };
    for text in [
        "",
        "app",
        "app=web",
        "app==web",
        "app in (web,db)",
        "app!=db",
        "none!=x",
        "none notin (x)",
        "!none",
        "tier=",
        "tier",
        "tier in (,x)",
        "cores>7",
        "cores<9",
        "app=web,cores>1,!none",
    ] {
        check(text, true);
    }
    for text in [
        "none",
        "app=db",
        "!app",
        "app!=web",
        "app notin (web)",
        "tier!=",
        "cores>8",
        "cores<8",
        "none>1",
        "none<1",
        "word>1",
        "word<1",
        "app=web,none",
    ] {
        check(text, false);
    }
    let one = LabelSelector::parse("x").expect("a selector");
    assert_eq!(one.requirements[0].operator, Operator::Exists);
}

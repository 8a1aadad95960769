//! Texts and what they select.

use super::FieldSelector;

#[test]
fn texts() {
    let check = |text: &str, expected: &str| {
        let selector = FieldSelector::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(selector.to_string(), expected, "{text}");
        assert_eq!(FieldSelector::parse(expected), Ok(selector), "{expected}");
    };
    check("", "");
    check(",,", "");
    check("metadata.name=a", "metadata.name=a");
    check("metadata.name==a,status.phase!=Running", "metadata.name=a,status.phase!=Running");
    check("a=", "a=");
    check(r"a=x\,y\=z\\", r"a=x\,y\=z\\");
    check(r"a=\,,b=c", r"a=\,,b=c");
    check("a= b ", "a= b ");
}

#[test]
fn refusals() {
    let check = |text: &str, expected: &str| {
        let error = FieldSelector::parse(text).expect_err(text).to_string();
        assert_eq!(error, expected, "{text}");
    };
    check("x", "invalid selector: 'x'; can't understand 'x'");
    check("a=b,x", "invalid selector: 'a=b,x'; can't understand 'x'");
    check("a=b=c", "invalid field selector: unescaped character in value: 61");
    check(r"a=\x", r"invalid field selector: invalid escape sequence: \x");
    check(r"a=b\", r"invalid field selector: invalid escape sequence: \");
}

#[test]
fn matches() {
    let find = |field: &str| (field == "metadata.name").then_some("web");
    let check = |text: &str, expected: bool| {
        let selector = FieldSelector::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(selector.matches(find), expected, "{text}");
    };
    check("", true);
    check("metadata.name=web", true);
    check("metadata.name!=web", false);
    check("metadata.name=db", false);
    check("spec.nodeName=", true);
    check("spec.nodeName!=a", true);
    let selector = FieldSelector::parse("a=1,b!=2").expect("a selector");
    assert_eq!(
        (selector.exact("a"), selector.exact("b"), selector.exact("c")),
        (Some("1"), None, None)
    );
}

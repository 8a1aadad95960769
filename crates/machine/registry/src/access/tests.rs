//! Patterns, rules and tokens as data.

use super::*;

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

#[test]
fn patterns() {
    let check = |pattern: &str, text: &str, expected: bool| {
        assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
    };
    check("a", "a", true);
    check("a", "ab", false);
    check("team/*", "team/app", true);
    check("team/*", "team/app/x", false);
    check("team/**", "team/app/x", true);
    check("*", "a/b", false);
    check("**", "a/b", true);
    check("a*c", "abbc", true);
    check("a*c", "ac", true);
    check("a*c", "acb", false);
    check("**/x", "a/b/x", true);
    check("", "", true);
    check("", "a", false);
    // No pattern takes long.
    check(&"*a".repeat(50), &"a".repeat(200), true);
    check(&("**a".repeat(60) + "b"), &"a".repeat(200), false);
}

fn rule(repositories: &str, users: &[&str], rights: &[Right]) -> Rule {
    Rule {
        repositories: vec![repositories.into()],
        users: users.iter().map(|user| (*user).to_owned()).collect(),
        rights: rights.to_vec(),
    }
}

#[test]
fn rules_add_up() {
    use Right::{Delete, Pull, Push};
    let rules = vec![
        rule("team/**", &["ann"], &[Pull, Push, Delete]),
        rule("**", &["*"], &[Pull]),
        rule("public/*", &["anonymous"], &[Pull]),
    ];
    let rights = Rights { rules, anonymous_read: false };
    assert_eq!(rights.of(Some("ann"), &name("team/app")), [Pull, Push, Delete]);
    assert_eq!(rights.of(Some("bob"), &name("team/app")), [Pull]);
    assert_eq!(rights.of(None, &name("team/app")), []);
    assert_eq!(rights.of(None, &name("public/app")), [Pull]);
    assert!(rights.welcomes_anonymous());
    let open = Rights { rules: Vec::new(), anonymous_read: true };
    assert_eq!(open.of(None, &name("a")), [Pull]);
    assert_eq!(open.of(Some("bob"), &name("a")), [Pull, Push, Delete]);
    // A user called like those without a name gets nothing by it.
    assert_eq!(rights.of(Some("anonymous"), &name("public/app")), [Pull]);
    assert_eq!(Rights::default().of(None, &name("a")), []);
}

#[test]
fn tokens_are_believed_while_they_are_fresh_and_whole() {
    let tokens = Tokens::new();
    let claims = vec![Claim::of("a/b", [Right::Pull])];
    let token = tokens.issue(Some("ann"), claims.clone(), 1000);
    assert_eq!(tokens.verify(&token, 1000), Some((Some("ann".to_owned()), claims)));
    assert_eq!(tokens.verify(&token, 1000 + 10_000), None);
    assert_eq!(Tokens::new().verify(&token, 1000), None, "another registry's");
    let anonymous = tokens.issue(None, Vec::new(), 1000);
    assert_eq!(tokens.verify(&anonymous, 1001), Some((None, Vec::new())));
    for at in 0..token.len() {
        let mut broken = token.clone().into_bytes();
        broken[at] = if broken[at] == b'A' { b'B' } else { b'A' };
        let broken = String::from_utf8(broken).expect("text");
        // The last letters of a part may hold bits that mean nothing.
        let found = tokens.verify(&broken, 1000);
        assert!(found.is_none() || found == tokens.verify(&token, 1000), "{broken}");
    }
    assert_eq!(tokens.verify("", 0), None);
    assert_eq!(tokens.verify("a.b.c", 0), None);
}

//! The grammar, and names that are made up.

use super::*;

#[test]
fn the_grammar_is_dockers() {
    for (name, fits) in [
        ("web", true),
        ("/web", true),
        ("a1", true),
        ("A.b_c-d", true),
        ("a", false),
        ("", false),
        ("/", false),
        ("-web", false),
        (".web", false),
        ("..", false),
        ("a/b", false),
        ("a b", false),
        ("ümlaut", false),
        (&"a".repeat(255), true),
        (&"a".repeat(256), false),
    ] {
        assert_eq!(check(name).is_ok(), fits, "{name:?}");
    }
    for (name, fits) in [("p", true), ("web", true), ("", false), ("-", false), ("a/b", false)] {
        assert_eq!(check_pod(name).is_ok(), fits, "{name:?}");
    }
    assert_eq!(
        check("a b").unwrap_err().to_string(),
        "Invalid container name (a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    );
}

#[test]
fn made_up_names_are_names_and_differ() {
    let names: std::collections::HashSet<String> = (0..100).map(|_| generate(0)).collect();
    assert!(names.iter().all(|name| check(name).is_ok()));
    assert!(names.len() > 80, "{}", names.len());
    for word in words::ADJECTIVES.iter().chain(words::SURNAMES) {
        assert!(word.bytes().all(|b| b.is_ascii_lowercase()), "{word}");
    }
    assert!(check(&generate(GENERATED_TRIES)).is_ok());
}

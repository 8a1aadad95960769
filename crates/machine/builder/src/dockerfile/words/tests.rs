//! The lexer, case by case; the first table is BuildKit's own behaviour.

use super::{Quotes, WordProblem, expand_body, expand_word, expand_words, raw_words};

fn lookup(name: &str) -> Option<String> {
    let value = match name {
        "x" => "value",
        "path" => "/usr/local/bin/tool.tar.gz",
        "empty" => "",
        "two" => "a b",
        "quote" => "it's",
        "PWD" => "/home",
        "version" => "v1.2.3",
        "foo_2" => "under",
        "star" => "a*b",
        "é" => "accent",
        _ => return None,
    };
    Some(value.to_owned())
}

#[test]
fn expands_words() {
    for (word, expected) in [
        ("hello", "hello"),
        ("he'll'o", "hello"),
        ("he'llo'", "hello"),
        ("'he'llo", "hello"),
        ("he\"'\"llo", "he'llo"),
        ("'$x'", "$x"),
        ("\"$x\"", "value"),
        ("$x", "value"),
        ("${x}", "value"),
        ("a$x.b", "avalue.b"),
        ("a${x}b", "avalueb"),
        ("$", "$"),
        ("a$", "a$"),
        ("$ x", "$ x"),
        ("$.x", "$.x"),
        ("\\$x", "$x"),
        ("\\\\$x", "\\value"),
        ("\"\\$x\"", "$x"),
        ("\"\\a\"", "\\a"),
        ("\"\\\"\"", "\""),
        ("\\a", "a"),
        ("a\\", "a"),
        ("'\\'", "\\"),
        ("'\\a'", "\\a"),
        ("$unset", ""),
        ("${unset}", ""),
        ("a${unset}b", "ab"),
        ("${unset:-word}", "word"),
        ("${unset-word}", "word"),
        ("${empty:-word}", "word"),
        ("${empty-word}", ""),
        ("${x:-word}", "value"),
        ("${x-word}", "value"),
        ("${x:+word}", "word"),
        ("${x+word}", "word"),
        ("${empty:+word}", ""),
        ("${empty+word}", "word"),
        ("${unset:+word}", ""),
        ("${unset+word}", ""),
        ("${x:?word}", "value"),
        ("${x?word}", "value"),
        ("${empty?word}", ""),
        ("${unset:-$x}", "value"),
        ("${unset:-${x}}", "value"),
        ("${unset:-${nope:-deep}}", "deep"),
        ("${unset:-'a b'}", "a b"),
        ("${unset:-\"$x\"}", "value"),
        ("${unset:-}", ""),
        ("${x#v}", "alue"),
        ("${x#*l}", "ue"),
        ("${path#*/}", "usr/local/bin/tool.tar.gz"),
        ("${path##*/}", "tool.tar.gz"),
        ("${path%.*}", "/usr/local/bin/tool.tar"),
        ("${path%%.*}", "/usr/local/bin/tool"),
        ("${path%/*}", "/usr/local/bin"),
        ("${path#nomatch}", "/usr/local/bin/tool.tar.gz"),
        ("${path%%nomatch}", "/usr/local/bin/tool.tar.gz"),
    ] {
        assert_eq!(expand_word(word, '\\', &lookup).as_deref(), Ok(expected), "{word}");
    }
}

#[test]
fn expands_patterns_and_the_rest() {
    for (word, expected) in [
        ("${version#v}", "1.2.3"),
        ("${version#?}", "1.2.3"),
        ("${version%.?}", "v1.2"),
        ("${star#a\\*}", "b"),
        ("${x/a/A}", "vAlue"),
        ("${path/\\//_}", "_usr/local/bin/tool.tar.gz"),
        ("${path//\\//_}", "_usr_local_bin_tool.tar.gz"),
        ("${version//./-}", "v1-2-3"),
        ("${version/./-}", "v1-2.3"),
        ("${version//./}", "v123"),
        ("${x/nope/y}", "value"),
        ("${x/*/all}", "all"),
        ("${x/l*/$PWD}", "va/home"),
        ("${unset/a/b}", ""),
        ("${unset#a}", ""),
        ("$x$x", "valuevalue"),
        ("$foo_2", "under"),
        ("$foo_2-x", "under-x"),
        ("$PWD/sub", "/home/sub"),
        ("$1", ""),
        ("a$1b", "ab"),
        ("$quote", "it's"),
        ("${two}", "a b"),
        ("{x}", "{x}"),
        ("}", "}"),
        ("é$x", "évalue"),
        ("$é", "$é"),
        ("", ""),
        ("''", ""),
        ("\"\"", ""),
        ("a=\"b c\"", "a=b c"),
        ("日本${x}語", "日本value語"),
    ] {
        assert_eq!(expand_word(word, '\\', &lookup).as_deref(), Ok(expected), "{word}");
    }
}

#[test]
fn obeys_another_escape_character() {
    for (word, expected) in
        [("`$x", "$x"), ("\\$x", "\\value"), ("C:\\dir", "C:\\dir"), ("``", "`"), ("\"`\"\"", "\"")]
    {
        assert_eq!(expand_word(word, '`', &lookup).as_deref(), Ok(expected), "{word}");
    }
}

#[test]
fn refuses_what_no_shell_takes() {
    let required = |name: &str, text: &str| WordProblem::Required(name.into(), text.into());
    let deep = format!("{}x{}", "${u:-".repeat(40), "}".repeat(40));
    for (word, expected) in [
        ("'abc", WordProblem::Quote("single")),
        ("\"abc", WordProblem::Quote("double")),
        ("${", WordProblem::Brace),
        ("${x", WordProblem::Brace),
        ("${x:-a", WordProblem::Brace),
        ("${}", WordProblem::Substitution),
        ("${:-x}", WordProblem::Substitution),
        ("${{x}}", WordProblem::Substitution),
        ("${x:}", WordProblem::Modifier(":}".into())),
        ("${x:#a}", WordProblem::Modifier(":#".into())),
        ("${x^}", WordProblem::Modifier("^".into())),
        ("${x!y}", WordProblem::Modifier("!".into())),
        ("${x/a}", WordProblem::Slash),
        ("${unset:?}", required("unset", "is not allowed to be empty")),
        ("${unset?}", required("unset", "is not allowed to be unset")),
        ("${unset?say why}", required("unset", "say why")),
        ("${empty:?full please}", required("empty", "full please")),
        (&deep, WordProblem::TooDeep),
    ] {
        assert_eq!(expand_word(word, '\\', &lookup), Err(expected), "{word}");
    }
}

#[test]
fn bounds_what_a_word_becomes() {
    let big = "y".repeat(1 << 19);
    let lookup = |_: &str| Some(big.clone());
    assert_eq!(expand_word("$a$a$a$a", '\\', &lookup), Err(WordProblem::TooLong));
}

#[test]
fn splits_words() {
    for (text, expected) in [
        ("a b  c", &["a", "b", "c"][..]),
        ("$two", &["a", "b"]),
        ("\"$two\"", &["a b"]),
        ("'a b' c", &["a b", "c"]),
        ("a\\ b", &["a b"]),
        ("", &[]),
        ("  ", &[]),
        ("''", &[""]),
        ("x$two", &["xa", "b"]),
        ("80/tcp $unset 81", &["80/tcp", "81"]),
    ] {
        let words = expand_words(text, '\\', Quotes::Remove, &lookup);
        assert_eq!(
            words.as_deref(),
            Ok(&*expected.iter().map(ToString::to_string).collect::<Vec<_>>()),
            "{text}"
        );
    }
    assert_eq!(
        raw_words("RUN cat <<'E F' \"$x\" a\\ b"),
        ["RUN", "cat", "<<'E F'", "\"$x\"", "a\\ b"]
    );
}

#[test]
fn expands_bodies_as_a_shell_would() {
    for (body, expected) in [
        ("say \"$x\" 'and $x'\n", "say \"value\" 'and value'\n"),
        ("a\\nb\n", "a\\nb\n"),
        ("\\$x \\\\ it's\n", "$x \\ it's\n"),
        ("${unset:-d} $\n", "d $\n"),
    ] {
        assert_eq!(expand_body(body, '\\', &lookup).as_deref(), Ok(expected), "{body}");
    }
}

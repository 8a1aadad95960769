//! Command lines.

use super::*;

#[track_caller]
fn check(line: &str, value: Option<&str>, switch: bool, words: &[&str]) {
    let line: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    let parsed = Arguments::parse(&line, &["bundle|b"], &["tty|t"]).expect("valid");
    assert_eq!(parsed.value("bundle"), value);
    assert_eq!(parsed.has("tty"), switch);
    assert_eq!(parsed.words, words);
}

#[test]
fn flags_end_at_the_first_word() {
    check("--bundle x id", Some("x"), false, &["id"]);
    check("-b=x -t id -t", Some("x"), true, &["id", "-t"]);
    check("--tty=false id", None, false, &["id"]);
    check("-- -t", None, false, &["-t"]);
    check("id - x", None, false, &["id", "-", "x"]);
}

#[test]
fn mistakes_are_named() {
    for line in ["--nonsense", "--bundle"] {
        assert!(Arguments::parse(&[line.to_owned()], &["bundle|b"], &[]).is_err());
    }
}

//! Dockerfiles and what they need of the context.

use super::*;

fn check(text: &str, expected: Option<&[&str]>) {
    let dir = tempfile::tempdir().expect("a directory");
    let images = Store::open(dir.path()).expect("a store");
    let needed = of_context(text.as_bytes(), &BuildRequest::default(), &images);
    let expected = expected.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect());
    assert_eq!(needed, expected, "{text}");
}

#[test]
fn only_what_needed_stages_copy_is_needed() {
    check(
        "FROM scratch AS unused\nCOPY unused /\nFROM scratch AS a\nCOPY --from=unused x /x\n\
         COPY ./b/../c *.txt /\nADD https://host/x /x\nFROM a\nRUN --mount=type=bind,source=src,target=/s x",
        Some(&["*.txt", "c", "src", "unused"]),
    );
    check("FROM scratch AS one\nCOPY one /\nFROM scratch\nCOPY two /", Some(&["two"]));
    check("FROM scratch\nCOPY <<E /x\nE\n", Some(&[]));
}

#[test]
fn what_is_not_known_needs_all() {
    for text in [
        "FROM scratch\nCOPY . /",
        "FROM scratch\nCOPY / /x",
        "FROM scratch\nARG A=x\nCOPY $A /",
        "FROM scratch\nRUN --mount=type=bind,target=/s x",
        "FROM scratch\nONBUILD COPY x /\n",
        "FROM not-in-this-store\nCOPY x /",
        "no Dockerfile",
    ] {
        check(text, None);
    }
}

//! Logical lines, case by case.

use super::{Problem, opener, split};

fn texts(file: &str) -> Vec<String> {
    split(file.as_bytes()).expect(file).lines.into_iter().map(|line| line.text).collect()
}

#[test]
fn joins_continuations() {
    for (file, expected) in [
        ("FROM a\nRUN b", &["FROM a", "RUN b"][..]),
        ("FROM a\r\nRUN b\r\n", &["FROM a", "RUN b"]),
        ("RUN a \\\n b\n", &["RUN a  b"]),
        ("RUN a\\\nb\n", &["RUN ab"]),
        ("RUN a \\  \n b\n", &["RUN a  b"]),
        ("RUN a \\\n# comment\n b\n", &["RUN a  b"]),
        ("RUN a \\\n   # comment\n b\n", &["RUN a  b"]),
        ("RUN a \\\n\n b\n", &["RUN a  b"]),
        ("RUN a \\\n b # no comment\n", &["RUN a  b # no comment"]),
        ("RUN a \\\\\nRUN b", &["RUN a \\\\", "RUN b"]),
        ("RUN a \\", &["RUN a "]),
        ("# c\n\n  # c\nRUN a", &["RUN a"]),
        ("  RUN a", &["RUN a"]),
        ("\tRUN\ta", &["RUN\ta"]),
        ("# escape=`\nRUN a `\n b\\\nRUN c", &["RUN a  b\\", "RUN c"]),
        ("\u{feff}RUN a", &["RUN a"]),
        ("RUN a \\\n\\\n b", &["RUN a  b"]),
        ("RUN a \\\r\n b\r\n", &["RUN a  b"]),
        ("RUN echo '#' \\\n#x\n", &["RUN echo '#' "]),
    ] {
        assert_eq!(texts(file), expected, "{file:?}");
    }
}

#[test]
fn counts_lines() {
    let parsed =
        split(b"# c\nFROM a\n\nRUN a \\\n  b \\\n  c\nRUN <<E\nx\nE\nCMD d").expect("parses");
    let at: Vec<_> = parsed.lines.iter().map(|line| (line.at.first, line.at.last)).collect();
    assert_eq!(at, [(2, 2), (4, 6), (7, 9), (10, 10)]);
}

#[test]
fn warns_of_empty_continuations() {
    let parsed = split(b"RUN a \\\n\n b\n").expect("parses");
    assert_eq!(parsed.warnings[0].rule, "NoEmptyContinuation");
    assert!(split(b"RUN a \\\n#\n b\n").expect("parses").warnings.is_empty());
}

#[test]
fn reads_directives() {
    let of = |file: &str| split(file.as_bytes()).map(|parsed| parsed.directives);
    let first =
        of("# syntax=docker/dockerfile:1\n# escape=`\n# check=skip=all\nRUN a").expect("reads");
    assert_eq!((first.syntax.as_deref(), first.escape), (Some("docker/dockerfile:1"), '`'));
    assert_eq!(first.check.as_deref(), Some("skip=all"));
    assert_eq!(of("#ESCAPE=`\nRUN a").expect("reads").escape, '`');
    assert_eq!(of("\n# escape=`\nRUN a").expect("reads").escape, '\\', "not at the top");
    assert_eq!(of("# about\n# escape=`\nRUN a").expect("reads").escape, '\\', "after a comment");
    assert_eq!(of("# unknown=1\n# escape=`\nRUN a").expect("reads").escape, '\\');
    assert_eq!(of("FROM a\n# escape=`\n").expect("reads").escape, '\\');
    let twice = of("# escape=`\n# escape=`\nRUN a").expect_err("twice").1;
    assert_eq!(twice, Problem::DirectiveTwice("escape".into()));
    assert_eq!(of("# escape=x\nRUN a").expect_err("x").1, Problem::EscapeToken("x".into()));
}

#[test]
fn reads_heredocs() {
    let of = |file: &str| split(file.as_bytes()).expect(file).lines.remove(0).heredocs;
    let one = of("RUN <<EOF\necho a\n  EOF\nEOF\n");
    assert_eq!(
        (one[0].name.as_str(), one[0].body.as_str(), one[0].expand),
        ("EOF", "echo a\n  EOF\n", true)
    );
    assert!(!of("RUN <<'EOF'\n$a\nEOF\n")[0].expand);
    assert!(!of("RUN <<\"EOF\"\n$a\nEOF\n")[0].expand);
    assert!(!of("RUN <<E\\OF\n$a\nEOF\n")[0].expand);
    let chomped = of("COPY <<-E /a\n\t\tx\n\t y\n\tE\n");
    assert_eq!(chomped[0].content(), "x\n y\n");
    assert_eq!(chomped[0].body, "\t\tx\n\t y\n");
    let two = of("RUN 3<<A cat <<B\na\nA\nb\nB\n");
    assert_eq!((two[0].fd, two[0].body.as_str(), two[1].body.as_str()), (3, "a\n", "b\n"));
    let many = of("COPY <<a <<b <<c /d/\n1\na\n2\nb\n3\nc\n");
    assert_eq!(many.iter().map(|h| h.body.as_str()).collect::<Vec<_>>(), ["1\n", "2\n", "3\n"]);
    assert!(of("RUN cat <<< word").is_empty());
    assert!(of("RUN echo '<<EOF'").is_empty());
    assert!(of("ENV a=<<EOF").is_empty());
    assert!(of("RUN echo $((1<<2))").is_empty());
    assert_eq!(of("ONBUILD RUN <<E\nx\nE")[0].body, "x\n");
    assert_eq!(of("RUN <<E \\\n && b\nx\nE")[0].body, "x\n");
    assert_eq!(of("RUN <<E\r\nx\r\nE\r\n")[0].body, "x\r\n");
    assert_eq!(of("COPY <<E a\n# not a comment\nE")[0].body, "# not a comment\n");
}

#[test]
fn refuses_an_open_end() {
    let error = split(b"FROM a\nRUN <<EOF\nx\n").expect_err("open");
    assert_eq!((error.0.first, error.1), (2, Problem::HeredocUnterminated("EOF".into())));
    for file in ["", "\n\n", "# only\n"] {
        assert_eq!(split(file.as_bytes()).expect_err(file).1, Problem::Empty);
    }
    let many = format!("RUN{}\n", " <<E".repeat(101));
    assert_eq!(split(many.as_bytes()).expect_err("many").1, Problem::TooManyHeredocs);
}

#[test]
fn tells_openers() {
    for (word, expected) in [
        ("<<EOF", Some("EOF")),
        ("<<-EOF", Some("EOF")),
        ("2<<EOF", Some("EOF")),
        ("<<'A B'", Some("A B")),
        ("<<", None),
        ("<<<a", None),
        ("a<<b", None),
        ("<<a<b", None),
        ("<a", None),
    ] {
        assert_eq!(opener(word).map(|h| h.name).as_deref(), expected, "{word}");
    }
}

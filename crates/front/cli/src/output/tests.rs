//! Listings in every format.

use super::*;

fn listing() -> Listing<'static> {
    let labels = BTreeMap::from([("tier".to_owned(), "front".to_owned())]);
    let row = |id: &str, name: &str| {
        Row::new().field("ID", id).field("Names", name).field("Size", "1kB").labels(&labels)
    };
    Listing {
        heads: &[("ID", "CONTAINER ID"), ("Names", "NAMES"), ("Size", "SIZE")],
        shown: &["ID", "Names"],
        quiet: "ID",
        rows: vec![row("0123456789ab", "web"), row("ba9876543210", "a\u{1b}[31mb")],
    }
}

#[track_caller]
fn check(format: Option<&str>, expected: &str) {
    let style = Style { format, ..Style::default() };
    assert_eq!(listing().render(style).expect("renders"), expected);
}

#[test]
fn formats() {
    check(None, "CONTAINER ID   NAMES\n0123456789ab   web\nba9876543210   a\u{fffd}[31mb\n");
    check(Some("{{.Names}} {{.Label \"tier\"}}"), "web front\na\u{1b}[31mb front\n");
    check(
        Some(r"table {{.Names}}\t{{lower .Size}}"),
        "NAMES     SIZE\nweb       1kb\na\u{fffd}[31mb   1kb\n",
    );
    check(
        Some("json"),
        "{\"ID\":\"0123456789ab\",\"Names\":\"web\",\"Size\":\"1kB\",\"Labels\":\"tier=front\"}\n\
         {\"ID\":\"ba9876543210\",\"Names\":\"a\\u001b[31mb\",\"Size\":\"1kB\",\"Labels\":\"tier=front\"}\n",
    );
    let quiet = Style { quiet: true, ..Style::default() };
    assert_eq!(listing().render(quiet).expect("renders"), "0123456789ab\nba9876543210\n");
}

#[test]
fn fits_a_terminal() {
    let mut listing = listing();
    listing.rows[0] = Row::new().field("ID", "0123456789ab").field("Names", "n".repeat(80));
    let style = Style { width: Some(40), ..Style::default() };
    let text = listing.render(style).expect("renders");
    assert!(text.lines().all(|line| columns(line) <= 40), "{text}");
    let whole = Style { width: Some(40), whole: true, ..Style::default() };
    assert!(listing.render(whole).expect("renders").contains(&"n".repeat(80)));
}

#[test]
fn names_the_fields_in_a_hint() {
    let style = Style { format: Some("{{.Nmes}}"), ..Style::default() };
    let failure = listing().render(style).expect_err("no such field");
    assert_eq!(
        failure.message,
        "template parsing error: template: :1:3: map has no entry for key \"Nmes\" (did you mean .Names?)"
    );
    assert_eq!(failure.hint.as_deref(), Some("the fields here are .ID .Names .Size .Labels"));
}

//! `teu doctor`: what this machine has for Teu, what it lacks, and what to do about each.
//!
//! It only looks: it makes nothing, loads nothing, asks nobody. An ordinary user is told what such a
//! user needs.

use crate::context::{Context, terminal_width};
use crate::failure::{Failure, Result};
use crate::flags::{Command, Flag, Matches};
use crate::output::{Listing, Row, Style};
use crate::text::columns;

mod checks;
mod rootless;

/// Width of a report that is not read on a terminal.
const WIDTH_DEFAULT: usize = 100;

/// The command.
pub const DOCTOR: Command = Command {
    usage: "[OPTIONS]",
    flags: &[&[
        Flag::text("format", "string", "'json', 'table' or a Go TEMPLATE"),
        Flag::switch("quiet", "Only what is lacking").short('q'),
    ]],
    examples: &[("teu doctor --format json", "for a program: one object a line")],
    ..Command::new("doctor", "Say what this machine lacks for containers, and what to do", run)
};

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// All well.
    Ok,
    /// Something does not work, and the rest does.
    Lacking,
    /// Containers do not run.
    Broken,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Lacking => "lacking",
            Self::Broken => "broken",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    /// What was found.
    found: String,
    /// What to do; empty where nothing is.
    advice: String,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, found: found.into(), advice: String::new() }
    }

    fn lacking(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Lacking, found: found.into(), advice: advice.into() }
    }

    fn broken(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Broken, found: found.into(), advice: advice.into() }
    }
}

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let user = !rustix::process::geteuid().is_root();
    let mut all = checks::all(ctx.home(), user);
    if user {
        all.extend(rootless::all());
    }
    let worst = all.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Ok);
    if matches.switch("quiet") {
        all.retain(|check| check.verdict != Verdict::Ok);
    }
    match matches.nonempty("format") {
        None | Some("table") => {
            ctx.print(&report(&all, terminal_width().unwrap_or(WIDTH_DEFAULT)))?
        }
        Some(format) => {
            ctx.list(&listing(&all), Style { format: Some(format), ..Style::default() })?
        }
    }
    match worst {
        Verdict::Broken => Err(Failure::silent(1)),
        _ => Ok(0),
    }
}

fn listing(all: &[Check]) -> Listing<'static> {
    let row = |check: &Check| {
        Row::new()
            .field("Name", check.name)
            .field("Verdict", check.verdict.word())
            .field("Found", check.found.as_str())
            .field("Advice", check.advice.as_str())
    };
    Listing {
        heads: &[
            ("Name", "CHECK"),
            ("Verdict", "VERDICT"),
            ("Found", "FOUND"),
            ("Advice", "WHAT TO DO"),
        ],
        shown: &["Name", "Verdict", "Found", "Advice"],
        quiet: "Name",
        rows: all.iter().map(row).collect(),
    }
}

/// A line for each, and advice folded below.
fn report(all: &[Check], width: usize) -> String {
    let name_width = all.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let indent = name_width + 12;
    let mut out = String::new();
    for check in all {
        out.push_str(&format!("{:<name_width$}  {:<8}  ", check.name, check.verdict.word()));
        fold(&mut out, &check.found, indent, width);
        if !check.advice.is_empty() {
            out.push_str(&format!("{:indent$}", ""));
            fold(&mut out, &format!("-> {}", check.advice), indent, width);
        }
    }
    out
}

/// Words to the end of the line, further lines below the first.
fn fold(out: &mut String, text: &str, indent: usize, width: usize) {
    let room = width.saturating_sub(indent).max(20);
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = columns(word);
        if used > 0 && used + 1 + length > room {
            out.push_str(&format!("\n{:indent$}", ""));
            used = 0;
        }
        if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_fits_the_terminal() {
        let advice = "one two three four five six seven eight nine ten eleven twelve";
        let all = [Check::ok("kernel", "6.1"), Check::lacking("user namespaces", "none", advice)];
        let text = report(&all, 50);
        assert!(text.lines().all(|line| line.len() <= 50), "{text}");
        assert!(text.starts_with("kernel           ok        6.1\n"), "{text}");
        assert!(text.contains("-> one two"), "{text}");
    }
}

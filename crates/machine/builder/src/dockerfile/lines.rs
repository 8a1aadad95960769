//! Bytes to logical lines: parser directives, comments, continuations, heredocs.
//!
//! A continuation ends at the first line without the escape character at its end; comments and
//! empty lines inside it are skipped (the latter with a warning, as they were once an error).
//! Heredocs follow the line that opens them, in order, each up to its terminator.

use super::problem::Problem;
use super::source::Lines;
use super::words::{self, Quotes};
use super::{HEREDOC_LIMIT, Warning};

/// Parser directives: comments at the very top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// `# escape=`
    pub escape: char,
    /// `# syntax=`: recorded; there is one frontend, ours.
    pub syntax: Option<String>,
    /// `# check=`
    pub check: Option<String>,
}

/// A logical line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Without continuations, comments and heredocs' bodies.
    pub text: String,
    /// Where, heredocs included.
    pub at: Lines,
    /// Bodies, in order.
    pub heredocs: Vec<Heredoc>,
}

/// `<<EOF` and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// Its terminator.
    pub name: String,
    /// Descriptor: `3<<EOF`; 0 when not given.
    pub fd: u32,
    /// Variables are expanded: the terminator was not quoted.
    pub expand: bool,
    /// `<<-`: leading tabs are taken off.
    pub chomp: bool,
    /// As written.
    pub body: String,
}

impl Heredoc {
    /// The body without leading tabs if it was opened by `<<-`.
    pub fn content(&self) -> String {
        if !self.chomp {
            return self.body.clone();
        }
        self.body.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }
}

/// What a file's bytes are.
#[derive(Debug)]
pub struct Parsed {
    /// At the top.
    pub directives: Directives,
    /// In order.
    pub lines: Vec<Line>,
    /// Of empty continuations.
    pub warnings: Vec<Warning>,
}

/// Splits a file.
pub fn split(text: &[u8]) -> Result<Parsed, (Lines, Problem)> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let text = String::from_utf8_lossy(text);
    let directives = directives(&text)?;
    let mut reader = Reader { rest: text.split_inclusive('\n'), number: 0 };
    let (mut lines, mut warnings) = (Vec::new(), Vec::new());
    while let Some(physical) = reader.next() {
        let first = reader.number;
        if is_comment(physical) {
            continue;
        }
        let (text, more) = trim_continuation(
            trim_newline(physical).trim_start_matches(is_blank),
            directives.escape,
        );
        if !more && text.is_empty() {
            continue;
        }
        let mut text = text.to_owned();
        if more && continued(&mut reader, &mut text, directives.escape) {
            let at = Lines { first, last: reader.number };
            let message = "Empty continuation line".to_owned();
            warnings.push(Warning { rule: "NoEmptyContinuation", message, lines: at });
        }
        if text.trim().is_empty() {
            continue;
        }
        let heredocs = heredocs(&mut reader, &text)
            .map_err(|problem| (Lines { first, last: first }, problem))?;
        lines.push(Line { text, at: Lines { first, last: reader.number }, heredocs });
    }
    if lines.is_empty() {
        return Err((Lines::default(), Problem::Empty));
    }
    Ok(Parsed { directives, lines, warnings })
}

struct Reader<'a> {
    rest: std::str::SplitInclusive<'a, char>,
    number: u32,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let line = self.rest.next()?;
        self.number += 1;
        Some(line)
    }
}

/// Appends what continues `text`; true if there was an empty line among it.
fn continued(reader: &mut Reader<'_>, text: &mut String, escape: char) -> bool {
    let mut empty = false;
    while let Some(physical) = reader.next() {
        if is_comment(physical) {
            continue;
        }
        let line = trim_newline(physical);
        if line.trim_start_matches(is_blank).is_empty() {
            empty = true;
            continue;
        }
        let (line, more) = trim_continuation(line, escape);
        text.push_str(line);
        if !more {
            break;
        }
    }
    empty
}

fn heredocs(reader: &mut Reader<'_>, text: &str) -> Result<Vec<Heredoc>, Problem> {
    let keyword = text.split(is_blank).next().unwrap_or_default().to_ascii_lowercase();
    if !matches!(keyword.as_str(), "add" | "copy" | "run" | "onbuild") || !text.contains("<<") {
        return Ok(Vec::new());
    }
    if keyword == "onbuild" {
        let inner = text.trim_start_matches(is_blank)[keyword.len()..].trim_start_matches(is_blank);
        return heredocs(reader, inner);
    }
    let mut found =
        words::raw_words(text).iter().filter_map(|word| opener(word)).collect::<Vec<_>>();
    if found.len() > HEREDOC_LIMIT {
        return Err(Problem::TooManyHeredocs);
    }
    for heredoc in &mut found {
        loop {
            let Some(physical) = reader.next() else {
                return Err(Problem::HeredocUnterminated(heredoc.name.clone()));
            };
            let line = trim_newline(physical);
            let line = if heredoc.chomp { line.trim_start_matches('\t') } else { line };
            if line == heredoc.name {
                break;
            }
            heredoc.body.push_str(physical);
        }
    }
    Ok(found)
}

/// The heredoc that a word opens: `3<<-"EOF"`.
pub fn opener(word: &str) -> Option<Heredoc> {
    let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (fd, rest) = word.split_at(digits);
    let rest = rest.strip_prefix("<<")?;
    let (chomp, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let fd = if fd.is_empty() { 0 } else { fd.parse().ok()? };
    let unset = |_: &str| None;
    let raw = words::expand_words(rest, '\\', Quotes::Keep, &unset).ok()?;
    let plain = words::expand_words(rest, '\\', Quotes::Remove, &unset).ok()?;
    let ([raw], [name]) = (raw.as_slice(), plain.as_slice()) else { return None };
    Some(Heredoc { name: name.clone(), fd, expand: raw == name, chomp, body: String::new() })
}

fn directives(text: &str) -> Result<Directives, (Lines, Problem)> {
    let mut found = Directives { escape: '\\', syntax: None, check: None };
    let mut seen: Vec<String> = Vec::new();
    for (line, number) in text.lines().zip(1u32..) {
        let Some((name, value)) = directive(line) else { break };
        let at = Lines { first: number, last: number };
        if seen.contains(&name) {
            return Err((at, Problem::DirectiveTwice(name)));
        }
        match name.as_str() {
            "escape" if value == "`" => found.escape = '`',
            "escape" if value == "\\" => {}
            "escape" => return Err((at, Problem::EscapeToken(value.to_owned()))),
            "syntax" => found.syntax = Some(value.to_owned()),
            "check" => found.check = Some(value.to_owned()),
            _ => break,
        }
        seen.push(name);
    }
    Ok(found)
}

/// `# name = value`
fn directive(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.trim_start_matches(is_blank).strip_prefix('#')?.split_once('=')?;
    let name = name.trim();
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric());
    let value = value.trim();
    (is_name && !value.is_empty()).then(|| (name.to_ascii_lowercase(), value))
}

/// White space within a line.
pub(crate) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{b}' | '\u{c}' | '\r')
}

fn is_comment(line: &str) -> bool {
    line.trim_start_matches(is_blank).starts_with('#')
}

fn trim_newline(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

/// The line without its trailing escape character, and whether there was one: a lone one, not the
/// second of a pair.
fn trim_continuation(line: &str, escape: char) -> (&str, bool) {
    let bare = line.trim_end_matches([' ', '\t']);
    match bare.strip_suffix(escape) {
        Some(rest) if !rest.ends_with(escape) => (rest, true),
        _ => (line, false),
    }
}

#[cfg(test)]
mod tests;

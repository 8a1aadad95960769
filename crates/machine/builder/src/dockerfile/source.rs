//! The text of a Dockerfile, and the lines of it that an error is about.

use std::fmt::Write as _;

/// Lines shown around a cause.
const CONTEXT_LINES: u32 = 2;
/// Lines of one instruction shown at most.
const EXCERPT_LIMIT_LINES: u32 = 30;
/// Characters of a line shown at most.
const LINE_LIMIT_CHARS: usize = 300;

/// A Dockerfile's text.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// What errors call it: `Dockerfile`.
    pub name: String,
    text: String,
}

/// A range of lines, from 1, both ends included; 0 for none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Lines {
    /// First.
    pub first: u32,
    /// Last.
    pub last: u32,
}

impl Source {
    /// Keeps `text`, with what is not UTF-8 replaced.
    pub fn new(name: &str, text: &[u8]) -> Self {
        Self { name: name.to_owned(), text: String::from_utf8_lossy(text).into_owned() }
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The lines around `lines`, these marked with `>>>`, as BuildKit prints them.
    pub fn excerpt(&self, lines: Lines) -> String {
        let mut out = String::new();
        if lines.first == 0 {
            return out;
        }
        let last = lines.last.min(lines.first + EXCERPT_LIMIT_LINES);
        let from = lines.first.saturating_sub(CONTEXT_LINES).max(1);
        let _ = writeln!(out, "{}:{}\n--------------------", self.name, lines.first);
        let shown = self.text.split('\n').zip(1u32..).skip(from as usize - 1);
        for (line, number) in shown.take_while(|(_, number)| *number <= last + CONTEXT_LINES) {
            let mark = if (lines.first..=last).contains(&number) { ">>>" } else { "   " };
            let line: String = line
                .chars()
                .take(LINE_LIMIT_CHARS)
                .filter(|c| !c.is_control() || *c == '\t')
                .collect();
            let _ = writeln!(out, " {number:3} | {mark} {line}");
        }
        out.push_str("--------------------\n");
        out
    }
}

impl Lines {
    /// Joined with another range.
    pub fn to(self, other: Self) -> Self {
        Self { first: self.first, last: other.last.max(self.first) }
    }
}

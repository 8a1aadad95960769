//! One file of Rust: its header, its functions, and what must not stand in it.

use super::text::{Layers, is_word, layers};

/// A file.
#[derive(Debug)]
pub struct Source {
    /// Path below the workspace.
    pub name: String,
    /// As it is on disk.
    pub text: String,
    /// Without comments and literals; and these.
    pub layers: Layers,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// From `fn` to the closing brace.
    pub lines: usize,
}

/// Marks of unfinished work; sought in comments.
const UNFINISHED: [&str; 4] = ["TODO", "FIXME", "XXX", "HACK"];

/// Macros and methods that do not belong into product code, with the reason.
const NOT_IN_PRODUCT: [(&str, &str); 6] = [
    (".unwrap()", "return an error, or `expect` with the proof"),
    ("todo!", "finish it"),
    ("unimplemented!", "finish it"),
    ("dbg!", "take it out"),
    ("panic!(\"not", "finish it"),
    ("process::exit(", "only `main` decides how the process ends"),
];

/// Printing belongs to the front.
const PRINTING: [&str; 4] = ["println!", "print!", "eprintln!", "eprint!"];

/// Folders that may print.
const MAY_PRINT: [&str; 3] = ["crates/front/", "xtask/", "fuzz/"];

/// The only crate with `unsafe`.
const UNSAFE: &str = "crates/base/sys/";

/// How far above an `unsafe` its argument may begin.
const SAFETY_LINES: usize = 14;

impl Source {
    /// Reads the layers.
    pub fn new(name: &str, text: String) -> Self {
        let layers = layers(&text);
        Self { name: name.to_owned(), text, layers }
    }

    /// Lines of the file.
    pub fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// Functions with a body, nested ones too.
    pub fn functions(&self) -> Vec<Function> {
        let code = &self.layers.code;
        words(code, "fn").filter_map(|at| function(code, at)).collect()
    }

    fn line_of(&self, at: usize) -> usize {
        self.layers.code[..at].matches('\n').count() + 1
    }
}

/// Places where `word` stands alone.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = code[..*at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn function(code: &str, at: usize) -> Option<Function> {
    let rest = &code[at + 2..];
    let name: String = rest.trim_start().chars().take_while(|c| is_word(*c)).collect();
    if name.is_empty() {
        return None; // A type such as `fn(u8)`.
    }
    // The body's brace comes before any semicolon outside brackets (`[u8; 4]` has one inside).
    let mut depth = 0_i32;
    let open = rest.char_indices().find(|(_, character)| {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        depth == 0 && matches!(character, '{' | ';')
    });
    let (open, _) = open.filter(|(_, character)| *character == '{')?;
    let close = matching_brace(&rest[open..])? + open;
    Some(Function { name, lines: rest[..close].matches('\n').count() + 1 })
}

/// Where the brace that opens the text is closed.
pub fn matching_brace(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// The code without `#[cfg(test)]` modules inside it.
fn product_code(code: &str) -> String {
    let mut product = code.to_owned();
    for (at, mark) in code.match_indices("#[cfg(test)]") {
        let rest = &code[at + mark.len()..];
        let trimmed = rest.trim_start();
        if !trimmed.starts_with("mod ") && !trimmed.starts_with("pub mod ") {
            continue;
        }
        let Some(open) = rest.find('{') else { continue };
        if rest[..open].contains(';') {
            continue;
        }
        let Some(close) = matching_brace(&rest[open..]) else { continue };
        let (start, end) = (at + mark.len() + open, at + mark.len() + open + close);
        let blank: String =
            code[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        if blank.len() == end - start {
            product.replace_range(start..end, &blank);
        }
    }
    product
}

/// Everything wrong with a file.
pub fn check(source: &Source, is_test: bool) -> Vec<String> {
    let mut findings = Vec::new();
    let mut find = |line: usize, what: String| {
        findings.push(format!("{}:{line}: {what}", source.name));
    };
    if !source.text.starts_with("//! ") {
        find(1, "the file has no `//!` header saying what it is and why".to_owned());
    }
    let code = &source.layers.code;
    for mark in ["#[allow(", "#![allow("] {
        for (at, _) in code.match_indices(mark) {
            let what = "lints are silenced with `#[expect(.., reason = \"…\")]`, never `allow`";
            find(source.line_of(at), what.to_owned());
        }
    }
    for (number, line) in source.layers.comments.lines().enumerate() {
        for word in UNFINISHED {
            if words(line, word).next().is_some() && !source.name.starts_with("xtask/src/tidy") {
                find(number + 1, format!("unfinished work ({word}): do it, or take the mark out"));
            }
        }
    }
    check_unsafe(source, &mut find);
    if !is_test {
        check_product(source, &mut find);
    }
    findings
}

fn check_unsafe(source: &Source, find: &mut impl FnMut(usize, String)) {
    let is_root = source.name.ends_with("/src/lib.rs") || source.name.ends_with("/src/main.rs");
    let inside = source.name.starts_with(UNSAFE);
    if is_root && !inside && !source.layers.code.contains("#![forbid(unsafe_code)]") {
        find(1, "a crate other than `sys` begins with `#![forbid(unsafe_code)]`".to_owned());
    }
    let comments: Vec<&str> = source.layers.comments.lines().collect();
    for at in words(&source.layers.code, "unsafe") {
        let line = source.line_of(at);
        if !inside {
            find(line, "`unsafe` belongs into `sys`".to_owned());
            continue;
        }
        let above = comments[line.saturating_sub(SAFETY_LINES)..line].iter();
        if !above.rev().any(|comment| comment.contains("SAFETY:") || comment.contains("# Safety")) {
            find(line, "`unsafe` without its argument: `// SAFETY: …`".to_owned());
        }
    }
}

fn check_product(source: &Source, find: &mut impl FnMut(usize, String)) {
    let code = product_code(&source.layers.code);
    let front = MAY_PRINT.iter().any(|folder| source.name.starts_with(folder));
    for (mark, reason) in NOT_IN_PRODUCT {
        if mark.starts_with("process::exit") && front {
            continue;
        }
        for (at, _) in code.match_indices(mark) {
            find(source.line_of(at), format!("`{mark}` in product code: {reason}"));
        }
    }
    // Where clippy was told why, printing is the purpose; a build script speaks with cargo so.
    let script = source.name.ends_with("/build.rs");
    if front || script || code.contains("expect(clippy::print_") {
        return;
    }
    for name in PRINTING {
        for at in words(&code, name.trim_end_matches('!')) {
            if code[at..].starts_with(name) {
                find(
                    source.line_of(at),
                    format!("`{name}` outside the front: libraries never print"),
                );
            }
        }
    }
}

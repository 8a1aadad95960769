//! The rules of the house, checked over the text of manifests and sources.
//!
//! What `rustc` and `clippy` check is left to them; here is what they do not know: storeys, headers,
//! sizes, where `unsafe` may stand, files that no module names. Sizes are kept by a ratchet: what is
//! too large today is listed in `xtask/ratchet.txt` and may only shrink.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

mod modules;
mod source;
mod storeys;
#[cfg(test)]
mod tests;
mod text;

use source::Source;

/// Lines of a file and of a function; more needs an entry in the ratchet.
const MAX_FILE_LINES: usize = 500;
const MAX_FUNCTION_LINES: usize = 70;

/// Folders with sources, seen from the workspace.
const FOLDERS: [&str; 4] = ["crates", "fuzz", "tests", "xtask"];

const RATCHET: &str = "xtask/ratchet.txt";

/// What to do with the list of what is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ratchet {
    /// Nothing may be larger than it says.
    Check,
    /// Write it anew from what is.
    Write,
}

/// One thing that is too large: `file` or `file::function`.
type Sizes = BTreeMap<String, usize>;

/// Checks the workspace; prints every finding.
pub fn run(root: &Path, ratchet: Ratchet) -> Result<()> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        walk(&root.join(folder), &mut files)?;
    }
    let mut findings = Vec::new();
    let mut sources = Vec::new();
    for path in &files {
        let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {name}"))?;
        if name.ends_with("Cargo.toml") {
            findings.extend(storeys::check(&name, &text));
        } else {
            sources.push(Source::new(&name, text));
        }
    }
    let test_files = modules::test_files(&sources);
    findings.extend(modules::check(&sources));
    let mut sizes = Sizes::new();
    for source in &sources {
        findings.extend(source::check(source, test_files.contains(&source.name)));
        sizes.extend(too_large(source));
    }
    let path = root.join(RATCHET);
    match ratchet {
        Ratchet::Write => std::fs::write(&path, print_sizes(&sizes))?,
        Ratchet::Check => {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            findings.extend(compare(&parse_sizes(&text)?, &sizes));
        }
    }
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        count => bail!("{count} finding(s); the rules stand in STYLE.md and ARCHITECTURE.md"),
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if entry.file_type()?.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "corpus" {
                walk(&path, files)?;
            }
        } else if name == "Cargo.toml" || name.ends_with(".rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

/// What of a file is above the usual sizes.
fn too_large(source: &Source) -> Sizes {
    let mut sizes = Sizes::new();
    if source.lines() > MAX_FILE_LINES {
        sizes.insert(source.name.clone(), source.lines());
    }
    for function in source.functions() {
        if function.lines > MAX_FUNCTION_LINES {
            let largest = sizes.entry(format!("{}::{}", source.name, function.name)).or_default();
            *largest = function.lines.max(*largest);
        }
    }
    sizes
}

fn compare(allowed: &Sizes, found: &Sizes) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, lines) in found {
        match allowed.get(name) {
            Some(most) if lines <= most => {}
            Some(most) => findings.push(format!("{name}: grew from {most} to {lines} lines")),
            None => {
                let most = if name.contains("::") { MAX_FUNCTION_LINES } else { MAX_FILE_LINES };
                findings.push(format!("{name}: {lines} lines, at most {most} are allowed"));
            }
        }
    }
    for (name, most) in allowed {
        match found.get(name) {
            Some(lines) if lines >= most => {}
            _ => findings.push(format!(
                "{name}: has shrunk below {most} lines; keep it so with `cargo xtask tidy --accept`"
            )),
        }
    }
    findings
}

fn parse_sizes(text: &str) -> Result<Sizes> {
    let line = |line: &str| {
        let (name, lines) = line.rsplit_once(' ')?;
        Some((name.to_owned(), lines.parse().ok()?))
    };
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|text| line(text).with_context(|| format!("{RATCHET}: malformed line {text:?}")))
        .collect()
}

fn print_sizes(sizes: &Sizes) -> String {
    let mut text = format!(
        "# What is larger than {MAX_FILE_LINES} lines a file or {MAX_FUNCTION_LINES} a function; may only shrink.\n"
    );
    for (name, lines) in sizes {
        text.push_str(&format!("{name} {lines}\n"));
    }
    text
}

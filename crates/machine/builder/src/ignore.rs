//! `.dockerignore`: which files of a context exist for a build.
//!
//! The last pattern that matches a path, or one of its parents, decides; `!` takes files back in.
//! As in Docker, and unlike git: patterns are anchored at the root, and a file may be taken back in
//! although its directory is excluded.

use crate::glob::{BadPattern, DoubleStar, Glob, clean};

/// Bytes of the file.
pub const FILE_LIMIT_BYTES: usize = 1 << 20;
/// Patterns in it.
pub const PATTERN_LIMIT: usize = 10_000;

/// A parsed `.dockerignore` (or the list of `--exclude`).
#[derive(Debug, Default, Clone)]
pub struct Ignore {
    rules: Vec<Rule>,
    exceptions: bool,
}

#[derive(Debug, Clone)]
struct Rule {
    glob: Glob,
    exception: bool,
    /// Components before the first wildcard, of exceptions: where they could take files back.
    prefix: Vec<String>,
}

/// What a `.dockerignore` may not be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreProblem {
    /// Too large.
    #[error("file of {0} bytes is too large: 1 MiB is the limit")]
    TooLarge(usize),
    /// Too many patterns.
    #[error("more than 10000 patterns")]
    TooMany,
    /// `!` alone.
    #[error("line {0}: illegal exclusion pattern: \"!\"")]
    LoneException(usize),
    /// Not a pattern.
    #[error("line {line}: {source}")]
    Pattern {
        /// Where.
        line: usize,
        /// Why.
        source: BadPattern,
    },
}

/// A file's patterns as whoever sends the files wants to have them: without comments and spaces,
/// relative, exceptions with their `!`.
pub fn patterns(text: &[u8]) -> Result<Vec<String>, IgnoreProblem> {
    Ignore::parse(text)?;
    let text = String::from_utf8_lossy(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text));
    let lines = text.lines().filter(|line| !line.starts_with('#')).map(str::trim);
    let pattern = |line: &str| {
        let (mark, pattern) = match line.strip_prefix('!') {
            Some(rest) => ("!", rest.trim()),
            None => ("", line),
        };
        let pattern = clean(pattern);
        let pattern = pattern.strip_prefix('/').filter(|rest| !rest.is_empty()).unwrap_or(&pattern);
        format!("{mark}{pattern}")
    };
    Ok(lines.filter(|line| !line.is_empty()).map(pattern).collect())
}

impl Ignore {
    /// Reads a file.
    pub fn parse(text: &[u8]) -> Result<Self, IgnoreProblem> {
        if text.len() > FILE_LIMIT_BYTES {
            return Err(IgnoreProblem::TooLarge(text.len()));
        }
        let text = String::from_utf8_lossy(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text))
            .into_owned();
        let lines = text.lines().zip(1..).filter(|(line, _)| !line.starts_with('#'));
        Self::of(lines)
    }

    /// Of patterns given one by one.
    pub fn of_patterns<'a>(patterns: impl Iterator<Item = &'a str>) -> Result<Self, IgnoreProblem> {
        Self::of(patterns.zip(1..))
    }

    fn of<'a>(lines: impl Iterator<Item = (&'a str, usize)>) -> Result<Self, IgnoreProblem> {
        let mut ignore = Self::default();
        for (line, number) in lines {
            let line = line.trim();
            let (exception, pattern) = match line.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, line),
            };
            match (pattern.is_empty(), exception) {
                (true, true) => return Err(IgnoreProblem::LoneException(number)),
                (true, false) => continue,
                (false, _) => {}
            }
            let pattern = clean(pattern);
            let pattern =
                pattern.strip_prefix('/').filter(|rest| !rest.is_empty()).unwrap_or(&pattern);
            if pattern == "." {
                continue;
            }
            let glob = Glob::new(pattern, DoubleStar::Recursive)
                .map_err(|source| IgnoreProblem::Pattern { line: number, source })?;
            let prefix = pattern.split('/').take_while(|part| !crate::glob::has_wildcards(part));
            let prefix = prefix.map(str::to_owned).collect();
            ignore.exceptions |= exception;
            ignore.rules.push(Rule { glob, exception, prefix });
            if ignore.rules.len() > PATTERN_LIMIT {
                return Err(IgnoreProblem::TooMany);
            }
        }
        Ok(ignore)
    }

    /// Nothing is excluded.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What is known of the root; start of a walk.
    pub fn root(&self) -> Verdict {
        Verdict { matched: vec![false; self.rules.len()], excluded: false }
    }

    /// Decides on a path (`a/b`, relative to the root) given the verdict on its parent.
    pub fn decide(&self, path: &str, parent: &Verdict) -> Verdict {
        let mut verdict =
            Verdict { matched: Vec::with_capacity(self.rules.len()), excluded: false };
        for (rule, parent) in self.rules.iter().zip(&parent.matched) {
            let matched = *parent || rule.glob.matches(path);
            if matched {
                verdict.excluded = !rule.exception;
            }
            verdict.matched.push(matched);
        }
        verdict
    }

    /// Decides on a path by itself.
    pub fn excludes(&self, path: &str) -> bool {
        let mut verdict = self.root();
        for (at, _) in path.match_indices('/').chain(std::iter::once((path.len(), ""))) {
            verdict = self.decide(&path[..at], &verdict);
        }
        verdict.excluded
    }

    /// Says whether something beneath an excluded directory could be taken back in.
    pub fn may_contain_exceptions(&self, directory: &str) -> bool {
        self.exceptions
            && self.rules.iter().filter(|rule| rule.exception).any(|rule| {
                rule.prefix
                    .iter()
                    .map(String::as_str)
                    .zip(directory.split('/'))
                    .all(|(a, b)| a == b)
            })
    }
}

/// Which patterns matched a path or its parents, and what that means.
#[derive(Debug, Clone)]
pub struct Verdict {
    matched: Vec<bool>,
    /// The path is not part of the context.
    pub excluded: bool,
}

#[cfg(test)]
mod tests;

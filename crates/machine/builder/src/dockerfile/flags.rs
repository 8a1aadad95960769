//! `--flag=value` between an instruction's word and its arguments.

use super::problem::{Problem, suggest};

/// Takes the flags off the front of an instruction's arguments: the flags without quotes, and the
/// rest as it is. `--` alone ends them.
pub fn take(line: &str) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = line.trim_start();
    while rest.starts_with("--") {
        let (word, after) = word(rest);
        if word == "--" {
            return (flags, after.trim_start());
        }
        flags.push(word);
        rest = after.trim_start();
    }
    (flags, rest)
}

/// One word, its quotes and escapes undone, and what follows.
fn word(text: &str) -> (String, &str) {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match quote {
            None if c.is_whitespace() => return (word, &text[at..]),
            None if matches!(c, '\'' | '"') => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ if c == '\\' => word.extend(chars.next().map(|(_, next)| next)),
            _ => word.push(c),
        }
    }
    (word, "")
}

/// How a flag's value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `--name=value`, once.
    Text,
    /// `--name=value`, any number of times.
    List,
    /// `--name`, `--name=true`, `--name=false`
    Bool,
}

/// An instruction's flags, checked against those it has.
#[derive(Debug, Default)]
pub struct Flags {
    given: Vec<(&'static str, String)>,
}

impl Flags {
    /// Checks `flags` of `keyword` against the `known` ones.
    pub fn parse(
        keyword: &str,
        flags: &[String],
        known: &[(&'static str, Kind)],
    ) -> Result<Self, Problem> {
        let mut parsed = Self::default();
        for flag in flags {
            let body = flag.strip_prefix("--").unwrap_or(flag);
            let (name, value) = match body.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (body, None),
            };
            let Some((name, kind)) = known.iter().find(|(known, _)| *known == name) else {
                return Err(Problem::UnknownFlag {
                    keyword: keyword.to_owned(),
                    flag: name.to_owned(),
                    suggestion: suggest(name, known.iter().map(|(known, _)| *known)),
                });
            };
            if *kind != Kind::List && parsed.text(name).is_some() {
                return Err(Problem::FlagTwice((*name).to_owned()));
            }
            let value = match (kind, value) {
                (Kind::Bool, None | Some("true")) => "true",
                (Kind::Bool, Some("false")) => "false",
                (Kind::Bool, Some(value)) => {
                    let (flag, value) = ((*name).to_owned(), value.to_owned());
                    return Err(Problem::FlagBool { flag, value });
                }
                (_, Some(value)) => value,
                (_, None) => return Err(Problem::FlagValue((*name).to_owned())),
            };
            parsed.given.push((name, value.to_owned()));
        }
        Ok(parsed)
    }

    /// The value of a flag that is given once.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.list(name).next()
    }

    /// Likewise, owned.
    pub fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// Values of a flag that may be repeated.
    pub fn list<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.given.iter().filter(move |(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    /// A flag that is there or not.
    pub fn is_set(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }
}

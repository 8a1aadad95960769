//! Flags as Go's `flag` package and runc take them: `-x`, `--x`, `--x=v`, `--x v`; they end at the
//! first word that is none, so that what follows belongs to the container.

use super::{Failed, Outcome};
use std::collections::BTreeMap;

/// What was said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    values: BTreeMap<String, Vec<String>>,
    /// Everything from the first word on.
    pub words: Vec<String>,
}

impl Arguments {
    /// Reads words. Names are given as `long|short`.
    pub fn parse(words: &[String], with_value: &[&str], without: &[&str]) -> Outcome<Self> {
        let mut parsed = Self::default();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                parsed.words.extend(rest.cloned());
                break;
            }
            let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
                parsed.words.push(word.clone());
                parsed.words.extend(rest.cloned());
                break;
            };
            if flag.is_empty() {
                parsed.words.push(word.clone());
                parsed.words.extend(rest.cloned());
                break;
            }
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            if let Some(long) = find(with_value, name) {
                let value = match value {
                    Some(value) => value,
                    None => rest
                        .next()
                        .cloned()
                        .ok_or_else(|| Failed::new(format!("flag needs an argument: {word}")))?,
                };
                parsed.values.entry(long.to_owned()).or_default().push(value);
            } else if let Some(long) = find(without, name) {
                if value.as_deref() != Some("false") {
                    parsed.values.entry(long.to_owned()).or_default();
                }
            } else {
                return Err(Failed::new(format!("flag provided but not defined: {word}")));
            }
        }
        Ok(parsed)
    }

    /// Whether a flag is there.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A flag's last value.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str)
    }

    /// All values of a flag.
    pub fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// A flag's value as a number.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Outcome<Option<T>> {
        self.value(name)
            .map(|text| {
                text.parse()
                    .map_err(|_| Failed::new(format!("invalid value {text:?} for flag --{name}")))
            })
            .transpose()
    }

    /// The container's id: the first word, which must be there.
    pub fn id(&self) -> Outcome<&str> {
        self.words
            .first()
            .map(String::as_str)
            .ok_or_else(|| Failed::new("the container's id is missing"))
    }

    /// Only the id, nothing more.
    pub fn only_id(&self) -> Outcome<&str> {
        match self.words.as_slice() {
            [id] => Ok(id),
            [] => self.id(),
            [_, more @ ..] => Err(Failed::new(format!(
                "unexpected arguments: {} (options go before the container's id)",
                more.join(" ")
            ))),
        }
    }
}

fn find<'a>(names: &[&'a str], name: &str) -> Option<&'a str> {
    names.iter().find_map(|known| {
        let (long, short) = known.split_once('|').unwrap_or((known, known));
        (name == long || name == short).then_some(long)
    })
}

#[cfg(test)]
mod tests;

//! `--filter key=value`: several of a key are alternatives, labels must all fit. Pure.

use crate::{Error, Result, time};
use std::collections::BTreeMap;

/// Filters as they were given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filters<'a>(pub &'a [(String, String)]);

impl<'a> Filters<'a> {
    /// Refuses a key that is not among these.
    pub(crate) fn only(self, known: &[&str]) -> Result<Self> {
        match self.0.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            Some((key, _)) => Err(Error::InvalidFilter(key.clone())),
            None => Ok(self),
        }
    }

    /// The values of a key.
    pub(crate) fn values(self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other == key).map(|(_, value)| value.as_str())
    }

    /// Says whether a key is absent, or one of its values fits.
    pub(crate) fn any(self, key: &'a str, fits: impl FnMut(&str) -> bool) -> bool {
        self.values(key).next().is_none() || self.values(key).any(fits)
    }

    /// `label=a`, `label=a=b` must all fit, `label!=…` must not.
    pub(crate) fn labels_fit(self, labels: &BTreeMap<String, String>) -> bool {
        let has = |text: &str| match text.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|present| present == value),
            None => labels.contains_key(text),
        };
        self.values("label").all(has) && !self.values("label!").any(has)
    }

    /// A boolean; Docker takes these four words.
    pub(crate) fn flag(self, key: &'a str) -> Result<Option<bool>> {
        let mut flag = None;
        for value in self.values(key) {
            flag = Some(match value {
                "1" | "true" => true,
                "0" | "false" => false,
                _ => {
                    return Err(Error::FilterValue {
                        key: key.to_owned(),
                        value: value.to_owned(),
                        reason: "expected true or false",
                    });
                }
            });
        }
        Ok(flag)
    }

    /// The time of `until`.
    pub(crate) fn until(self) -> Result<Option<i64>> {
        self.values("until").last().map(|value| time::parse(value, time::now_ns())).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_keys() {
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        let pair = |text: &str| {
            let (key, value) = text.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        };
        for (text, expected) in [
            ("label=a", true),
            ("label=a=1", true),
            ("label=a=2", false),
            ("label=b", false),
            ("label!=a", false),
            ("label!=b", true),
        ] {
            let filters = [match text.strip_prefix("label!=") {
                Some(value) => ("label!".to_owned(), value.to_owned()),
                None => pair(text),
            }];
            assert_eq!(Filters(&filters).labels_fit(&labels), expected, "{text}");
        }
        let filters = [pair("x=1")];
        assert!(Filters(&filters).only(&["x"]).is_ok());
        assert_eq!(Filters(&filters).only(&["y"]).unwrap_err().to_string(), "invalid filter 'x'");
        assert_eq!(Filters(&filters).flag("x").unwrap(), Some(true));
        assert!(Filters(&[pair("x=maybe")]).flag("x").is_err());
    }
}

//! What stands behind the `?`: names and values, Go's booleans, Docker's filters.

use crate::error::{Error, Result};
use serde_json::Value;

/// Most names and values of one query.
const PAIRS_LIMIT: usize = 1024;

/// A query, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands behind the `?`.
    pub fn parse(text: &str) -> Result<Self> {
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() >= PAIRS_LIMIT {
                return Err(Error::bad("the query has more than 1024 parameters"));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(name, true)?, decode(value, true)?));
        }
        Ok(Self(pairs))
    }

    /// The first value of a name, or nothing.
    pub fn text(&self, name: &str) -> &str {
        self.given(name).unwrap_or_default()
    }

    /// The first value of a name that was given.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first value that is not empty.
    pub fn nonempty(&self, name: &str) -> Option<&str> {
        self.given(name).filter(|value| !value.is_empty())
    }

    /// All values of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Docker's booleans: everything but these is true.
    pub fn flag(&self, name: &str) -> bool {
        let value = self.text(name).trim().to_ascii_lowercase();
        !matches!(value.as_str(), "" | "0" | "no" | "false" | "none")
    }

    /// Likewise, with a default for what was not given.
    pub fn flag_or(&self, name: &str, default: bool) -> bool {
        match self.given(name) {
            None => default,
            Some(_) => self.flag(name),
        }
    }

    /// A number.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>> {
        self.nonempty(name)
            .map(|text| {
                text.parse().map_err(|_| {
                    Error::bad(format!("invalid value {text:?} for {name}: expected a number"))
                })
            })
            .transpose()
    }

    /// A JSON value of its own.
    pub fn json<T: serde::de::DeserializeOwned + Default>(&self, name: &str) -> Result<T> {
        match self.nonempty(name) {
            // Old clients write what Go calls nil.
            None | Some("null") => Ok(T::default()),
            Some(text) => Ok(teu_docker::parse(text.as_bytes())?),
        }
    }

    /// `filters`: `{"label": ["a"]}`, or `{"label": {"a": true}}` as old clients write it.
    pub fn filters(&self) -> Result<Vec<(String, String)>> {
        let Some(text) = self.nonempty("filters") else { return Ok(Vec::new()) };
        let invalid = || Error::bad(format!("invalid filters {text:?}: expected a JSON object"));
        let Value::Object(all) = teu_docker::body::value(text.as_bytes())? else {
            return Err(invalid());
        };
        let mut filters = Vec::new();
        for (key, values) in all {
            match values {
                Value::Array(values) => {
                    for value in values {
                        let value = value.as_str().ok_or_else(invalid)?;
                        filters.push((key.clone(), value.to_owned()));
                    }
                }
                Value::Object(values) => {
                    let set = values.into_iter().filter(|(_, on)| *on != Value::Bool(false));
                    filters.extend(set.map(|(value, _)| (key.clone(), value)));
                }
                _ => return Err(invalid()),
            }
        }
        Ok(filters)
    }
}

/// Percent-decoding; in queries `+` is a space.
pub fn decode(text: &str, plus: bool) -> Result<String> {
    let invalid = || Error::bad(format!("invalid URL escape in {text:?}"));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else { return Err(invalid()) };
                bytes.push(u8::try_from(high * 16 + low).map_err(|_| invalid())?);
            }
            b'+' if plus => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_both_forms() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        for (text, expected) in [
            ("", vec![]),
            ("filters=%7B%22label%22%3A%5B%22a%3D1%22%2C%22b%22%5D%7D", {
                vec![pair("label", "a=1"), pair("label", "b")]
            }),
            ("filters={\"name\":{\"x\":true,\"y\":false}}", vec![pair("name", "x")]),
        ] {
            assert_eq!(Query::parse(text).unwrap().filters().unwrap(), expected, "{text}");
        }
        assert!(Query::parse("filters=[]").unwrap().filters().is_err());
        assert!(Query::parse("a=%zz").is_err());
    }

    #[test]
    fn booleans_and_numbers() {
        let query = Query::parse("a=1&b=0&c=True&d=&e=false&n=12&x=y+z").unwrap();
        for (name, value) in
            [("a", true), ("b", false), ("c", true), ("d", false), ("e", false), ("f", false)]
        {
            assert_eq!(query.flag(name), value, "{name}");
        }
        assert!(query.flag_or("f", true));
        assert_eq!(query.number::<u32>("n").unwrap(), Some(12));
        assert!(query.number::<u32>("x").is_err());
        assert_eq!(query.text("x"), "y z");
    }
}

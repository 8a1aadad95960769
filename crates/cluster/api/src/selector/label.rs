//! Label selectors: `app=web,tier in (a, b),!old,cores>4`.
//!
//! The grammar and the words of its errors are Kubernetes' (`labels.Parse`): words and operators are
//! separated greedily, `in` and `notin` are values where a value is expected, an empty text selects
//! everything. An operator that denies (`!=`, `notin`) also selects what has no such label.

use super::MAX_SELECTOR_BYTES;
use super::name::{label_key_errors, label_value_errors};
use std::collections::BTreeSet;
use std::fmt;

/// Why a text is not a label selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Something else was expected here.
    #[error("found '{found}', expected: {expected}")]
    Unexpected {
        /// What stands there.
        found: String,
        /// What may.
        expected: &'static str,
    },
    /// The same inside a requirement.
    #[error("unable to parse requirement: found '{found}', expected: {expected}")]
    InRequirement {
        /// What stands there.
        found: String,
        /// What may.
        expected: &'static str,
    },
    /// A key, a value or an operator's values that cannot be.
    #[error("unable to parse requirement: {path}: Invalid value: {value:?}: {detail}")]
    Invalid {
        /// Where: `key`, `values[0][app]`.
        path: String,
        /// What.
        value: String,
        /// Why not.
        detail: String,
    },
    /// Too long to be looked at.
    #[error("the selector has more than {limit_bytes} bytes")]
    TooLong {
        /// The limit.
        limit_bytes: usize,
    },
}

/// How a requirement compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `key in (a,b)`.
    In,
    /// `key notin (a,b)`.
    NotIn,
    /// `key=a`.
    Equals,
    /// `key==a`.
    DoubleEquals,
    /// `key!=a`.
    NotEquals,
    /// `key`.
    Exists,
    /// `!key`.
    DoesNotExist,
    /// `key>1`.
    GreaterThan,
    /// `key<1`.
    LessThan,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// How it compares.
    pub operator: Operator,
    /// With what.
    pub values: BTreeSet<String>,
}

/// Conditions that all have to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelSelector {
    /// In the order of their text.
    pub requirements: Vec<Requirement>,
}

impl Requirement {
    fn matches(&self, value: Option<&str>) -> bool {
        let number = |text: &str| text.parse::<i64>().ok();
        let bound = || self.values.first().and_then(|bound| number(bound));
        let both = |value: Option<&str>| value.and_then(number).zip(bound());
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => {
                value.is_some_and(|value| self.values.contains(value))
            }
            Operator::NotIn | Operator::NotEquals => {
                value.is_none_or(|value| !self.values.contains(value))
            }
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan => both(value).is_some_and(|(value, bound)| value > bound),
            Operator::LessThan => both(value).is_some_and(|(value, bound)| value < bound),
        }
    }

    fn check(self) -> Result<Self, LabelError> {
        let invalid = |path: String, value: &str, detail: String| LabelError::Invalid {
            path,
            value: value.to_owned(),
            detail,
        };
        if matches!(self.operator, Operator::In | Operator::NotIn) && self.values.is_empty() {
            let detail = "for 'in', 'notin' operators, values set can't be empty".to_owned();
            return Err(invalid("values".to_owned(), "", detail));
        }
        for (at, value) in self.values.iter().enumerate() {
            let ordered = matches!(self.operator, Operator::GreaterThan | Operator::LessThan);
            if ordered && value.parse::<i64>().is_err() {
                let detail = "for 'Gt', 'Lt' operators, the value must be an integer".to_owned();
                return Err(invalid(format!("values[{at}]"), value, detail));
            }
            let errors = label_value_errors(value);
            if !errors.is_empty() {
                let path = format!("values[{at}][{}]", self.key);
                return Err(invalid(path, value, errors.join("; ")));
            }
        }
        Ok(self)
    }
}

impl LabelSelector {
    /// Reads a selector.
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        if text.len() > MAX_SELECTOR_BYTES {
            return Err(LabelError::TooLong { limit_bytes: MAX_SELECTOR_BYTES });
        }
        let mut parser = Parser { tokens: tokens(text), at: 0 };
        let mut requirements = Vec::new();
        loop {
            match parser.peek() {
                Token::End => return Ok(Self { requirements }),
                Token::Word(_) | Token::Symbol("!") => {}
                other => {
                    return Err(other.unexpected("!, identifier, or 'end of string'"));
                }
            }
            requirements.push(parser.requirement()?.check()?);
            match parser.next() {
                Token::End => return Ok(Self { requirements }),
                Token::Symbol(",") => match parser.peek() {
                    Token::Word(_) | Token::Symbol("!") => {}
                    other => return Err(other.unexpected("identifier after ','")),
                },
                other => return Err(other.unexpected("',' or 'end of string'")),
            }
        }
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether it selects an object with these labels.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| requirement.matches(label(&requirement.key)))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.values.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        let key = &self.key;
        match self.operator {
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::Exists => write!(f, "{key}"),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, requirement) in self.requirements.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{requirement}")?;
        }
        Ok(())
    }
}

/// A piece of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Symbol(&'static str),
    End,
}

impl Token<'_> {
    fn text(&self) -> String {
        match self {
            Self::Word(text) => (*text).to_owned(),
            Self::Symbol(text) => (*text).to_owned(),
            Self::End => String::new(),
        }
    }

    fn unexpected(&self, expected: &'static str) -> LabelError {
        LabelError::Unexpected { found: self.text(), expected }
    }

    fn inside(&self, expected: &'static str) -> LabelError {
        LabelError::InRequirement { found: self.text(), expected }
    }
}

/// The longer ones first.
const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];

fn is_symbol(byte: u8) -> bool {
    matches!(byte, b'=' | b'!' | b'(' | b')' | b',' | b'>' | b'<')
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let blank = |char: char| matches!(char, ' ' | '\t' | '\r' | '\n');
    let mut tokens = Vec::new();
    // A zero byte ends the text, as in the original.
    let mut rest = text.split('\0').next().unwrap_or_default();
    loop {
        rest = rest.trim_start_matches(blank);
        if rest.is_empty() {
            return tokens;
        }
        let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol));
        let (token, length) = symbol.map_or_else(
            || {
                let end = |byte: u8| is_symbol(byte) || blank(char::from(byte));
                let length = rest.bytes().position(end).unwrap_or(rest.len());
                (Token::Word(&rest[..length]), length)
            },
            |symbol| (Token::Symbol(symbol), symbol.len()),
        );
        tokens.push(token);
        rest = &rest[length..];
    }
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Token<'a> {
        self.tokens.get(self.at).cloned().unwrap_or(Token::End)
    }

    fn next(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, LabelError> {
        let denied = self.peek() == Token::Symbol("!");
        if denied {
            self.next();
        }
        let key = match self.next() {
            Token::Word(key) => key.to_owned(),
            other => return Err(other.inside("identifier")),
        };
        let errors = label_key_errors(&key);
        if !errors.is_empty() {
            let (path, value) = ("key".to_owned(), key);
            return Err(LabelError::Invalid { path, value, detail: errors.join("; ") });
        }
        let ends = matches!(self.peek(), Token::End | Token::Symbol(","));
        if denied || ends {
            let operator = if denied { Operator::DoesNotExist } else { Operator::Exists };
            return Ok(Requirement { key, operator, values: BTreeSet::new() });
        }
        let operator = match self.next() {
            Token::Word("in") => Operator::In,
            Token::Word("notin") => Operator::NotIn,
            Token::Symbol("=") => Operator::Equals,
            Token::Symbol("==") => Operator::DoubleEquals,
            Token::Symbol("!=") => Operator::NotEquals,
            Token::Symbol(">") => Operator::GreaterThan,
            Token::Symbol("<") => Operator::LessThan,
            other => return Err(other.inside("in, notin, =, ==, !=, gt, lt")),
        };
        let values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => BTreeSet::from([self.exact_value()?]),
        };
        Ok(Requirement { key, operator, values })
    }

    fn exact_value(&mut self) -> Result<String, LabelError> {
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            return Ok(String::new());
        }
        match self.next() {
            Token::Word(value) => Ok(value.to_owned()),
            other => Err(other.inside("identifier")),
        }
    }

    /// `(a, b)`; nothing between commas is the empty value.
    fn values(&mut self) -> Result<BTreeSet<String>, LabelError> {
        match self.next() {
            Token::Symbol("(") => {}
            other => return Err(other.inside("'('")),
        }
        let mut values = BTreeSet::new();
        match self.peek() {
            Token::Word(_) | Token::Symbol(",") => {}
            Token::Symbol(")") => {
                self.next();
                return Ok(values);
            }
            other => return Err(other.inside("',', ')' or identifier")),
        }
        loop {
            match self.peek() {
                Token::Word(value) => {
                    self.next();
                    values.insert(value.to_owned());
                }
                Token::Symbol("," | ")") => drop(values.insert(String::new())),
                other => return Err(other.inside("',', or identifier")),
            }
            match self.next() {
                Token::Symbol(",") => {}
                Token::Symbol(")") => return Ok(values),
                other => return Err(other.inside("',' or ')'")),
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! A value with its place in the object, and the list of what is wrong with it.
//!
//! Validation walks objects by [`At`]: it knows its path without having written it, so that a valid
//! object costs no text. What is not there, `null` and the zero value are alike, as they are in
//! Kubernetes' own types; [`At::is_set`] tells a pointer from its absence.

use crate::status::{Cause, CauseKind};
use serde_json::Value;
use std::fmt;

static NOTHING: Value = Value::Null;

/// A value in an object. `'v` is the object, `'p` the chain of paths on the stack.
#[derive(Debug, Clone, Copy)]
pub struct At<'v, 'p> {
    /// The value; null if it is not there.
    pub value: &'v Value,
    path: Path<'p>,
}

#[derive(Debug, Clone, Copy)]
struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    segment: Segment<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Segment<'p> {
    Root,
    Field(&'p str),
    Index(usize),
    Key(&'p str),
}

impl Path<'_> {
    /// Writes it; whether there was anything to write.
    fn write(&self, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
        let begun = match self.parent {
            Some(parent) => parent.write(f)?,
            None => false,
        };
        match self.segment {
            Segment::Root | Segment::Field("") => return Ok(begun),
            Segment::Field(name) if begun => write!(f, ".{name}")?,
            Segment::Field(name) => f.write_str(name)?,
            Segment::Index(at) => write!(f, "[{at}]")?,
            Segment::Key(key) => write!(f, "[{key}]")?,
        }
        Ok(true)
    }
}

impl fmt::Display for At<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.write(f).map(drop)
    }
}

impl<'v, 'p> At<'v, 'p> {
    /// A whole object.
    pub fn root(value: &'v Value) -> Self {
        Self { value, path: Path { parent: None, segment: Segment::Root } }
    }

    /// A field; `a.b` goes deeper at once.
    pub fn get<'a>(&'a self, name: &'a str) -> At<'v, 'a> {
        let value =
            name.split('.').try_fold(self.value, |value, name| value.get(name)).unwrap_or(&NOTHING);
        At { value, path: Path { parent: Some(&self.path), segment: Segment::Field(name) } }
    }

    /// The same value under a path that the real server gives it though it is elsewhere.
    pub fn called<'a>(&'a self, name: &'a str, value: &'v Value) -> At<'v, 'a> {
        At { value, path: Path { parent: Some(&self.path), segment: Segment::Field(name) } }
    }

    /// Another value at this very place.
    pub fn called_as<'a>(&'a self, value: &'v Value) -> At<'v, 'a> {
        self.called("", value)
    }

    /// A value of a map.
    pub fn key<'a>(&'a self, key: &'a str) -> At<'v, 'a> {
        let value = self.value.get(key).unwrap_or(&NOTHING);
        At { value, path: Path { parent: Some(&self.path), segment: Segment::Key(key) } }
    }

    /// An item.
    pub fn index(&self, at: usize) -> At<'v, '_> {
        let value = self.value.get(at).unwrap_or(&NOTHING);
        At { value, path: Path { parent: Some(&self.path), segment: Segment::Index(at) } }
    }

    /// Items of a list; none if it is none.
    pub fn items(&self) -> impl Iterator<Item = At<'v, '_>> {
        let items = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().enumerate().map(|(at, value)| At {
            value,
            path: Path { parent: Some(&self.path), segment: Segment::Index(at) },
        })
    }

    /// Values of a map with their keys.
    pub fn entries(&self) -> impl Iterator<Item = (&'v str, At<'v, '_>)> {
        self.value.as_object().into_iter().flatten().map(|(key, value)| {
            let segment = Segment::Key(key);
            (key.as_str(), At { value, path: Path { parent: Some(&self.path), segment } })
        })
    }

    /// Texts of a list.
    pub fn strings(&self) -> impl Iterator<Item = &'v str> {
        let items = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str)
    }

    /// Whether it is there.
    pub fn is_set(&self) -> bool {
        !self.value.is_null()
    }

    /// Whether it is not there or its type's zero.
    pub fn is_empty(&self) -> bool {
        match self.value {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => text.is_empty(),
            Value::Number(number) => number.as_i64() == Some(0),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            Value::Bool(true) => false,
        }
    }

    /// Text; empty if it is none.
    pub fn str(&self) -> &'v str {
        self.value.as_str().unwrap_or_default()
    }

    /// A field's text.
    pub fn text(&self, name: &str) -> &'v str {
        self.get(name).str()
    }

    /// A number; 0 if it is none.
    pub fn int(&self) -> i64 {
        self.opt_int().unwrap_or(0)
    }

    /// A number, if there is one.
    pub fn opt_int(&self) -> Option<i64> {
        self.value.as_i64()
    }

    /// Whether it is true.
    pub fn bool(&self) -> bool {
        self.value.as_bool().unwrap_or(false)
    }

    /// Whether it is a list or a map with something in it.
    pub fn has_items(&self) -> bool {
        matches!(self.value, Value::Array(_) | Value::Object(_)) && !self.is_empty()
    }

    /// Items or keys.
    pub fn len(&self) -> usize {
        match self.value {
            Value::Array(items) => items.len(),
            Value::Object(fields) => fields.len(),
            _ => 0,
        }
    }
}

/// What is wrong with an object.
#[derive(Debug, Default)]
pub struct Report {
    causes: Vec<Cause>,
}

impl Report {
    /// All of it, each thing once.
    pub fn into_causes(self) -> Vec<Cause> {
        let mut causes: Vec<Cause> = Vec::with_capacity(self.causes.len());
        for cause in self.causes {
            if !causes.contains(&cause) {
                causes.push(cause);
            }
        }
        causes
    }

    /// How much so far.
    pub fn count(&self) -> usize {
        self.causes.len()
    }

    /// A finished cause.
    pub fn add(&mut self, cause: Cause) {
        self.causes.push(cause);
    }

    /// `Invalid value`, with the value that is there (a text that is not is empty).
    pub fn invalid(&mut self, at: &At, why: impl fmt::Display) {
        if at.value.is_null() {
            return self.invalid_as(at, "", why);
        }
        self.add(Cause::invalid(at.to_string(), at.value, why));
    }

    /// `Invalid value`, with another value.
    pub fn invalid_as(&mut self, at: &At, value: impl Into<Value>, why: impl fmt::Display) {
        self.add(Cause::invalid(at.to_string(), &value.into(), why));
    }

    /// `Invalid value` for each.
    pub fn each(&mut self, at: &At, whys: Vec<String>) {
        for why in whys {
            self.invalid(at, why);
        }
    }

    /// `Required value`.
    pub fn required(&mut self, at: &At, why: &str) {
        self.add(Cause::required(at.to_string(), why));
    }

    /// `Forbidden`.
    pub fn forbidden(&mut self, at: &At, why: &str) {
        self.add(Cause::forbidden(at.to_string(), why));
    }

    /// `Duplicate value`.
    pub fn duplicate(&mut self, at: &At) {
        self.add(Cause::duplicate(at.to_string(), at.value));
    }

    /// `Duplicate value`, with another value.
    pub fn duplicate_as(&mut self, at: &At, value: impl Into<Value>) {
        self.add(Cause::duplicate(at.to_string(), &value.into()));
    }

    /// `Not found`.
    pub fn not_found(&mut self, at: &At) {
        let value = if at.value.is_null() { Value::from("") } else { at.value.clone() };
        self.add(Cause::not_found(at.to_string(), &value));
    }

    /// `Unsupported value`.
    pub fn unsupported(&mut self, at: &At, supported: &[&str]) {
        let value = if at.value.is_null() { Value::from("") } else { at.value.clone() };
        self.add(Cause::unsupported(at.to_string(), &value, supported));
    }

    /// `Too long`.
    pub fn too_long(&mut self, at: &At, limit_bytes: usize) {
        self.add(Cause::too_long(at.to_string(), limit_bytes));
    }

    /// `Too many`.
    pub fn too_many(&mut self, at: &At, limit: usize) {
        self.add(Cause::too_many(at.to_string(), at.len(), limit));
    }

    /// `Internal error`.
    pub fn internal(&mut self, at: &At, why: impl fmt::Display) {
        let message = format!("Internal error: {why}");
        self.add(Cause { reason: CauseKind::InternalError, message, field: at.to_string() });
    }

    /// One of these words, or what is wrong; nothing is also wrong.
    pub fn one_of(&mut self, at: &At, words: &[&str]) {
        match at.str() {
            "" => self.required(at, ""),
            word if words.contains(&word) => {}
            _ => self.unsupported(at, words),
        }
    }

    /// One of these words; nothing is right.
    pub fn maybe_one_of(&mut self, at: &At, words: &[&str]) {
        if at.is_set() && !words.contains(&at.str()) {
            self.unsupported(at, words);
        }
    }

    /// A number of at least 0.
    pub fn non_negative(&mut self, at: &At) {
        if at.int() < 0 {
            self.invalid(at, "must be greater than or equal to 0");
        }
    }

    /// A number in a range.
    pub fn between(&mut self, at: &At, low: i64, high: i64) {
        if !(low..=high).contains(&at.int()) {
            self.invalid_as(at, at.int(), format!("must be between {low} and {high}, inclusive"));
        }
    }

    /// The same as before.
    pub fn immutable(&mut self, new: &At, old: &At) {
        if !super::equal::same(new.value, old.value) {
            self.add(Cause::invalid(new.to_string(), new.value, "field is immutable"));
        }
    }
}

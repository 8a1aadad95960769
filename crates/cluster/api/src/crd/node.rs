//! A structural schema, read once: what `spec.versions[*].schema.openAPIV3Schema` says of one value.
//!
//! Patterns and rules are compiled here. What cannot be read (which the check of the definition would
//! have refused) is as if it were not said.

use super::rule::Rule;
use regex::Regex;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Levels of a schema; more are read as "anything".
pub const MAX_LEVELS: usize = 64;

/// What a value may be.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// `object`, `array`, `string`, `integer`, `number`, `boolean`; empty for any.
    pub kind: String,
    /// `format`.
    pub format: String,
    /// Whether null may stand for it.
    pub nullable: bool,
    /// What it is when it is not there.
    pub default: Option<Value>,
    /// Fields.
    pub properties: BTreeMap<String, Node>,
    /// What values under other names are; none forbids them (they are pruned).
    pub additional: Option<Box<Node>>,
    /// What items are.
    pub items: Option<Box<Node>>,
    /// Limits.
    pub limits: Limits,
    /// Values it has to be one of.
    pub options: Option<Vec<Value>>,
    /// Fields that have to be there.
    pub required: Vec<String>,
    /// All of them have to hold.
    pub all_of: Vec<Node>,
    /// At least one.
    pub any_of: Vec<Node>,
    /// Exactly one.
    pub one_of: Vec<Node>,
    /// This one must not.
    pub not: Option<Box<Node>>,
    /// `x-kubernetes-preserve-unknown-fields`.
    pub preserve_unknown: bool,
    /// `x-kubernetes-embedded-resource`.
    pub embedded: bool,
    /// `x-kubernetes-int-or-string`.
    pub int_or_string: bool,
    /// `x-kubernetes-list-type`.
    pub list_type: String,
    /// `x-kubernetes-list-map-keys`.
    pub list_keys: Vec<String>,
    /// `x-kubernetes-map-type: atomic`.
    pub atomic_map: bool,
    /// `x-kubernetes-validations`.
    pub rules: Vec<Rule>,
}

/// Numbers that a value is held against.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Smallest number; whether it is excluded.
    pub minimum: Option<(f64, bool)>,
    /// Largest number; whether it is excluded.
    pub maximum: Option<(f64, bool)>,
    /// What it is a multiple of.
    pub multiple_of: Option<f64>,
    /// Characters of a text.
    pub min_length: Option<u64>,
    /// Likewise.
    pub max_length: Option<u64>,
    /// Items of a list.
    pub min_items: Option<u64>,
    /// Likewise.
    pub max_items: Option<u64>,
    /// Fields of an object.
    pub min_properties: Option<u64>,
    /// Likewise.
    pub max_properties: Option<u64>,
    /// What a text looks like, as written and compiled.
    pub pattern: Option<(String, Regex)>,
}

impl Node {
    /// Reads a schema.
    pub fn read(schema: &Value) -> Self {
        Self::read_level(schema, 0)
    }

    fn read_level(schema: &Value, level: usize) -> Self {
        let Value::Object(fields) = schema else {
            return Self { preserve_unknown: true, ..Self::default() };
        };
        if level > MAX_LEVELS {
            return Self { preserve_unknown: true, ..Self::default() };
        }
        let text =
            |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let flag = |name: &str| fields.get(name).and_then(Value::as_bool).unwrap_or(false);
        let below = |schema: &Value| Self::read_level(schema, level + 1);
        let boxed =
            |name: &str| fields.get(name).filter(|it| it.is_object()).map(|it| Box::new(below(it)));
        let list = |name: &str| array(fields, name).iter().map(below).collect();
        let texts = |name: &str| -> Vec<String> {
            array(fields, name).iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let properties = fields.get("properties").and_then(Value::as_object).into_iter().flatten();
        let additional = match fields.get("additionalProperties") {
            Some(Value::Bool(true)) => {
                Some(Box::new(Self { preserve_unknown: true, ..Self::default() }))
            }
            Some(schema @ Value::Object(_)) => Some(Box::new(below(schema))),
            _ => None,
        };
        let mut node = Self {
            kind: text("type"),
            format: text("format"),
            nullable: flag("nullable"),
            default: fields.get("default").filter(|it| !it.is_null()).cloned(),
            properties: properties.map(|(name, it)| (name.clone(), below(it))).collect(),
            additional,
            items: boxed("items"),
            limits: Limits::read(fields),
            options: fields.get("enum").and_then(Value::as_array).cloned(),
            required: texts("required"),
            all_of: list("allOf"),
            any_of: list("anyOf"),
            one_of: list("oneOf"),
            not: boxed("not"),
            preserve_unknown: flag("x-kubernetes-preserve-unknown-fields"),
            embedded: flag("x-kubernetes-embedded-resource"),
            int_or_string: flag("x-kubernetes-int-or-string"),
            list_type: text("x-kubernetes-list-type"),
            list_keys: texts("x-kubernetes-list-map-keys"),
            atomic_map: text("x-kubernetes-map-type") == "atomic",
            rules: Vec::new(),
        };
        node.rules = array(fields, "x-kubernetes-validations").iter().map(Rule::read).collect();
        node
    }

    /// The schema of a field or of a value under some name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or(self.additional.as_deref())
    }
}

impl Limits {
    fn read(fields: &Map<String, Value>) -> Self {
        let number = |name: &str| fields.get(name).and_then(Value::as_f64);
        let count = |name: &str| fields.get(name).and_then(Value::as_u64);
        let flag = |name: &str| fields.get(name).and_then(Value::as_bool).unwrap_or(false);
        let pattern = fields
            .get("pattern")
            .and_then(Value::as_str)
            .and_then(|text| Some((text.to_owned(), compile_pattern(text).ok()?)));
        Self {
            minimum: number("minimum").map(|it| (it, flag("exclusiveMinimum"))),
            maximum: number("maximum").map(|it| (it, flag("exclusiveMaximum"))),
            multiple_of: number("multipleOf"),
            min_length: count("minLength"),
            max_length: count("maxLength"),
            min_items: count("minItems"),
            max_items: count("maxItems"),
            min_properties: count("minProperties"),
            max_properties: count("maxProperties"),
            pattern,
        }
    }
}

/// Bytes that a compiled pattern may take.
const PATTERN_BYTES: usize = 1 << 20;

/// Compiles a pattern. RE2's and this engine's dialect are the same but for names of some classes.
pub fn compile_pattern(text: &str) -> Result<Regex, regex::Error> {
    regex::RegexBuilder::new(text).size_limit(PATTERN_BYTES).build()
}

fn array<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    fields.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

//! The JSONPath of printer columns, scales and selectable fields: `.spec.x`, `['a.b']`, `[0]`, `[*]`,
//! `[?(@.type=="Ready")]`.

use serde_json::Value;

/// Bytes of a path.
const MAX_BYTES: usize = 2 << 10;

/// A path.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    Index(i64),
    All,
    /// Items of which a field is (or is not) a value.
    Where {
        field: Vec<String>,
        equal: bool,
        value: Value,
    },
}

impl JsonPath {
    /// Reads one; nothing if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let mut rest = text.trim();
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let step;
            (step, rest) = match rest.as_bytes() {
                [b'.', b'[', ..] => bracket(&rest[1..])?,
                [b'.', ..] => {
                    let name = &rest[1..];
                    let end = name.find(['.', '[']).unwrap_or(name.len());
                    let (name, rest) = name.split_at(end);
                    match name {
                        "" => return None,
                        "*" => (Step::All, rest),
                        name => (Step::Field(name.replace('\\', "")), rest),
                    }
                }
                [b'[', ..] => bracket(rest)?,
                _ => return None,
            };
            steps.push(step);
        }
        Some(Self(steps))
    }

    /// What it leads to.
    pub fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![value];
        for step in &self.0 {
            found = found.into_iter().flat_map(|value| step.take(value)).collect();
        }
        found
    }

    /// Its fields, if it has only such.
    pub fn fields(&self) -> Option<Vec<&str>> {
        let mut names = Vec::with_capacity(self.0.len());
        for step in &self.0 {
            let Step::Field(name) = step else { return None };
            names.push(name.as_str());
        }
        Some(names)
    }
}

impl Step {
    fn take<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match (self, value) {
            (Self::Field(name), Value::Object(fields)) => fields.get(name).into_iter().collect(),
            (Self::All, Value::Object(fields)) => fields.values().collect(),
            (Self::All, Value::Array(items)) => items.iter().collect(),
            (Self::Index(at), Value::Array(items)) => {
                let at = if *at < 0 { at + items.len() as i64 } else { *at };
                usize::try_from(at).ok().and_then(|at| items.get(at)).into_iter().collect()
            }
            (Self::Where { field, equal, value }, Value::Array(items)) => {
                let field: Vec<&str> = field.iter().map(String::as_str).collect();
                let fits = |item: &&Value| {
                    crate::object::at(item, &field).is_some_and(|it| (it == value) == *equal)
                };
                items.iter().filter(fits).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// What stands between brackets, and the rest.
fn bracket(text: &str) -> Option<(Step, &str)> {
    let inner = text.strip_prefix('[')?;
    if let Some(quote) = inner.chars().next().filter(|letter| matches!(letter, '\'' | '"')) {
        let (name, rest) = inner[1..].split_once(quote)?;
        return Some((Step::Field(name.to_owned()), rest.strip_prefix(']')?));
    }
    if let Some(filter) = inner.strip_prefix("?(@.") {
        let (condition, rest) = filter.split_once(")]")?;
        let (field, equal, value) = match condition.split_once("==") {
            Some((field, value)) => (field, true, value),
            None => condition.split_once("!=").map(|(field, value)| (field, false, value))?,
        };
        let value = value.trim();
        let text = value.strip_prefix('\'').and_then(|it| it.strip_suffix('\''));
        let value = match text {
            Some(text) => text.into(),
            None => serde_json::from_str(value).ok()?,
        };
        let field = field.trim().split('.').map(str::to_owned).collect();
        return Some((Step::Where { field, equal, value }, rest));
    }
    let (index, rest) = inner.split_once(']')?;
    match index {
        "*" => Some((Step::All, rest)),
        index => Some((Step::Index(index.parse().ok()?), rest)),
    }
}

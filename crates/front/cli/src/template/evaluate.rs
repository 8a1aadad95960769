//! Walks the tree over the data.

use super::functions::{self, Call};
use super::syntax::{Base, Command, Node, Operand, Pipe};
use super::{Mode, TemplateError, error_at, number};
use serde_json::Value;
use std::collections::BTreeMap;

/// Most output of one template, in bytes.
const OUTPUT_LIMIT_BYTES: usize = 64 << 20;

/// A value, or the absence of one: a key that the object lacks. Absent is false in a condition and
/// `null` as an argument; printing it, or looking into it, is an error.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    Value(Value),
    Absent(String, Option<String>),
}

impl Found {
    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Value(value) => value,
            Self::Absent(..) => Value::Null,
        }
    }
}

pub(super) fn render(
    source: &str,
    nodes: &[Node],
    data: &Value,
    labels: Option<&BTreeMap<String, String>>,
    mode: Mode,
) -> Result<String, TemplateError> {
    let mut walker = Walker {
        source,
        labels,
        mode,
        variables: vec![(String::new(), Found::Value(data.clone()))],
        out: String::new(),
    };
    walker.nodes(nodes, data)?;
    Ok(walker.out)
}

/// What a list of nodes asks of the loop around it.
#[derive(PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Walker<'a> {
    source: &'a str,
    labels: Option<&'a BTreeMap<String, String>>,
    mode: Mode,
    variables: Vec<(String, Found)>,
    out: String,
}

impl Walker<'_> {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, TemplateError> {
        let scope = self.variables.len();
        let mut flow = Flow::On;
        for node in nodes {
            flow = self.node(node, dot)?;
            if flow != Flow::On {
                break;
            }
        }
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow, TemplateError> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Print(pipe) => {
                let found = self.pipe(pipe, dot)?;
                if pipe.variables.is_empty() {
                    match found {
                        Found::Value(value) => self.out.push_str(&functions::print(&value)),
                        Found::Absent(key, near) => return Err(self.no_entry(pipe.at, &key, near)),
                    }
                }
            }
            Node::If { condition, then, otherwise } => {
                let scope = self.variables.len();
                let truth = functions::truth(&self.pipe(condition, dot)?.into_value());
                let flow = self.nodes(if truth { then } else { otherwise }, dot);
                self.variables.truncate(scope);
                return flow;
            }
            Node::With { value, then, otherwise } => {
                let scope = self.variables.len();
                let value = self.pipe(value, dot)?.into_value();
                let flow = if functions::truth(&value) {
                    self.nodes(then, &value)
                } else {
                    self.nodes(otherwise, dot)
                };
                self.variables.truncate(scope);
                return flow;
            }
            Node::Range { over, body, otherwise } => return self.range(over, body, otherwise, dot),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        if self.out.len() > OUTPUT_LIMIT_BYTES {
            return Err(error_at(self.source, 0, "the output is longer than 64 MiB"));
        }
        Ok(Flow::On)
    }

    fn range(
        &mut self,
        over: &Pipe,
        body: &[Node],
        otherwise: &[Node],
        dot: &Value,
    ) -> Result<Flow, TemplateError> {
        let (value, _) = self.commands(over, dot)?;
        let items = match value.into_value() {
            Value::Array(items) => {
                let keyed = items.into_iter().enumerate();
                keyed.map(|(index, item)| (Value::from(index), item)).collect()
            }
            Value::Object(map) => {
                let mut items: Vec<(String, Value)> = map.into_iter().collect();
                items.sort_by(|a, b| a.0.cmp(&b.0));
                items.into_iter().map(|(key, item)| (Value::String(key), item)).collect()
            }
            Value::Null => Vec::new(),
            Value::String(text) if self.mode == Mode::Header => {
                vec![(Value::from(0), Value::String(text))]
            }
            Value::Number(count) if count.as_u64().is_some_and(|count| count <= 1 << 20) => {
                (0..count.as_u64().unwrap_or(0)).map(|i| (Value::from(i), Value::from(i))).collect()
            }
            other => {
                let message = format!("range can't iterate over {}", functions::print(&other));
                return Err(error_at(self.source, over.at, message));
            }
        };
        if items.is_empty() {
            return self.nodes(otherwise, dot);
        }
        for (key, item) in items {
            let scope = self.variables.len();
            match over.variables.as_slice() {
                [name] => self.variables.push((name.clone(), Found::Value(item.clone()))),
                [index, name] => {
                    self.variables.push((index.clone(), Found::Value(key)));
                    self.variables.push((name.clone(), Found::Value(item.clone())));
                }
                _ => {}
            }
            let flow = self.nodes(body, &item)?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Value) -> Result<Found, TemplateError> {
        let (found, _) = self.commands(pipe, dot)?;
        for name in &pipe.variables {
            let known = self.variables.iter_mut().rev().find(|(known, _)| known == name);
            match known {
                Some((_, slot)) if pipe.assigns => *slot = found.clone(),
                _ => self.variables.push((name.clone(), found.clone())),
            }
        }
        Ok(found)
    }

    fn commands(&mut self, pipe: &Pipe, dot: &Value) -> Result<(Found, usize), TemplateError> {
        let mut piped: Option<Found> = None;
        for command in &pipe.commands {
            piped = Some(self.command(command, dot, piped)?);
        }
        Ok((piped.unwrap_or(Found::Value(Value::Null)), pipe.at))
    }

    fn command(
        &mut self,
        command: &Command,
        dot: &Value,
        piped: Option<Found>,
    ) -> Result<Found, TemplateError> {
        let (Some(first), rest) = (command.operands.first(), &command.operands[1..]) else {
            return Ok(Found::Value(Value::Null));
        };
        let Base::Function(name) = &first.base else {
            return self.method(first, rest, dot, piped);
        };
        // `and` and `or` stop at the first operand that decides.
        if matches!(name.as_str(), "and" | "or") {
            let mut last = Found::Value(Value::Null);
            for operand in rest {
                last = self.operand(operand, dot)?;
                if functions::truth(&last.clone().into_value()) == (name == "or") {
                    return Ok(last);
                }
            }
            return Ok(piped.unwrap_or(last));
        }
        let mut arguments = Vec::with_capacity(rest.len() + 1);
        for operand in rest {
            arguments.push(self.operand(operand, dot)?.into_value());
        }
        arguments.extend(piped.map(Found::into_value));
        let value = functions::call(Call { name, arguments: &arguments, mode: self.mode });
        let value = value.map_err(|message| {
            error_at(self.source, first.at, format!("error calling {name}: {message}"))
        })?;
        self.fields(first, Found::Value(value))
    }

    /// A first word that is no function: a value, or the row's `.Label "key"`.
    fn method(
        &mut self,
        first: &Operand,
        rest: &[Operand],
        dot: &Value,
        piped: Option<Found>,
    ) -> Result<Found, TemplateError> {
        if rest.is_empty() && piped.is_none() {
            return self.operand(first, dot);
        }
        if first.fields == ["Label"] && rest.len() == 1 {
            let key = functions::print(&self.operand(&rest[0], dot)?.into_value());
            if self.mode == Mode::Header {
                let last = key.rsplit('.').next().unwrap_or(&key);
                return Ok(Found::Value(Value::String(last.replace(['-', '_'], " "))));
            }
            let label = self.labels.and_then(|labels| labels.get(&key));
            return Ok(Found::Value(Value::String(label.cloned().unwrap_or_default())));
        }
        let what = first.fields.last().map_or("a value", String::as_str);
        Err(error_at(self.source, first.at, format!("can't give argument to non-function {what}")))
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Found, TemplateError> {
        let base = match &operand.base {
            Base::Dot => return self.fields_of(operand, dot),
            Base::Nil => Value::Null,
            Base::Boolean(value) => Value::Bool(*value),
            Base::Integer(value) => Value::from(*value),
            Base::Float(value) => number::float(*value),
            Base::Text(text) => Value::String(text.clone()),
            Base::Variable(name) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                let found = known.map(|(_, found)| found.clone());
                return self.fields(operand, found.unwrap_or(Found::Value(Value::Null)));
            }
            Base::Function(name) => {
                let call = Call { name, arguments: &[], mode: self.mode };
                functions::call(call).map_err(|message| {
                    error_at(self.source, operand.at, format!("error calling {name}: {message}"))
                })?
            }
            Base::Pipe(pipe) => {
                let (found, _) = self.commands(pipe, dot)?;
                return self.fields(operand, found);
            }
        };
        self.fields(operand, Found::Value(base))
    }

    fn fields(&self, operand: &Operand, found: Found) -> Result<Found, TemplateError> {
        match found {
            Found::Value(value) => self.fields_of(operand, &value),
            Found::Absent(key, near) if operand.fields.is_empty() => Ok(Found::Absent(key, near)),
            Found::Absent(key, near) => Err(self.no_entry(operand.at, &key, near)),
        }
    }

    fn fields_of(&self, operand: &Operand, value: &Value) -> Result<Found, TemplateError> {
        let mut value = value;
        for (depth, field) in operand.fields.iter().enumerate() {
            let next = match value {
                Value::Object(map) => map.get(field).or_else(|| {
                    let mut entries = map.iter();
                    entries.find(|(key, _)| key.eq_ignore_ascii_case(field)).map(|(_, v)| v)
                }),
                // Go's nil maps and pointers.
                Value::Null => None,
                _ => {
                    let message =
                        format!("can't evaluate field {field} in {}", functions::kind_of(value));
                    return Err(error_at(self.source, operand.at, message));
                }
            };
            match next {
                Some(next) => value = next,
                None => {
                    let near = near(value, field);
                    if depth + 1 == operand.fields.len() {
                        return Ok(Found::Absent(field.clone(), near));
                    }
                    return Err(self.no_entry(operand.at, field, near));
                }
            }
        }
        Ok(Found::Value(value.clone()))
    }

    fn no_entry(&self, at: usize, key: &str, near: Option<String>) -> TemplateError {
        let mut message = format!("map has no entry for key {key:?}");
        if let Some(near) = near {
            message.push_str(&format!(" (did you mean .{near}?)"));
        }
        error_at(self.source, at, message)
    }
}

/// A key of the object that looks like the one it lacks.
fn near(value: &Value, key: &str) -> Option<String> {
    let Value::Object(map) = value else { return None };
    crate::flags::suggest::nearest(key, map.keys().map(String::as_str)).map(str::to_owned)
}

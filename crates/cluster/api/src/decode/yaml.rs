//! YAML, as Kubernetes' clients write it: the first document, aliases written out within a budget,
//! `<<` merged.

use super::{DecodeError, Decoded, MAX_BYTES, MAX_DEPTH, scalar};
use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Bytes that a document may have once its aliases are written out.
const MAX_EXPANDED_BYTES: usize = 4 * MAX_BYTES;

/// Reads the first document.
pub fn yaml(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    if bytes.len() > MAX_BYTES {
        return Err(DecodeError::TooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| DecodeError::Yaml {
        line: bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1,
        reason: "invalid UTF-8".to_owned(),
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
        expanded_bytes: 0,
        duplicates: Vec::new(),
    };
    let mut decoded = Decoded::default();
    while let Some((event, line)) = reader.next()? {
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd | Event::DocumentEnd => break,
            event => {
                decoded.value = reader.node(event, line, 0)?;
                break;
            }
        }
    }
    if !reader.duplicates.is_empty() {
        let lines: Vec<String> = reader.duplicates.iter().map(|text| format!("  {text}")).collect();
        decoded.fault(format!("yaml: unmarshal errors:\n{}", lines.join("\n")));
    }
    Ok(decoded)
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, (Value, usize)>,
    expanded_bytes: usize,
    duplicates: Vec<String>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, usize)>, DecodeError> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, span.start.line()))),
            Some(Err(error)) => Err(DecodeError::Yaml {
                line: error.marker().line(),
                reason: error.info().to_owned(),
            }),
        }
    }

    fn must_next(&mut self, line: usize) -> Result<(Event<'a>, usize), DecodeError> {
        let ends = || DecodeError::Yaml { line, reason: "the document ends early".to_owned() };
        self.next()?.ok_or_else(ends)
    }

    fn grow(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.expanded_bytes = self.expanded_bytes.saturating_add(bytes);
        if self.expanded_bytes > MAX_EXPANDED_BYTES { Err(DecodeError::Aliases) } else { Ok(()) }
    }

    fn node(&mut self, event: Event<'a>, line: usize, depth: usize) -> Result<Value, DecodeError> {
        let has_parts = !matches!(event, Event::Scalar(..) | Event::Alias(_));
        if has_parts && depth >= MAX_DEPTH {
            return Err(DecodeError::TooDeep { line });
        }
        let before = self.expanded_bytes;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.grow(text.len() + 8)?;
                let is_text = style != ScalarStyle::Plain
                    || tag.as_ref().is_some_and(|tag| tag.suffix == "str");
                (if is_text { Value::from(&*text) } else { scalar::plain(&text) }, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                self.grow(8)?;
                let mut items = Vec::new();
                loop {
                    match self.must_next(line)? {
                        (Event::SequenceEnd, _) => break,
                        (event, line) => items.push(self.node(event, line, depth + 1)?),
                    }
                }
                (Value::Array(items), anchor)
            }
            Event::MappingStart(anchor, _) => {
                self.grow(8)?;
                (Value::Object(self.mapping(line, depth)?), anchor)
            }
            Event::Alias(anchor) => {
                let unknown = || DecodeError::Yaml { line, reason: "unknown anchor".to_owned() };
                let (value, bytes) = self.anchors.get(&anchor).cloned().ok_or_else(unknown)?;
                if depth + crate::patch::depth(&value) > MAX_DEPTH {
                    return Err(DecodeError::TooDeep { line });
                }
                self.grow(bytes)?;
                return Ok(value);
            }
            other => {
                let reason = format!("unexpected {other:?}");
                return Err(DecodeError::Yaml { line, reason });
            }
        };
        if anchor > 0 {
            let bytes = self.expanded_bytes - before;
            self.grow(bytes)?;
            self.anchors.insert(anchor, (value.clone(), bytes));
        }
        Ok(value)
    }

    fn mapping(&mut self, line: usize, depth: usize) -> Result<Map<String, Value>, DecodeError> {
        let mut fields = Map::new();
        let mut merged: Vec<(Value, usize)> = Vec::new();
        loop {
            let (event, line) = match self.must_next(line)? {
                (Event::MappingEnd, _) => break,
                other => other,
            };
            let is_merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, _) if text == "<<");
            let name = key(self.node(event, line, depth + 1)?, line)?;
            let (event, at) = self.must_next(line)?;
            let value = self.node(event, at, depth + 1)?;
            if is_merge {
                merged.push((value, line));
                continue;
            }
            if fields.contains_key(&name) && self.duplicates.len() < super::MAX_FAULTS {
                self.duplicates.push(format!("line {line}: key {name:?} already set in map"));
            }
            fields.insert(name, value);
        }
        // What a mapping says itself wins over what is merged into it.
        for (value, line) in merged {
            let sources = match value {
                Value::Array(items) => items,
                other => vec![other],
            };
            for source in sources {
                let Value::Object(source) = source else {
                    let reason = "map merge requires map or sequence of maps as the value";
                    return Err(DecodeError::Yaml { line, reason: reason.to_owned() });
                };
                for (name, value) in source {
                    fields.entry(name).or_insert(value);
                }
            }
        }
        Ok(fields)
    }
}

fn key(value: Value, line: usize) -> Result<String, DecodeError> {
    match value {
        Value::String(text) => Ok(text),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Null => Ok("null".to_owned()),
        _ => Err(DecodeError::Yaml { line, reason: "a key has to be a scalar".to_owned() }),
    }
}

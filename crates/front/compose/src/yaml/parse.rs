//! From bytes to trees: anchors copied where they are meant, `<<` merged, duplicate keys refused.
//!
//! Bounded in bytes, depth and nodes; a copy of an anchor costs all its nodes again, so a file of
//! aliases of aliases ends with an error instead of the memory.

use super::scalar;
use crate::node::{Map, Mark, Node, Place, Value};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Largest file, in bytes.
pub const FILE_LIMIT_BYTES: usize = 8 << 20;
/// Most nodes of a file, copies of anchors included.
pub const NODES_LIMIT: usize = 200_000;
/// Deepest nesting.
pub const DEPTH_LIMIT: usize = 100;

/// Why a file is no YAML that is read here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum YamlError {
    /// The parser's word.
    #[error("yaml: {place}: {reason}")]
    Syntax {
        /// Where.
        place: Place,
        /// Why.
        reason: String,
    },
    /// Not UTF-8.
    #[error("yaml: {file}: not valid UTF-8 at byte {offset}")]
    Encoding {
        /// Which.
        file: Arc<str>,
        /// Where.
        offset: usize,
    },
    /// A key twice.
    #[error("yaml: {place}: mapping key {key:?} already defined at line {first}")]
    Duplicate {
        /// The second.
        place: Place,
        /// The key.
        key: String,
        /// Line of the first.
        first: u32,
    },
    /// A key that is no text.
    #[error("yaml: {place}: non-string key {key}: put it in quotes")]
    Key {
        /// Where.
        place: Place,
        /// As written.
        key: String,
    },
    /// Too much of something.
    #[error("yaml: {place}: more than {limit} {what}")]
    Limit {
        /// Where.
        place: Place,
        /// How many.
        limit: usize,
        /// Of what.
        what: &'static str,
    },
    /// `<<` with something else than mappings, or an alias of itself.
    #[error("yaml: {place}: {reason}")]
    Alias {
        /// Where.
        place: Place,
        /// Why.
        reason: &'static str,
    },
}

/// All documents of a file.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Vec<Node>, YamlError> {
    let file: Arc<str> = file.into();
    let start = Place { file: file.clone(), line: 0, column: 0 };
    if bytes.len() > FILE_LIMIT_BYTES {
        let what = "bytes in a file";
        return Err(YamlError::Limit { place: start, limit: FILE_LIMIT_BYTES, what });
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| YamlError::Encoding { file: file.clone(), offset: error.valid_up_to() })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader =
        Reader { events: Parser::new_from_str(text), file, anchors: HashMap::new(), nodes: 0 };
    let mut documents = Vec::new();
    while let Some((event, marker)) = reader.next()? {
        match event {
            Event::DocumentStart(_) => reader.anchors.clear(),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            event => documents.push(reader.node(event, marker, 0)?),
        }
    }
    Ok(documents)
}

struct Reader<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    file: Arc<str>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Marker)>, YamlError> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, span.start))),
            Some(Err(error)) => Err(YamlError::Syntax {
                place: self.place(*error.marker()),
                reason: error.info().to_owned(),
            }),
        }
    }

    fn place(&self, marker: Marker) -> Place {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place {
            file: self.file.clone(),
            line: number(marker.line()),
            column: number(marker.col()).saturating_add(1),
        }
    }

    fn count(&mut self, more: usize, place: &Place) -> Result<(), YamlError> {
        self.nodes += more;
        match self.nodes > NODES_LIMIT {
            true => Err(YamlError::Limit {
                place: place.clone(),
                limit: NODES_LIMIT,
                what: "nodes in a file (aliases count with all they copy)",
            }),
            false => Ok(()),
        }
    }

    fn node(&mut self, event: Event<'a>, marker: Marker, depth: usize) -> Result<Node, YamlError> {
        let at = self.place(marker);
        if depth > DEPTH_LIMIT {
            let what = "levels of nesting";
            return Err(YamlError::Limit { place: at, limit: DEPTH_LIMIT, what });
        }
        let before = self.nodes;
        self.count(1, &at)?;
        let (value, anchor, tag) = match event {
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id) else {
                    return Err(YamlError::Alias {
                        place: at,
                        reason: "an alias of something that contains it, or of nothing",
                    });
                };
                let (node, size) = (node.clone(), *size);
                self.count(size, &at)?;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                (scalar_value(&text, style, tag.as_deref()), anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => (Value::List(self.list(&at, depth)?), anchor, tag),
            Event::MappingStart(anchor, tag) => (Value::Map(self.map(&at, depth)?), anchor, tag),
            _ => {
                let reason = "unexpected end".to_owned();
                return Err(YamlError::Syntax { place: at, reason });
            }
        };
        let node = Node { value, at, mark: mark(tag) };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn end(&self, at: &Place) -> YamlError {
        YamlError::Syntax { place: at.clone(), reason: "unexpected end of the file".to_owned() }
    }

    fn list(&mut self, at: &Place, depth: usize) -> Result<Vec<Node>, YamlError> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                None => return Err(self.end(at)),
                Some((Event::SequenceEnd, _)) => return Ok(list),
                Some((event, marker)) => list.push(self.node(event, marker, depth + 1)?),
            }
        }
    }

    fn map(&mut self, at: &Place, depth: usize) -> Result<Map, YamlError> {
        let mut map = Map::new();
        let mut merged: Vec<Node> = Vec::new();
        loop {
            let (event, marker) = match self.next()? {
                None => return Err(self.end(at)),
                Some((Event::MappingEnd, _)) => break,
                Some(next) => next,
            };
            let plain_merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key_node = self.node(event, marker, depth + 1)?;
            let Some((event, marker)) = self.next()? else { return Err(self.end(at)) };
            let value = self.node(event, marker, depth + 1)?;
            if plain_merge {
                merged.push(value);
                continue;
            }
            let Value::Text(key) = key_node.value else {
                let key = key_node.scalar().unwrap_or_else(|| key_node.kind().to_owned());
                return Err(YamlError::Key { place: key_node.at, key });
            };
            if let Some(first) = map.get(&key) {
                let first = first.at.line;
                return Err(YamlError::Duplicate { place: key_node.at, key, first });
            }
            // A field is at its key: that is what a person looks for.
            map.insert(key, Node { at: key_node.at, ..value });
        }
        for source in merged {
            merge_key(&mut map, source)?;
        }
        Ok(map)
    }
}

/// `<<: *anchor` or a list of them: keys that are there win.
fn merge_key(map: &mut Map, source: Node) -> Result<(), YamlError> {
    let reason = "map merge requires map or sequence of maps as the value";
    match source.value {
        Value::Map(fields) => {
            for (key, node) in fields {
                map.entry(key).or_insert(node);
            }
            Ok(())
        }
        Value::List(list) if list.iter().all(|node| node.as_map().is_some()) => {
            list.into_iter().try_for_each(|node| merge_key(map, node))
        }
        _ => Err(YamlError::Alias { place: source.at, reason }),
    }
}

fn mark(tag: Option<Cow<'_, Tag>>) -> Mark {
    match tag.as_deref() {
        Some(tag) if tag.handle == "!" && tag.suffix == "reset" => Mark::Reset,
        Some(tag) if tag.handle == "!" && tag.suffix == "override" => Mark::Override,
        _ => Mark::None,
    }
}

fn scalar_value(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let forced = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
    match (style, forced) {
        (_, Some("str")) => Value::Text(text.to_owned()),
        (_, Some("float")) => match scalar::resolve(text) {
            #[expect(clippy::cast_precision_loss, reason = "the tag asks for it")]
            Value::Int(value) => Value::Float(value as f64),
            other => other,
        },
        (ScalarStyle::Plain, _) | (_, Some("int" | "bool" | "null")) => scalar::resolve(text),
        _ => Value::Text(text.to_owned()),
    }
}

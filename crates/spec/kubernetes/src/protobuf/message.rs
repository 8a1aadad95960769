//! Messages of the built-in types: fields by number, made of the table's lines when first needed.

use crate::schema::Scalar;
use crate::types::{self, Line, ShapeText};
use std::sync::{LazyLock, OnceLock};

/// A message.
#[derive(Debug)]
pub(super) enum Message {
    /// One with fields.
    Plain(Vec<Entry>),
    /// JSON, or an object with its envelope (`runtime.RawExtension`).
    Raw,
    /// JSON (`FieldsV1`, `apiextensions.JSON`).
    Json,
    /// A schema or a list of them.
    SchemaOrList,
    /// A schema or a truth.
    SchemaOrBool,
    /// A schema or a list of texts.
    SchemaOrTexts,
}

/// A numbered part of a message.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) number: u16,
    pub(super) part: Part,
}

/// What a number stands for.
#[derive(Debug)]
pub(super) enum Part {
    /// A field of JSON.
    Field(Field),
    /// A message that JSON leaves out: its fields stand among the outer one's.
    Inline(Vec<Entry>),
}

/// A field of JSON.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether JSON has it though it is zero.
    pub(super) keeps_zero: bool,
}

/// What a field holds.
#[derive(Debug)]
pub(super) enum Kind {
    /// A value.
    Scalar(Scalar),
    /// A message, by its type's number.
    Message(u16),
    /// Several.
    List(Box<Kind>),
    /// Several by name.
    Map(Box<Kind>),
    /// A list in a message of its own (a list that is a value of a map).
    Wrapped(Box<Kind>),
}

static MESSAGES: LazyLock<Vec<OnceLock<Message>>> =
    LazyLock::new(|| types::names().map(|_| OnceLock::new()).collect());

/// The message of a type.
pub(super) fn of(number: u16) -> Option<&'static Message> {
    Some(MESSAGES.get(usize::from(number))?.get_or_init(|| build(number)))
}

fn build(number: u16) -> Message {
    match types::flags(number) {
        "rawextension" => return Message::Raw,
        "json" | "fieldsv1" => return Message::Json,
        "jsonschemapropsorarray" => return Message::SchemaOrList,
        "jsonschemapropsorbool" => return Message::SchemaOrBool,
        "jsonschemapropsorstringarray" => return Message::SchemaOrTexts,
        _ => {}
    }
    let mut entries = Vec::new();
    for line in types::lines(number) {
        let path: Vec<u16> = line.path().collect();
        if let Some(kind) = kind(line.shape, &line) {
            let keeps_zero = line.has("pointer") || line.has("keep");
            put(&mut entries, &path, Field { name: line.name, kind, keeps_zero });
        }
    }
    sort(&mut entries);
    Message::Plain(entries)
}

fn put(entries: &mut Vec<Entry>, path: &[u16], field: Field) {
    match path {
        [] => {}
        [number] => entries.push(Entry { number: *number, part: Part::Field(field) }),
        [number, rest @ ..] => {
            let known = entries.iter_mut().find(|entry| entry.number == *number);
            if let Some(Entry { part: Part::Inline(inner), .. }) = known {
                put(inner, rest, field);
                return;
            }
            let mut inner = Vec::new();
            put(&mut inner, rest, field);
            entries.push(Entry { number: *number, part: Part::Inline(inner) });
        }
    }
}

fn sort(entries: &mut [Entry]) {
    entries.sort_by_key(|entry| entry.number);
    for entry in entries {
        if let Part::Inline(inner) = &mut entry.part {
            sort(inner);
        }
    }
}

fn kind(shape: ShapeText, line: &Line) -> Option<Kind> {
    let inner = |text| kind(ShapeText::parse(text), line).map(Box::new);
    Some(match shape {
        ShapeText::List(item) if line.has("wrapped") => Kind::Wrapped(inner(item)?),
        ShapeText::List(item) => Kind::List(inner(item)?),
        ShapeText::Map(value) => Kind::Map(inner(value)?),
        ShapeText::Type(name) => Kind::Message(types::number(name)?),
        ShapeText::Scalar(name) => Kind::Scalar(types::scalar(name)?),
    })
}

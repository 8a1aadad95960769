//! The built-in types, from a table of facts that is read only where it is asked.
//!
//! `types/table.txt` is one text of some 600 types, sorted by name; `cargo xtask kubernetes` writes it.
//! The first question finds where each type begins, and a type becomes a [`Schema`] when it is first
//! needed and stays. A server that has seen only pods has read only what pods are made of.
//!
//! Invariant: every name that the table refers to is in it (a test looks), so reading never fails; a
//! line that could not be understood would make its field [`Schema::any`].

mod build;
mod line;

use crate::schema::{Schema, Shape};
pub(crate) use build::scalar;
pub(crate) use line::{Line, Value as ShapeText};
use std::sync::{LazyLock, OnceLock};

const TABLE: &str = include_str!("types/table.txt");

struct Slot {
    name: &'static str,
    /// What its line says behind the name.
    flags: &'static str,
    /// Lines of its fields.
    body: &'static str,
    schema: OnceLock<Schema>,
}

static SLOTS: LazyLock<Vec<Slot>> = LazyLock::new(|| {
    // The first piece is the comment above.
    TABLE.split("\n= ").skip(1).map(Slot::new).collect()
});

impl Slot {
    fn new(text: &'static str) -> Self {
        let (head, body) = text.split_once('\n').unwrap_or((text, ""));
        let (name, flags) = head.split_once(' ').unwrap_or((head, ""));
        Self { name, flags, body, schema: OnceLock::new() }
    }
}

/// The type of this name, such as `io.k8s.api.apps.v1.Deployment`; cheap.
pub fn type_schema(name: &str) -> Option<Schema> {
    number(name).map(|number| Schema::of(Shape::Named(number)))
}

/// Its number in the table.
pub fn number(name: &str) -> Option<u16> {
    let at = SLOTS.binary_search_by(|slot| slot.name.cmp(name)).ok()?;
    u16::try_from(at).ok()
}

/// Every built-in type's name; its place is its number.
pub fn names() -> impl Iterator<Item = &'static str> {
    SLOTS.iter().map(|slot| slot.name)
}

/// The name of the type of this number.
pub fn name(number: u16) -> Option<&'static str> {
    SLOTS.get(usize::from(number)).map(|slot| slot.name)
}

/// What a number stands for.
pub(crate) fn schema(number: u16) -> Option<&'static Schema> {
    let slot = SLOTS.get(usize::from(number))?;
    Some(slot.schema.get_or_init(|| build::schema(slot.flags, lines_of(slot))))
}

/// What the line of a type says beside its name: `atomic`, or what it is instead of a struct.
pub(crate) fn flags(number: u16) -> &'static str {
    SLOTS.get(usize::from(number)).map_or("", |slot| slot.flags)
}

/// The lines of a type's fields, in order of names.
pub(crate) fn lines(number: u16) -> impl Iterator<Item = Line> {
    SLOTS.get(usize::from(number)).into_iter().flat_map(lines_of)
}

fn lines_of(slot: &'static Slot) -> impl Iterator<Item = Line> {
    slot.body.lines().filter_map(Line::parse)
}

#[cfg(test)]
mod tests;

//! Cases of structured-merge-diff's tables (`merge/*_test.go`), restated: a story of writes, the object
//! that comes of it, and who owns what.

mod fields;
mod lists;
mod nested;
mod real;
mod scalars;

use super::{Set, Write, apply, managed, update};
use crate::status::Status;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use teu_kubernetes::{
    Field, ListKind, ListShape, MapShape, PatchRule, Scalar, Schema, Shape, StructShape,
};

pub(super) fn scalar(kind: Scalar) -> Schema {
    Schema::of(Shape::Scalar(kind))
}

pub(super) fn text() -> Schema {
    scalar(Scalar::String)
}

pub(super) fn list(item: Schema, kind: ListKind) -> Schema {
    Schema::of(Shape::List(Box::new(ListShape { item, kind })))
}

pub(super) fn by(keys: &[&'static str]) -> ListKind {
    ListKind::Map(keys.iter().map(|key| (*key).into()).collect())
}

pub(super) fn map(value: Schema) -> Schema {
    Schema::of(Shape::Map(Box::new(MapShape { value, atomic: false })))
}

pub(super) fn record(fields: Vec<(&'static str, Schema)>) -> Schema {
    let mut fields: Vec<Field> =
        fields.into_iter().map(|(name, schema)| field(name, schema)).collect();
    fields.sort_by(|one, other| one.name.cmp(&other.name));
    Schema::of(Shape::Struct(Box::new(StructShape { fields, ..StructShape::default() })))
}

pub(super) fn field(name: &'static str, schema: Schema) -> Field {
    let patch = PatchRule::default();
    Field { name: name.into(), schema, required: false, tag: 0, patch, default: None }
}

pub(super) fn with_default(mut schema: Schema, name: &str, value: Value) -> Schema {
    if let Shape::Struct(shape) = &mut schema.shape {
        for field in shape.fields.iter_mut().filter(|field| field.name == name) {
            field.default = Some(value.clone());
        }
    }
    schema
}

/// A whole object: these fields beside those that every object has.
pub(super) fn object(mut fields: Vec<(&'static str, Schema)>) -> Schema {
    let metadata = record(vec![
        ("name", text()),
        ("uid", text()),
        ("labels", map(text())),
        ("annotations", map(text())),
        ("managedFields", list(Schema::any(), ListKind::Atomic)),
    ]);
    fields.extend([("apiVersion", text()), ("kind", text()), ("metadata", metadata)]);
    record(fields)
}

/// One write of a story.
pub(super) enum Op {
    Apply(&'static str, Value),
    Force(&'static str, Value),
    Update(&'static str, Value),
}

/// An object and those who write to it.
pub(super) struct Story {
    schema: Schema,
    pub(super) live: Option<Value>,
    now: i64,
}

impl Story {
    pub(super) fn new(schema: Schema) -> Self {
        Self { schema, live: None, now: 1_000_000_000 }
    }

    pub(super) fn write(&mut self, op: Op) -> Result<(), Status> {
        self.now += 1;
        let (manager, mut body) = match &op {
            Op::Apply(manager, body) | Op::Force(manager, body) | Op::Update(manager, body) => {
                (*manager, body.clone())
            }
        };
        body["apiVersion"] = json!("v1");
        body["kind"] = json!("Thing");
        let ignored = Set::default();
        let live = self.live.clone();
        let write = Write {
            live: live.as_ref(),
            schema: &self.schema,
            api_version: "v1",
            kind: "Thing",
            manager,
            subresource: "",
            ignored: &ignored,
            now: self.now,
        };
        self.live = Some(match op {
            Op::Apply(..) => apply(&write, &body, false)?,
            Op::Force(..) => apply(&write, &body, true)?,
            Op::Update(..) => update(&write, body),
        });
        Ok(())
    }

    /// Writes all; each has to succeed.
    pub(super) fn told(schema: Schema, ops: Vec<Op>) -> Self {
        let mut story = Self::new(schema);
        for op in ops {
            story.write(op).unwrap_or_else(|status| panic!("{status:?}"));
        }
        story
    }

    /// The object without what all have.
    pub(super) fn object(&self) -> Value {
        let mut object = self.live.clone().unwrap_or_default();
        managed::strip(&mut object);
        if let Some(fields) = object.as_object_mut() {
            fields.retain(|name, value| {
                let is_bare = value.as_object().is_some_and(serde_json::Map::is_empty);
                let is_common = matches!(&**name, "apiVersion" | "kind");
                !is_common && (name != "metadata" || !is_bare)
            });
        }
        object
    }

    /// Paths of each owner, as messages name them, in order.
    pub(super) fn owners(&self) -> BTreeMap<String, Vec<String>> {
        let managed = managed::read(self.live.as_ref().unwrap_or(&Value::Null)).unwrap_or_default();
        let paths = |set: &Set| set.paths().iter().map(ToString::to_string).collect();
        managed.iter().map(|(owner, owned)| (owner.manager.clone(), paths(&owned.set))).collect()
    }

    pub(super) fn check(&self, object: Value, owners: &[(&str, &[&str])]) {
        assert_eq!(self.object(), object);
        let expected: BTreeMap<String, Vec<String>> = owners
            .iter()
            .map(|(name, paths)| {
                ((*name).to_owned(), paths.iter().map(|path| (*path).to_owned()).collect())
            })
            .collect();
        assert_eq!(self.owners(), expected);
    }
}

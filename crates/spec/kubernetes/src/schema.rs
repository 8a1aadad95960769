//! A type as the API machinery sees it: which fields there are, what they hold, how they merge.
//!
//! One description serves strategic merge, server-side apply, pruning, strict decoding and protobuf.
//! Built-in types that contain themselves do so by number ([`Shape::Named`]); follow it with
//! [`Schema::resolve`].

use serde_json::Value;
use std::borrow::Cow;

/// What a value may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// What it is made of.
    pub shape: Shape,
    /// Whether `null` may stand for it and is kept (custom resources only).
    pub nullable: bool,
}

/// The kinds of values.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Anything: merged by what is found in it (`x-kubernetes-preserve-unknown-fields`, raw extensions).
    Any,
    /// One that has no parts.
    Scalar(Scalar),
    /// An array.
    List(Box<ListShape>),
    /// An object whose keys are data.
    Map(Box<MapShape>),
    /// An object whose keys are fields.
    Struct(Box<StructShape>),
    /// A built-in type, by its number in the table.
    Named(u16),
}

/// Values without parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// `true` or `false`.
    Boolean,
    /// 32 bits.
    Int32,
    /// 64 bits.
    Int64,
    /// A floating-point number.
    Double,
    /// Text.
    String,
    /// Base64 of bytes.
    Bytes,
    /// `100m`, `1Gi`: text or a number.
    Quantity,
    /// A number or text.
    IntOrString,
    /// RFC 3339 in seconds.
    Time,
    /// RFC 3339 in microseconds.
    MicroTime,
    /// `1m30s` (`metav1.Duration`).
    Duration,
}

/// An array's parts.
#[derive(Debug, Clone, PartialEq)]
pub struct ListShape {
    /// What its items are.
    pub item: Schema,
    /// How server-side apply merges it (`x-kubernetes-list-type`).
    pub kind: ListKind,
}

/// How a list is told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListKind {
    /// One value as a whole.
    Atomic,
    /// Its items are scalars, each once.
    Set,
    /// Its items are objects that these fields tell apart.
    Map(Vec<Cow<'static, str>>),
}

/// A map's parts.
#[derive(Debug, Clone, PartialEq)]
pub struct MapShape {
    /// What its values are.
    pub value: Schema,
    /// Whether it is one value as a whole (`x-kubernetes-map-type: atomic`).
    pub atomic: bool,
}

/// A struct's parts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StructShape {
    /// Its fields, in order of names.
    pub fields: Vec<Field>,
    /// Whether it is one value as a whole.
    pub atomic: bool,
    /// Whether fields that are not listed are kept.
    pub preserve_unknown: bool,
    /// Whether it is a whole object with `apiVersion`, `kind` and `metadata`.
    pub embedded: bool,
}

/// A field.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name in JSON.
    pub name: Cow<'static, str>,
    /// What it holds.
    pub schema: Schema,
    /// Whether it must be there.
    pub required: bool,
    /// Its number in protobuf; 0 for none.
    pub tag: u16,
    /// How a strategic merge patch treats it.
    pub patch: PatchRule,
    /// What it is when it is not there (custom resources, and the few of OpenAPI).
    pub default: Option<Value>,
}

/// `x-kubernetes-patch-strategy` and `x-kubernetes-patch-merge-key`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PatchRule {
    /// Lists are merged, not replaced.
    pub merge: bool,
    /// By this field of their items; none for lists of scalars.
    pub merge_key: Option<Cow<'static, str>>,
    /// Fields that the patch does not name in `$retainKeys` go.
    pub retain_keys: bool,
    /// An object is replaced, not merged.
    pub replace: bool,
}

impl Schema {
    /// Of this shape.
    pub const fn of(shape: Shape) -> Self {
        Self { shape, nullable: false }
    }

    /// Anything.
    pub const fn any() -> Self {
        Self::of(Shape::Any)
    }

    /// The fields, if this is a struct.
    pub fn as_struct(&self) -> Option<&StructShape> {
        match &self.resolve().shape {
            Shape::Struct(shape) => Some(shape),
            _ => None,
        }
    }

    /// The schema of a field or of a map's value.
    pub fn child(&self, name: &str) -> Option<&Schema> {
        match &self.resolve().shape {
            Shape::Struct(shape) => shape.field(name).map(|field| &field.schema),
            Shape::Map(shape) => Some(&shape.value),
            _ => None,
        }
    }

    /// What a number stands for; itself otherwise.
    pub fn resolve(&self) -> &Schema {
        match self.shape {
            Shape::Named(number) => crate::types::schema(number).unwrap_or(self),
            _ => self,
        }
    }
}

impl StructShape {
    /// A field by its name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        let at = self.fields.binary_search_by(|field| (*field.name).cmp(name)).ok()?;
        self.fields.get(at)
    }
}

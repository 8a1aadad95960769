//! A structural schema as the rest of the machinery sees types: what is pruned, how lists merge.

use super::node::Node;
use teu_kubernetes::{
    Field, ListKind, ListShape, MapShape, PatchRule, Scalar, Schema, Shape, StructShape, types,
};

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The type of a whole custom object.
pub fn object_schema(node: Option<&Node>) -> Schema {
    match node {
        Some(node) => Schema { shape: record(node, true), nullable: false },
        None => {
            let open = Node { preserve_unknown: true, ..Node::default() };
            Schema::of(record(&open, true))
        }
    }
}

/// The type of one value.
pub fn value_schema(node: &Node) -> Schema {
    schema(node)
}

fn schema(node: &Node) -> Schema {
    let shape = match &*node.kind {
        _ if node.int_or_string => Shape::Scalar(Scalar::IntOrString),
        "object" => match &node.additional {
            Some(value) if node.properties.is_empty() => {
                Shape::Map(Box::new(MapShape { value: schema(value), atomic: node.atomic_map }))
            }
            _ => record(node, false),
        },
        "array" => Shape::List(Box::new(ListShape {
            item: node.items.as_deref().map_or(Schema::any(), schema),
            kind: list_kind(node),
        })),
        "boolean" => Shape::Scalar(Scalar::Boolean),
        "integer" if node.format == "int32" => Shape::Scalar(Scalar::Int32),
        "integer" => Shape::Scalar(Scalar::Int64),
        "number" => Shape::Scalar(Scalar::Double),
        "string" => Shape::Scalar(match &*node.format {
            "date-time" => Scalar::Time,
            "duration" => Scalar::Duration,
            "byte" => Scalar::Bytes,
            _ => Scalar::String,
        }),
        _ if node.embedded => record(node, false),
        _ => Shape::Any,
    };
    Schema { shape, nullable: node.nullable }
}

fn list_kind(node: &Node) -> ListKind {
    match &*node.list_type {
        "set" => ListKind::Set,
        "map" => ListKind::Map(node.list_keys.iter().map(|key| key.clone().into()).collect()),
        _ => ListKind::Atomic,
    }
}

fn record(node: &Node, is_root: bool) -> Shape {
    let mut fields: Vec<Field> = Vec::with_capacity(node.properties.len() + 3);
    let is_object = is_root || node.embedded;
    for (name, child) in &node.properties {
        if !(is_object && matches!(&**name, "apiVersion" | "kind" | "metadata")) {
            let required = node.required.contains(name);
            fields.push(field(name, schema(child), required, child.default.clone()));
        }
    }
    if is_object {
        for name in ["apiVersion", "kind"] {
            fields.push(field(name, Schema::of(Shape::Scalar(Scalar::String)), false, None));
        }
        let metadata = types::type_schema(OBJECT_META).unwrap_or(Schema::any());
        fields.push(field("metadata", metadata, false, None));
    }
    fields.sort_by(|one, other| one.name.cmp(&other.name));
    Shape::Struct(Box::new(StructShape {
        fields,
        atomic: node.atomic_map,
        preserve_unknown: node.preserve_unknown,
        embedded: node.embedded,
    }))
}

fn field(name: &str, schema: Schema, required: bool, default: Option<serde_json::Value>) -> Field {
    let patch = PatchRule::default();
    Field { name: name.to_owned().into(), schema, required, tag: 0, patch, default }
}

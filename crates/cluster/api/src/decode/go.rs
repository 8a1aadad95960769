//! How Go's decoder names types and values in its errors.

use serde_json::Value;
use teu_kubernetes::{Scalar, Schema, Shape, types};

/// `DeploymentSpec` of `io.k8s.api.apps.v1.DeploymentSpec`.
pub(super) fn struct_name(number: u16) -> &'static str {
    types::name(number).and_then(|name| name.rsplit('.').next()).unwrap_or_default()
}

/// A type as Go prints it: `int32`, `[]v1.Container`, `map[string]string`.
pub(super) fn type_name(schema: &Schema) -> String {
    match &schema.shape {
        Shape::Named(number) => {
            let name = types::name(*number).unwrap_or_default();
            let mut parts = name.rsplit('.');
            let (kind, version) =
                (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            format!("{version}.{kind}")
        }
        Shape::List(shape) => format!("[]{}", type_name(&shape.item)),
        Shape::Map(shape) => format!("map[string]{}", type_name(&shape.value)),
        Shape::Scalar(kind) => scalar_name(*kind).to_owned(),
        Shape::Any | Shape::Struct(_) => "map[string]interface {}".to_owned(),
    }
}

fn scalar_name(kind: Scalar) -> &'static str {
    match kind {
        Scalar::Boolean => "bool",
        Scalar::Int32 => "int32",
        Scalar::Int64 => "int64",
        Scalar::Double => "float64",
        Scalar::Bytes => "[]uint8",
        Scalar::Quantity => "resource.Quantity",
        Scalar::IntOrString => "intstr.IntOrString",
        Scalar::Time => "v1.Time",
        Scalar::MicroTime => "v1.MicroTime",
        Scalar::Duration => "v1.Duration",
        Scalar::String => "string",
    }
}

/// What stands there.
pub(super) fn value_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

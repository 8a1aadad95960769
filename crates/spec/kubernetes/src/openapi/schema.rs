//! Schemas of a document: those that operations name, and all that these refer to.

use super::words::Words;
use super::{Described, Dialect, custom, list_name, type_name};
use crate::resource::Subresource;
use crate::types::{self, Line, ShapeText};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

/// Schemas that have been asked for.
pub(super) struct Schemas {
    dialect: Dialect,
    words: Words,
    /// Group, version and kind by the name of their type.
    kinds: BTreeMap<String, Vec<Value>>,
    done: BTreeMap<String, Value>,
    wait: Vec<String>,
}

impl Schemas {
    pub(super) fn new(dialect: Dialect, resources: &[Described<'_>]) -> Self {
        let mut kinds: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let mut add = |name: String, group: &str, version: &str, kind: &str| {
            let kind = json!({ "group": group, "version": version, "kind": kind });
            let all = kinds.entry(name).or_default();
            if !all.contains(&kind) {
                all.push(kind);
            }
        };
        for Described { resource, .. } in resources {
            let (group, version) = (&*resource.group, &*resource.version);
            add(type_name(resource), group, version, &resource.kind);
            if resource.has_verb("list") {
                add(list_name(resource), group, version, &resource.list_kind);
            }
            let other = |part: &&Subresource| part.group != group || part.version != version;
            for part in resource.subresources.iter().filter(other) {
                let name = part_name(&part.group, &part.version, &part.kind);
                add(name, &part.group, &part.version, &part.kind);
            }
            for kind in ["DeleteOptions", "WatchEvent"] {
                let name = format!("io.k8s.apimachinery.pkg.apis.meta.v1.{kind}");
                add(name, group, version, kind);
            }
        }
        add("io.k8s.apimachinery.pkg.apis.meta.v1.Status".into(), "", "v1", "Status");
        Self { dialect, words: Words::load(), kinds, done: BTreeMap::new(), wait: Vec::new() }
    }

    /// A reference to a built-in type, which the document will have.
    pub(super) fn reference(&mut self, name: &str) -> Value {
        if !self.done.contains_key(name) {
            self.wait.push(name.to_owned());
        }
        self.dialect.reference(name)
    }

    /// A reference to a resource's type.
    pub(super) fn object(&mut self, described: &Described<'_>) -> Value {
        let name = type_name(described.resource);
        if let (true, false) =
            (described.resource.type_name.is_empty(), self.done.contains_key(&name))
        {
            let schema = custom::object(self, described.schema);
            self.put(&name, schema);
        }
        self.reference(&name)
    }

    /// A reference to the type of a list of them.
    pub(super) fn list(&mut self, described: &Described<'_>) -> Value {
        let name = list_name(described.resource);
        if described.resource.type_name.is_empty() && !self.done.contains_key(&name) {
            let schema = self.custom_list(described);
            self.put(&name, schema);
        }
        self.reference(&name)
    }

    fn custom_list(&mut self, described: &Described<'_>) -> Map<String, Value> {
        let kind = &described.resource.kind;
        let item = self.object(described);
        let metadata = self.reference(LIST_META);
        let [version, name] = self.type_meta();
        let schema = json!({
            "description": format!("{} is a list of {kind}", described.resource.list_kind),
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": version,
                "items": {
                    "description": format!("List of {}.", described.resource.plural),
                    "type": "array",
                    "items": item,
                },
                "kind": name,
                "metadata": self.described(metadata, "What the list as a whole says."),
            },
        });
        match schema {
            Value::Object(schema) => schema,
            _ => Map::new(),
        }
    }

    /// Schemas of `apiVersion` and `kind`, with the words that every type has for them.
    pub(super) fn type_meta(&self) -> [Value; 2] {
        let status = types::number("io.k8s.apimachinery.pkg.apis.meta.v1.Status");
        ["apiVersion", "kind"].map(|field| {
            let mut fields = status
                .into_iter()
                .flat_map(|number| types::lines(number).zip(self.words.of_fields(number)));
            let words = fields.find(|(line, _)| line.name == field).map_or("", |(_, words)| words);
            json!({ "description": words, "type": "string" })
        })
    }

    pub(super) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// A reference with words beside it; version 3 wants it wrapped.
    pub(super) fn described(&self, reference: Value, words: &str) -> Value {
        if words.is_empty() {
            return reference;
        }
        match (self.dialect, reference) {
            (Dialect::V2, Value::Object(mut reference)) => {
                reference.insert("description".into(), words.into());
                Value::Object(reference)
            }
            (_, reference) => json!({ "allOf": [reference], "description": words }),
        }
    }

    /// Puts a schema under a name, with the kinds it has.
    fn put(&mut self, name: &str, mut schema: Map<String, Value>) {
        if let Some(kinds) = self.kinds.get(name) {
            schema.insert("x-kubernetes-group-version-kind".into(), kinds.clone().into());
        }
        self.done.insert(name.to_owned(), Value::Object(schema));
    }

    /// All schemas, by name.
    pub(super) fn finish(mut self) -> Value {
        while let Some(name) = self.wait.pop() {
            if self.done.contains_key(&name) {
                continue;
            }
            let schema = match types::number(&name) {
                Some(number) => self.built_in(number),
                None => scalar_type(self.dialect, &name),
            };
            self.put(&name, schema);
        }
        self.done.into_iter().collect::<Map<_, _>>().into()
    }

    fn built_in(&mut self, number: u16) -> Map<String, Value> {
        let mut out = Map::new();
        let words = self.words.of_type(number);
        if words.is_empty() {
            let short = types::name(number).and_then(|name| name.rsplit('.').next());
            out.insert("description".into(), short.unwrap_or_default().into());
        } else {
            out.insert("description".into(), words.into());
        }
        match types::flags(number) {
            "json"
            | "jsonschemapropsorarray"
            | "jsonschemapropsorbool"
            | "jsonschemapropsorstringarray" => return out,
            "atomic" => {
                out.insert("x-kubernetes-map-type".into(), "atomic".into());
            }
            _ => {}
        }
        out.insert("type".into(), "object".into());
        let required: Vec<Value> = types::lines(number)
            .filter(|line| line.has("required"))
            .map(|line| line.name.into())
            .collect();
        if !required.is_empty() {
            out.insert("required".into(), required.into());
        }
        let lines: Vec<Line> = types::lines(number).collect();
        let words: Vec<String> = self.words.of_fields(number).map(str::to_owned).collect();
        let fields: Map<String, Value> = lines
            .iter()
            .zip(words.iter().map(String::as_str).chain(std::iter::repeat("")))
            .map(|(line, words)| (line.name.to_owned(), self.field(line, words)))
            .collect();
        if !fields.is_empty() {
            out.insert("properties".into(), fields.into());
        }
        out
    }

    fn field(&mut self, line: &Line, words: &str) -> Value {
        let bare = self.shape(line.shape);
        let mut out = match self.described(bare, if line.is_reference() { words } else { "" }) {
            Value::Object(out) => out,
            _ => Map::new(),
        };
        if !words.is_empty() && !out.contains_key("description") {
            out.insert("description".into(), words.into());
        }
        if let (Dialect::V3, Some(text)) = (self.dialect, line.value("default")) {
            out.insert("default".into(), serde_json::from_str(text).unwrap_or_default());
        }
        merging(line, &mut out);
        Value::Object(out)
    }

    fn shape(&mut self, shape: ShapeText) -> Value {
        match shape {
            ShapeText::List(item) => {
                let item = self.shape(ShapeText::parse(item));
                json!({ "type": "array", "items": item })
            }
            ShapeText::Map(value) => {
                let value = self.shape(ShapeText::parse(value));
                json!({ "type": "object", "additionalProperties": value })
            }
            ShapeText::Type(name) => self.reference(name),
            ShapeText::Scalar(name) => match scalar(name) {
                Ok(schema) => schema,
                Err(name) => self.reference(name),
            },
        }
    }
}

/// How a field merges, in OpenAPI's words.
fn merging(line: &Line, out: &mut Map<String, Value>) {
    let list = matches!(line.shape, ShapeText::List(_) | ShapeText::Scalar("bytes"));
    if let Some(keys) = line.value("map") {
        let keys: Vec<&str> = keys.split(',').collect();
        out.insert("x-kubernetes-list-map-keys".into(), json!(keys));
        out.insert("x-kubernetes-list-type".into(), "map".into());
    } else if line.has("set") {
        out.insert("x-kubernetes-list-type".into(), "set".into());
    } else if line.has("atomic") {
        let name = if list { "x-kubernetes-list-type" } else { "x-kubernetes-map-type" };
        out.insert(name.into(), "atomic".into());
    } else if line.has("granular") {
        out.insert("x-kubernetes-map-type".into(), "granular".into());
    }
    if let Some(key) = line.value("merge") {
        out.insert("x-kubernetes-patch-merge-key".into(), key.into());
    }
    let merge = line.has("merge") || line.value("merge").is_some();
    let strategy = match (merge, line.has("retain")) {
        (true, true) => "merge,retainKeys",
        (true, false) => "merge",
        (false, true) => "retainKeys",
        (false, false) if line.has("replace") => "replace",
        (false, false) => return,
    };
    out.insert("x-kubernetes-patch-strategy".into(), strategy.into());
}

/// A scalar's schema, or the type that documents have for it.
fn scalar(name: &str) -> Result<Value, &'static str> {
    Ok(match name {
        "bool" => json!({ "type": "boolean" }),
        "int32" => json!({ "type": "integer", "format": "int32" }),
        "int64" => json!({ "type": "integer", "format": "int64" }),
        "double" => json!({ "type": "number", "format": "double" }),
        "bytes" => json!({ "type": "string", "format": "byte" }),
        "quantity" => return Err("io.k8s.apimachinery.pkg.api.resource.Quantity"),
        "int-or-string" => return Err("io.k8s.apimachinery.pkg.util.intstr.IntOrString"),
        "time" => return Err("io.k8s.apimachinery.pkg.apis.meta.v1.Time"),
        "microtime" => return Err("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime"),
        "duration" => return Err("io.k8s.apimachinery.pkg.apis.meta.v1.Duration"),
        _ => json!({ "type": "string" }),
    })
}

/// Types that are one value.
fn scalar_type(dialect: Dialect, name: &str) -> Map<String, Value> {
    let schema = match name.rsplit('.').next().unwrap_or_default() {
        "Quantity" => {
            let words = "A number with a suffix: 100m, 1.5, 2Gi, 3e6.";
            match dialect {
                Dialect::V2 => json!({ "description": words, "type": "string" }),
                Dialect::V3 => json!({
                    "description": words,
                    "oneOf": [{ "type": "string" }, { "type": "number" }],
                }),
            }
        }
        "IntOrString" => {
            let words = "An integer, or text such as the name of a port or a percentage.";
            match dialect {
                Dialect::V2 => {
                    json!({ "description": words, "type": "string", "format": "int-or-string" })
                }
                Dialect::V3 => json!({
                    "description": words,
                    "format": "int-or-string",
                    "oneOf": [{ "type": "integer" }, { "type": "string" }],
                }),
            }
        }
        "Time" => json!({
            "description": "A moment, in RFC 3339, to the second.",
            "type": "string",
            "format": "date-time",
        }),
        "MicroTime" => json!({
            "description": "A moment, in RFC 3339, to the microsecond.",
            "type": "string",
            "format": "date-time",
        }),
        _ => json!({ "description": "A span of time, such as 1m30s.", "type": "string" }),
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

/// What documents call the type of a part's kind.
pub(super) fn part_name(group: &str, version: &str, kind: &str) -> String {
    let package = match group.split('.').next() {
        Some("") | None => "core",
        Some(package) => package,
    };
    format!("io.k8s.api.{package}.{version}.{kind}")
}

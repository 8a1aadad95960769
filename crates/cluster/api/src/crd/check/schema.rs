//! Whether a schema is structural, and says nothing that would mean nothing.

use crate::crd::node::{MAX_LEVELS, Node, compile_pattern};
use crate::crd::{Rule, default, shape, validate};
use crate::decode::{Decoded, fit};
use crate::status::Cause;
use serde_json::{Map, Value};

/// Faults of one schema that are listed.
const MAX_CAUSES: usize = 100;

/// Where a schema stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Field,
    Items,
    Additional,
    /// Inside of `allOf`, `anyOf`, `oneOf` or `not`: only values are restricted there.
    Logic,
}

/// Checks the schema of a version.
pub(super) fn check(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let mut walk = Walk { causes: Vec::new() };
    walk.node(schema, path, Place::Root, 0);
    let is_structural = walk.causes.is_empty();
    causes.append(&mut walk.causes);
    if is_structural {
        defaults(&Node::read(schema), path, causes);
    }
}

struct Walk {
    causes: Vec<Cause>,
}

impl Walk {
    fn add(&mut self, cause: Cause) {
        if self.causes.len() < MAX_CAUSES {
            self.causes.push(cause);
        }
    }

    fn node(&mut self, schema: &Value, path: &str, place: Place, level: usize) {
        let Value::Object(fields) = schema else {
            self.add(Cause::invalid(path, schema, "must be an object"));
            return;
        };
        if level > MAX_LEVELS {
            let why = format!("must not be nested more than {MAX_LEVELS} levels deep");
            self.add(Cause::forbidden(path, &why));
            return;
        }
        self.forbidden(fields, path);
        if place == Place::Logic {
            self.logic(fields, path);
        } else {
            self.kind(fields, path, place);
            self.extensions(fields, path);
        }
        self.values(fields, path);
        self.rules(fields, path);
        self.below(fields, path, place, level);
    }

    fn forbidden(&mut self, fields: &Map<String, Value>, path: &str) {
        let unsupported = [
            "$ref",
            "definitions",
            "dependencies",
            "deprecated",
            "discriminator",
            "id",
            "patternProperties",
            "readOnly",
            "writeOnly",
            "xml",
            "additionalItems",
        ];
        for name in unsupported {
            let is_set =
                fields.get(name).is_some_and(|it| !matches!(it, Value::Null | Value::Bool(false)));
            if is_set {
                self.add(Cause::forbidden(
                    format!("{path}.{name}"),
                    &format!("{name} is not supported"),
                ));
            }
        }
        if fields.get("uniqueItems") == Some(&Value::Bool(true)) {
            let why =
                "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
            self.add(Cause::forbidden(format!("{path}.uniqueItems"), why));
        }
        match fields.get("additionalProperties") {
            Some(Value::Bool(false)) => {
                let why = "additionalProperties cannot be set to false";
                self.add(Cause::forbidden(format!("{path}.additionalProperties"), why));
            }
            Some(Value::Bool(true) | Value::Object(_)) if has(fields, "properties") => {
                let why = "additionalProperties and properties are mutual exclusive";
                self.add(Cause::forbidden(format!("{path}.additionalProperties"), why));
            }
            _ => {}
        }
        if fields.get("items").is_some_and(Value::is_array) {
            let why = "items must be a schema object and not an array";
            self.add(Cause::forbidden(format!("{path}.items"), why));
        }
    }

    fn logic(&mut self, fields: &Map<String, Value>, path: &str) {
        let structural = [
            "type",
            "default",
            "title",
            "description",
            "nullable",
            "additionalProperties",
            "x-kubernetes-preserve-unknown-fields",
            "x-kubernetes-embedded-resource",
            "x-kubernetes-list-type",
            "x-kubernetes-list-map-keys",
            "x-kubernetes-map-type",
            "x-kubernetes-int-or-string",
        ];
        // An int-or-string may say so by its alternatives.
        let is_alternative = fields.len() == 1
            && matches!(fields.get("type").and_then(Value::as_str), Some("integer" | "string"));
        for name in structural {
            let is_set =
                fields.get(name).is_some_and(|it| !matches!(it, Value::Null | Value::Bool(false)));
            if is_set && !is_alternative {
                self.add(Cause::forbidden(
                    format!("{path}.{name}"),
                    "must be empty to be structural",
                ));
            }
        }
    }

    fn kind(&mut self, fields: &Map<String, Value>, path: &str, place: Place) {
        let kind = text(fields, "type");
        let field = format!("{path}.type");
        let int_or_string = flag(fields, "x-kubernetes-int-or-string");
        let preserve = flag(fields, "x-kubernetes-preserve-unknown-fields");
        match (kind, place) {
            ("", Place::Root) => self.add(Cause::required(field, "must not be empty at the root")),
            ("", _) if int_or_string || preserve => {}
            ("", Place::Items) => {
                self.add(Cause::required(field, "must not be empty for specified array items"));
            }
            ("", _) => {
                self.add(Cause::required(field, "must not be empty for specified object fields"));
            }
            (kind, Place::Root) if kind != "object" => {
                self.add(Cause::invalid(field, &kind.into(), "must be object at the root"));
            }
            (_, _) if int_or_string => {
                let why = "must be empty if x-kubernetes-int-or-string is true";
                self.add(Cause::invalid(field, &kind.into(), why));
            }
            ("object" | "array" | "string" | "integer" | "number" | "boolean", _) => {}
            (other, _) => {
                let known = ["array", "boolean", "integer", "number", "object", "string"];
                self.add(Cause::unsupported(field, &other.into(), &known));
            }
        }
        if kind == "array" && !fields.get("items").is_some_and(Value::is_object) {
            self.add(Cause::required(format!("{path}.items"), "must be specified"));
        }
        if place == Place::Root {
            self.metadata(fields, path);
        }
    }

    /// Of metadata only the name may be restricted.
    fn metadata(&mut self, fields: &Map<String, Value>, path: &str) {
        let Some(metadata) = fields.get("properties").and_then(|it| it.get("metadata")) else {
            return;
        };
        let path = format!("{path}.properties[metadata]");
        let named = |name: &String| matches!(&**name, "name" | "generateName");
        let properties = metadata.get("properties").and_then(Value::as_object);
        let others = properties.is_some_and(|it| !it.keys().all(named));
        if others {
            let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
            self.add(Cause::forbidden(path, why));
        }
    }

    fn extensions(&mut self, fields: &Map<String, Value>, path: &str) {
        let kind = text(fields, "type");
        let says = |name: &str| fields.get(name) == Some(&Value::Bool(false));
        if says("x-kubernetes-preserve-unknown-fields") {
            let why = "must be true or undefined";
            let field = format!("{path}.x-kubernetes-preserve-unknown-fields");
            self.add(Cause::invalid(field, &false.into(), why));
        }
        if flag(fields, "x-kubernetes-embedded-resource") {
            if kind != "object" {
                let why = "must be object if x-kubernetes-embedded-resource is true";
                self.add(Cause::invalid(format!("{path}.type"), &kind.into(), why));
            }
            if !has(fields, "properties") && !flag(fields, "x-kubernetes-preserve-unknown-fields") {
                let why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
                self.add(Cause::required(format!("{path}.properties"), why));
            }
        }
        self.list_type(fields, path, kind);
        match text(fields, "x-kubernetes-map-type") {
            "" => {}
            "granular" | "atomic" if kind == "object" => {}
            "granular" | "atomic" => {
                let why = "must be object if x-kubernetes-map-type is specified";
                self.add(Cause::invalid(format!("{path}.type"), &kind.into(), why));
            }
            other => {
                let field = format!("{path}.x-kubernetes-map-type");
                self.add(Cause::unsupported(field, &other.into(), &["atomic", "granular"]));
            }
        }
    }

    fn list_type(&mut self, fields: &Map<String, Value>, path: &str, kind: &str) {
        let list_type = text(fields, "x-kubernetes-list-type");
        let keys = fields.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
        let keys = keys.map(Vec::as_slice).unwrap_or_default();
        let keys_field = format!("{path}.x-kubernetes-list-map-keys");
        if !list_type.is_empty() && kind != "array" {
            let why = "must be array if x-kubernetes-list-type is specified";
            self.add(Cause::invalid(format!("{path}.type"), &kind.into(), why));
        }
        match list_type {
            "" | "atomic" | "set" => {
                if !keys.is_empty() {
                    let why = "must be map if x-kubernetes-list-map-keys is non-empty";
                    let field = format!("{path}.x-kubernetes-list-type");
                    self.add(Cause::invalid(field, &list_type.into(), why));
                }
            }
            "map" if keys.is_empty() => {
                let why = "must not be empty if x-kubernetes-list-type is map";
                self.add(Cause::required(keys_field, why));
            }
            "map" => self.list_keys(fields, keys, path),
            other => {
                let field = format!("{path}.x-kubernetes-list-type");
                self.add(Cause::unsupported(field, &other.into(), &["atomic", "map", "set"]));
            }
        }
    }

    fn list_keys(&mut self, fields: &Map<String, Value>, keys: &[Value], path: &str) {
        let Some(items) = fields.get("items").filter(|it| it.is_object()) else { return };
        if items["type"] != "object" {
            let why = "must be object if parent array's x-kubernetes-list-type is map";
            self.add(Cause::invalid(format!("{path}.items.type"), &items["type"], why));
        }
        for (at, key) in keys.iter().enumerate() {
            let name = key.as_str().unwrap_or_default();
            if keys[..at].contains(key) {
                self.add(Cause::duplicate(format!("{path}.x-kubernetes-list-map-keys[{at}]"), key));
            }
            let Some(property) = items["properties"].get(name) else {
                let why = "entries must all be names of item properties";
                let field = format!("{path}.x-kubernetes-list-map-keys[{at}]");
                self.add(Cause::invalid(field, key, why));
                continue;
            };
            if matches!(property["type"].as_str(), Some("array" | "object")) {
                let field = format!("{path}.items.properties[{name}].type");
                let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                self.add(Cause::invalid(field, &property["type"], why));
            }
            let required = items["required"].as_array().is_some_and(|it| it.contains(key));
            if !required && property.get("default").is_none() {
                let field = format!("{path}.items.properties[{name}].default");
                let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
                self.add(Cause::required(field, why));
            }
        }
    }

    fn values(&mut self, fields: &Map<String, Value>, path: &str) {
        let pattern = text(fields, "pattern");
        if !pattern.is_empty() && compile_pattern(pattern).is_err() {
            let why = "must be a valid regular expression, but isn't";
            self.add(Cause::invalid(format!("{path}.pattern"), &pattern.into(), why));
        }
        for name in
            ["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"]
        {
            let Some(value) = fields.get(name).filter(|it| !it.is_null()) else { continue };
            if value.as_u64().is_none() {
                let why = "must be greater than or equal to 0";
                self.add(Cause::invalid(format!("{path}.{name}"), value, why));
            }
        }
        if fields.get("enum").and_then(Value::as_array).is_some_and(Vec::is_empty) {
            self.add(Cause::required(format!("{path}.enum"), "must not be empty if specified"));
        }
    }

    fn rules(&mut self, fields: &Map<String, Value>, path: &str) {
        let rules = fields.get("x-kubernetes-validations").and_then(Value::as_array);
        for (at, rule) in rules.into_iter().flatten().enumerate() {
            let path = format!("{path}.x-kubernetes-validations[{at}]");
            let text = |name: &str| rule[name].as_str().unwrap_or_default().trim();
            if text("rule").is_empty() {
                self.add(Cause::required(format!("{path}.rule"), "rule is not specified"));
                continue;
            }
            if rule["message"].is_string() && text("message").is_empty() {
                let why = "message must be non-empty if specified";
                self.add(Cause::invalid(format!("{path}.message"), &rule["message"], why));
            }
            if text("rule").contains('\n') && text("message").is_empty() {
                let why = "message must be specified if rule contains line breaks";
                self.add(Cause::required(format!("{path}.message"), why));
            }
            let known = [
                "FieldValueDuplicate",
                "FieldValueForbidden",
                "FieldValueInvalid",
                "FieldValueRequired",
            ];
            if !text("reason").is_empty() && !known.contains(&text("reason")) {
                self.add(Cause::unsupported(format!("{path}.reason"), &rule["reason"], &known));
            }
            let compiled = Rule::read(rule);
            let (rule_error, message_error) = compiled.compile_errors();
            if let Some(error) = rule_error {
                self.add(Cause::invalid(format!("{path}.rule"), &rule["rule"], error));
            }
            if let Some(error) = message_error {
                let why = format!("messageExpression compilation failed: {error}");
                let field = format!("{path}.messageExpression");
                self.add(Cause::invalid(field, &rule["messageExpression"], why));
            }
        }
    }

    fn below(&mut self, fields: &Map<String, Value>, path: &str, place: Place, level: usize) {
        let inner = |normal: Place| if place == Place::Logic { Place::Logic } else { normal };
        let properties = fields.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            let path = format!("{path}.properties[{name}]");
            // What all objects have is typed anyway.
            let is_common =
                place == Place::Root && matches!(&**name, "apiVersion" | "kind" | "metadata");
            let place = if is_common { Place::Field } else { inner(Place::Field) };
            self.node(schema, &path, place, level + 1);
        }
        if let Some(schema @ Value::Object(_)) = fields.get("additionalProperties") {
            let path = format!("{path}.additionalProperties");
            self.node(schema, &path, inner(Place::Additional), level + 1);
        }
        if let Some(schema @ Value::Object(_)) = fields.get("items") {
            self.node(schema, &format!("{path}.items"), inner(Place::Items), level + 1);
        }
        for name in ["allOf", "anyOf", "oneOf"] {
            let list = fields.get(name).and_then(Value::as_array);
            for (at, schema) in list.into_iter().flatten().enumerate() {
                self.node(schema, &format!("{path}.{name}[{at}]"), Place::Logic, level + 1);
            }
        }
        if let Some(schema @ Value::Object(_)) = fields.get("not") {
            self.node(schema, &format!("{path}.not"), Place::Logic, level + 1);
        }
    }
}

/// Defaults have to be what their schema says, with nothing that would be pruned.
fn defaults(node: &Node, path: &str, causes: &mut Vec<Cause>) {
    if let Some(value) = &node.default {
        let path = format!("{path}.default");
        let mut filled = value.clone();
        default::fill(&mut filled, node);
        causes.extend(validate::validate(&filled, node, &path));
        let mut decoded = Decoded { value: value.clone(), faults: Vec::new() };
        let fitted = fit(&mut decoded, &shape::value_schema(node));
        if fitted.is_err() || !decoded.faults.is_empty() {
            causes.push(Cause::invalid(path, value, "must not have unknown fields"));
        }
    }
    for (name, child) in &node.properties {
        defaults(child, &format!("{path}.properties[{name}]"), causes);
    }
    if let Some(child) = node.additional.as_deref() {
        let path = format!("{path}.additionalProperties");
        defaults(child, &path, causes);
    }
    if let Some(child) = node.items.as_deref() {
        defaults(child, &format!("{path}.items"), causes);
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn flag(fields: &Map<String, Value>, name: &str) -> bool {
    fields.get(name) == Some(&Value::Bool(true))
}

fn has(fields: &Map<String, Value>, name: &str) -> bool {
    fields.get(name).and_then(Value::as_object).is_some_and(|it| !it.is_empty())
}

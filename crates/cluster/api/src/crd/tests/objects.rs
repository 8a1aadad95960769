//! Objects: values against schemas, rules in CEL, defaults.

use super::crontabs;
use crate::crd::rows;
use crate::{Row, Target};
use serde_json::{Value, json};

fn row(spec: Value) -> Row {
    rows(&crontabs(spec)).into_iter().next().expect("a row")
}

fn object(spec: Value) -> Value {
    json!({"apiVersion": "stable.example.com/v1", "kind": "CronTab", "metadata": {"name": "x", "namespace": "default", "resourceVersion": "1"}, "spec": spec})
}

fn faults(schema: Value, spec: Value) -> Vec<String> {
    let causes = row(schema).rules.validate_create(&object(spec));
    causes.into_iter().map(|it| format!("{}: {}", it.field, it.message)).collect()
}

fn value(schema: Value, value: Value, expected: &[&str]) {
    let schema = json!({"type": "object", "properties": {"x": schema}});
    assert_eq!(faults(schema, json!({ "x": value })), expected);
}

#[test]
fn numbers_and_texts() {
    let check = value;
    check(json!({"type": "integer"}), json!(1), &[]);
    check(
        json!({"type": "integer"}),
        json!("a"),
        &[r#"spec.x: Invalid value: "string": spec.x in body must be of type integer: "string""#],
    );
    check(
        json!({"type": "string"}),
        json!(null),
        &[r#"spec.x: Invalid value: "null": spec.x in body must be of type string: "null""#],
    );
    check(json!({"type": "string", "nullable": true}), json!(null), &[]);
    check(
        json!({"type": "integer", "minimum": 1}),
        json!(0),
        &["spec.x: Invalid value: 0: spec.x in body should be greater than or equal to 1"],
    );
    check(
        json!({"type": "integer", "maximum": 10, "exclusiveMaximum": true}),
        json!(10),
        &["spec.x: Invalid value: 10: spec.x in body should be less than 10"],
    );
    check(
        json!({"type": "integer", "multipleOf": 3}),
        json!(10),
        &["spec.x: Invalid value: 10: spec.x in body should be a multiple of 3"],
    );
    check(
        json!({"type": "integer", "format": "int32"}),
        json!(3_000_000_000_i64),
        &[
            r#"spec.x: Invalid value: "3000000000": spec.x in body must be of type int32: "3000000000""#,
        ],
    );
    check(
        json!({"type": "string", "pattern": "^a+$"}),
        json!("b"),
        &[r#"spec.x: Invalid value: "b": spec.x in body should match '^a+$'"#],
    );
    check(
        json!({"type": "string", "minLength": 2}),
        json!("é"),
        &[r#"spec.x: Invalid value: "é": spec.x in body should be at least 2 chars long"#],
    );
    check(
        json!({"type": "string", "maxLength": 2}),
        json!("abc"),
        &["spec.x: Too long: may not be more than 2 bytes"],
    );
    check(
        json!({"type": "string", "enum": ["a", "b"]}),
        json!("c"),
        &[r#"spec.x: Unsupported value: "c": supported values: "a", "b""#],
    );
    check(
        json!({"type": "string", "format": "date-time"}),
        json!("c"),
        &[r#"spec.x: Invalid value: "c": spec.x in body must be of type date-time: "c""#],
    );
    check(json!({"type": "string", "format": "frob"}), json!("c"), &[]);
}

#[test]
fn formats() {
    let check = |format: &str, good: &[&str], bad: &[&str]| {
        let schema =
            json!({"type": "object", "properties": {"x": {"type": "string", "format": format}}});
        for (texts, count) in [(good, 0), (bad, 1)] {
            for text in texts {
                assert_eq!(
                    faults(schema.clone(), json!({"x": text})).len(),
                    count,
                    "{format} {text}"
                );
            }
        }
    };
    check("date", &["2024-02-29"], &["2023-02-29", "x"]);
    check("duration", &["1h", "3s"], &["x", "1"]);
    check("ipv4", &["1.2.3.4"], &["1.2.3", "::1"]);
    check("ipv6", &["::1"], &["1.2.3.4"]);
    check("cidr", &["10.0.0.0/8", "::/0"], &["10.0.0.0/33", "10.0.0.0", "10.0.0.0/08"]);
    check("byte", &["YQ==", ""], &["YQ", "!"]);
    check("uuid", &["123e4567-e89b-12d3-a456-426614174000"], &["123e4567"]);
    check(
        "uuid4",
        &["123e4567-e89b-42d3-a456-426614174000"],
        &["123e4567-e89b-12d3-a456-426614174000"],
    );
    check("uri", &["https://a/b", "urn:x"], &["a", "https:// x"]);
    check("hostname", &["a.b", "A"], &["a_b", ""]);
    check("email", &["a@b"], &["a"]);
    check("mac", &["00:11:22:33:44:55"], &["00:11"]);
    check("hexcolor", &["#fff"], &["#ggg"]);
}

#[test]
fn lists_and_objects() {
    let check = value;
    check(
        json!({"type": "array", "maxItems": 1, "items": {"type": "string"}}),
        json!(["a", "b"]),
        &["spec.x: Too many: 2: must have at most 1 items"],
    );
    check(
        json!({"type": "array", "minItems": 1, "items": {"type": "string"}}),
        json!([]),
        &["spec.x: Invalid value: []: spec.x in body should have at least 1 items"],
    );
    check(
        json!({"type": "array", "items": {"type": "string"}}),
        json!(["a", 1]),
        &[
            r#"spec.x[1]: Invalid value: "integer": spec.x[1] in body must be of type string: "integer""#,
        ],
    );
    check(
        json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}),
        json!(["a", "a"]),
        &[r#"spec.x[1]: Duplicate value: "a""#],
    );
    check(
        json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}),
        json!({}),
        &["spec.x.a: Required value"],
    );
    check(
        json!({"x-kubernetes-int-or-string": true}),
        json!(true),
        &[
            r#"spec.x: Invalid value: "boolean": spec.x in body must be of type integer,string: "boolean""#,
        ],
    );
    check(
        json!({"type": "object", "additionalProperties": {"type": "integer"}}),
        json!({"a": 1, "b": "x"}),
        &[
            r#"spec.x.b: Invalid value: "string": spec.x.b in body must be of type integer: "string""#,
        ],
    );
}

#[test]
fn compositions() {
    let either = |word: &str| json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, word: [{"required": ["a"]}, {"required": ["b"]}]});
    assert_eq!(faults(either("oneOf"), json!({"a": "x"})), [""; 0]);
    assert_eq!(
        faults(either("oneOf"), json!({})),
        [
            r#"spec: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found none valid"#
        ]
    );
    assert_eq!(
        faults(either("oneOf"), json!({"a": "", "b": ""})),
        [
            r#"spec: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found 2 valid alternatives"#
        ]
    );
    assert_eq!(
        faults(either("anyOf"), json!({})),
        [r#"spec: Invalid value: "": "spec" must validate at least one schema (anyOf)"#]
    );
    assert_eq!(
        faults(either("allOf"), json!({"a": ""})),
        [
            r#"spec: Invalid value: "": "spec" must validate all the schemas (allOf)"#,
            "spec.b: Required value"
        ]
    );
    let not = json!({"type": "object", "properties": {"a": {"type": "string"}}, "not": {"required": ["a"]}});
    assert_eq!(
        faults(not, json!({"a": ""})),
        [r#"spec: Invalid value: "": "spec" must not validate the schema (not)"#]
    );
}

#[test]
fn rules() {
    let schema = |rules: Value| {
        json!({"type": "object", "properties": {
        "min": {"type": "integer"}, "max": {"type": "integer"}, "when": {"type": "string", "format": "date-time"},
        "a-b": {"type": "string"}, "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    }, "x-kubernetes-validations": rules})
    };
    let check = |rule: Value, spec: Value, expected: &[&str]| {
        assert_eq!(faults(schema(json!([rule])), spec), expected);
    };
    let both = json!({"min": 5, "max": 3});
    check(json!({"rule": "self.min <= self.max"}), json!({"min": 1, "max": 3}), &[]);
    check(
        json!({"rule": "self.min <= self.max"}),
        both.clone(),
        &[r#"spec: Invalid value: "object": failed rule: self.min <= self.max"#],
    );
    check(
        json!({"rule": "self.min <= self.max", "message": "min is too large"}),
        both.clone(),
        &[r#"spec: Invalid value: "object": min is too large"#],
    );
    check(
        json!({"rule": "self.min <= self.max", "messageExpression": "'min %d > max %d'.format([self.min, self.max])"}),
        both.clone(),
        &[r#"spec: Invalid value: "object": min 5 > max 3"#],
    );
    check(
        json!({"rule": "self.min <= self.max", "message": "m", "reason": "FieldValueForbidden", "fieldPath": ".min"}),
        both,
        &["spec.min: Forbidden: m"],
    );
    check(
        json!({"rule": "self.nothing == 1"}),
        json!({}),
        &[
            r#"spec: Invalid value: "object": no such key: nothing evaluating rule: self.nothing == 1"#,
        ],
    );
    check(
        json!({"rule": "has(self.min)"}),
        json!({}),
        &[r#"spec: Invalid value: "object": failed rule: has(self.min)"#],
    );
    check(
        json!({"rule": "self.a__dash__b == 'x' && self.labels['p/q'] == 'y'"}),
        json!({"a-b": "x", "labels": {"p/q": "y"}}),
        &[],
    );
    check(
        json!({"rule": "self.when < timestamp('2027-01-01T00:00:00Z')"}),
        json!({"when": "2026-01-01T00:00:00Z"}),
        &[],
    );
}

#[test]
fn rules_of_many_items_share_a_budget() {
    let pairs = "self.all(a, self.all(b, a == a && b == b))";
    let item = json!({
        "type": "array", "items": {"type": "integer"},
        "x-kubernetes-validations": [{ "rule": pairs }],
    });
    let schema = json!({"type": "object", "properties": {"x": {"type": "array", "items": item}}});
    let lists = |count: usize| json!({ "x": vec![vec![1; 500]; count] });
    assert_eq!(faults(schema.clone(), lists(2)), [""; 0]);
    // Each would do, and all of them together take for ever.
    let found = faults(schema, lists(500));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("out of cost budget"), "{found:?}");
}

#[test]
fn parts_of_parts_are_looked_at_once() {
    let mut schema = json!({"required": ["b"]});
    for _ in 0..50 {
        schema = json!({ "allOf": [schema] });
    }
    schema["type"] = "object".into();
    schema["properties"] = json!({"a": {"type": "string"}, "b": {"type": "string"}});
    assert_eq!(faults(schema.clone(), json!({"b": "x"})), [""; 0]);
    let found = faults(schema, json!({"a": "x"}));
    assert!(found.contains(&"spec.b: Required value".to_owned()), "{found:?}");
}

#[test]
fn transitions() {
    let row = row(json!({"type": "object", "properties": {
        "fixed": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "is immutable"}]},
        "once": {"type": "integer", "x-kubernetes-validations": [{"rule": "!oldSelf.hasValue() || self > oldSelf.value()", "optionalOldSelf": true}]},
        "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {"type": "object", "required": ["k"], "properties": {
            "k": {"type": "string"}, "v": {"type": "integer", "x-kubernetes-validations": [{"rule": "self >= oldSelf"}]}}}},
        "rest": {"type": "integer", "maximum": 5},
    }}));
    let check = |old: Value, new: Value, expected: &[&str]| {
        let causes = row.rules.validate_update(&object(new), &object(old), Target::Object);
        let found: Vec<String> =
            causes.into_iter().map(|it| format!("{}: {}", it.field, it.message)).collect();
        assert_eq!(found, expected);
    };
    assert!(row.rules.validate_create(&object(json!({"fixed": "a", "once": 1}))).is_empty());
    check(json!({"fixed": "a"}), json!({"fixed": "a"}), &[]);
    check(json!({}), json!({"fixed": "a"}), &[]);
    check(
        json!({"fixed": "a"}),
        json!({"fixed": "b"}),
        &[r#"spec.fixed: Invalid value: "string": is immutable"#],
    );
    check(
        json!({"once": 2}),
        json!({"once": 1}),
        &[
            r#"spec.once: Invalid value: "integer": failed rule: !oldSelf.hasValue() || self > oldSelf.value()"#,
        ],
    );
    check(
        json!({"list": [{"k": "a", "v": 1}, {"k": "b", "v": 9}]}),
        json!({"list": [{"k": "b", "v": 10}, {"k": "a", "v": 0}]}),
        &[r#"spec.list[1].v: Invalid value: "integer": failed rule: self >= oldSelf"#],
    );
    // What was wrong already and stays as it was is let be.
    check(json!({"rest": 9}), json!({"rest": 9, "fixed": "x"}), &[]);
    check(
        json!({"rest": 9}),
        json!({"rest": 10}),
        &["spec.rest: Invalid value: 10: spec.rest in body should be less than or equal to 5"],
    );
}

#[test]
fn defaults() {
    let row = row(json!({"type": "object", "default": {}, "properties": {
        "a": {"type": "string", "default": "A"},
        "b": {"type": "string", "nullable": true, "default": "B"},
        "in": {"type": "object", "properties": {"c": {"type": "integer", "default": 3}}},
        "list": {"type": "array", "items": {"type": "object", "properties": {"d": {"type": "integer", "default": 4}}}},
        "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"e": {"type": "integer", "default": 5}}}},
    }}));
    let check = |mut object: Value, expected: Value| {
        row.rules.default(&mut object);
        assert_eq!(object["spec"], expected);
    };
    check(json!({}), json!({"a": "A", "b": "B"}));
    check(object(json!({"a": null, "b": null})), json!({"a": "A", "b": null}));
    check(
        object(json!({"a": "x", "b": "y", "in": {}, "list": [{}, {"d": 1}], "map": {"k": {}}})),
        json!({"a": "x", "b": "y", "in": {"c": 3}, "list": [{"d": 4}, {"d": 1}], "map": {"k": {"e": 5}}}),
    );
}

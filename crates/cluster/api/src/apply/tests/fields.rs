//! FieldsV1: read, written, refused; sets.

use crate::apply::{Element, Set};
use serde_json::{Value, json};

#[test]
fn read_and_written() {
    let check = |fields: Value, paths: &[&str]| {
        let set = Set::from_value(&fields).unwrap_or_else(|error| panic!("{fields}: {error}"));
        let found: Vec<String> = set.paths().iter().map(ToString::to_string).collect();
        assert_eq!(found, paths, "{fields}");
        assert_eq!(Set::from_value(&set.to_value()), Ok(set.clone()), "{fields}");
        set.to_value()
    };
    let same = |fields: Value, paths: &[&str]| {
        assert_eq!(check(fields.clone(), paths).to_string(), fields.to_string());
    };
    same(json!({}), &[]);
    same(json!({"f:a":{}}), &[".a"]);
    same(json!({"f:a":{".":{},"f:b":{}}}), &[".a", ".a.b"]);
    same(json!({"f:a":{"f:b":{}}}), &[".a.b"]);
    same(
        json!({"f:ports":{".":{},r#"k:{"containerPort":80,"protocol":"TCP"}"#:{".":{},"f:protocol":{}}}}),
        &[
            ".ports",
            r#".ports[containerPort=80,protocol="TCP"]"#,
            r#".ports[containerPort=80,protocol="TCP"].protocol"#,
        ],
    );
    same(
        json!({"f:finalizers":{r#"v:"a/b""#:{},"v:1":{},"v:true":{}}, "f:x":{"i:3":{}}})
            .pointer("/f:x")
            .cloned()
            .map(|x| json!({"f:x":x}))
            .unwrap_or_default(),
        &[".x[3]"],
    );
    same(
        json!({"f:x":{"v:1":{},r#"v:"a""#:{},"v:true":{}}}),
        &[".x[=1]", r#".x[="a"]"#, ".x[=true]"],
    );
    // Of a kind from the future, and not in order.
    assert_eq!(
        check(json!({"z:x":{},"f:b":{},"f:a":{}}), &[".a", ".b"]).to_string(),
        r#"{"f:a":{},"f:b":{}}"#
    );
    for bad in ["x", "k:x", "k:[]", "v:", "i:x"] {
        assert!(Set::from_value(&json!({bad: {}})).is_err(), "{bad}");
    }
}

#[test]
fn operations() {
    let set = |fields: Value| Set::from_value(&fields).expect("a set");
    let one = set(json!({"f:a":{".":{},"f:b":{}},"f:c":{}}));
    let two = set(json!({"f:a":{},"f:d":{}}));
    let check = |set: Set, expected: Value| assert_eq!(set.to_value(), expected);
    check(one.clone().union(&two), json!({"f:a":{".":{},"f:b":{}},"f:c":{},"f:d":{}}));
    check(one.intersection(&two), json!({"f:a":{}}));
    check(one.difference(&two), json!({"f:a":{"f:b":{}},"f:c":{}}));
    check(one.recursive_difference(&two), json!({"f:c":{}}));
    check(two.difference(&two), json!({}));
    let path = |names: &[&str]| {
        names.iter().map(|it| Element::Field((*it).to_owned())).collect::<Vec<_>>()
    };
    assert!(one.has(&path(&["a", "b"])) && !one.has(&path(&["b"])) && !one.has(&[]));
}

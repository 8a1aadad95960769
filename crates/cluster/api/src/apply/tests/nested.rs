//! `nested_test.go` and the nested part of `multiple_appliers_test.go`, `preserve_unknown_test.go`,
//! `deduced_test.go`, `schema_change_test.go`.

use super::{Op, Story, by, list, map, object, record, scalar, text};
use serde_json::{Value, json};
use teu_kubernetes::{ListKind, Scalar, Schema, Shape};

fn nested() -> Schema {
    let set = || list(text(), ListKind::Set);
    let item = |value| record(vec![("name", text()), ("value", value)]);
    let pair = record(vec![("name", text()), ("value", scalar(Scalar::Int64))]);
    object(vec![
        ("listOfLists", list(item(set()), by(&["name"]))),
        ("listOfMaps", list(item(map(text())), by(&["name"]))),
        ("mapOfLists", map(set())),
        ("mapOfMaps", map(map(text()))),
        ("mapOfMapsOfMaps", map(map(map(text())))),
        ("struct", pair),
    ])
}

fn check(ops: Vec<Op>, expected: Value, owners: &[(&str, &[&str])]) {
    Story::told(nested(), ops).check(expected, owners);
}

fn lists(items: Value) -> Value {
    json!({ "listOfLists": items })
}

#[test]
fn values_and_keys_change() {
    let apply = |object: Value| Op::Apply("default", object);
    check(
        vec![
            apply(lists(json!([{"name":"a","value":["b","c"]}]))),
            apply(lists(json!([{"name":"a","value":["a","c"]}]))),
        ],
        lists(json!([{"name":"a","value":["a","c"]}])),
        &[(
            "default",
            &[
                r#".listOfLists[name="a"]"#,
                r#".listOfLists[name="a"].name"#,
                r#".listOfLists[name="a"].value[="a"]"#,
                r#".listOfLists[name="a"].value[="c"]"#,
            ],
        )],
    );
    check(
        vec![
            apply(json!({"listOfMaps":[{"name":"a","value":{"b":"x","c":"y"}}]})),
            apply(json!({"listOfMaps":[{"name":"b","value":{"a":"x","c":"z"}}]})),
        ],
        json!({"listOfMaps":[{"name":"b","value":{"a":"x","c":"z"}}]}),
        &[(
            "default",
            &[
                r#".listOfMaps[name="b"]"#,
                r#".listOfMaps[name="b"].name"#,
                r#".listOfMaps[name="b"].value.a"#,
                r#".listOfMaps[name="b"].value.c"#,
            ],
        )],
    );
    check(
        vec![
            apply(json!({"mapOfLists":{"a":["b","c"]}})),
            apply(json!({"mapOfLists":{"a":["a","c"]}})),
        ],
        json!({"mapOfLists":{"a":["a","c"]}}),
        &[("default", &[".mapOfLists.a", r#".mapOfLists.a[="a"]"#, r#".mapOfLists.a[="c"]"#])],
    );
    check(
        vec![
            apply(json!({"mapOfMaps":{"a":{"b":"x"}}})),
            apply(json!({"mapOfMaps":{"b":{"a":"x","c":"z"}}})),
        ],
        json!({"mapOfMaps":{"b":{"a":"x","c":"z"}}}),
        &[("default", &[".mapOfMaps.b", ".mapOfMaps.b.a", ".mapOfMaps.b.c"])],
    );
    check(
        vec![
            apply(json!({"mapOfMapsOfMaps":{"a":{"b":{"c":"x"}}}})),
            apply(json!({"mapOfMapsOfMaps":{"a":{"d":{"c":"x"}}}})),
        ],
        json!({"mapOfMapsOfMaps":{"a":{"d":{"c":"x"}}}}),
        &[("default", &[".mapOfMapsOfMaps.a", ".mapOfMapsOfMaps.a.d", ".mapOfMapsOfMaps.a.d.c"])],
    );
}

#[test]
fn structs_go_with_what_is_in_them() {
    let apply = |object: Value| Op::Apply("default", object);
    check(vec![apply(json!({"struct":{"name":"a","value":1}})), apply(json!({}))], json!({}), &[]);
    let with_update = |last: Value| {
        vec![
            apply(json!({"struct":{"name":"a"}})),
            Op::Update("controller", json!({"struct":{"name":"a","value":1}})),
            apply(last),
        ]
    };
    let value = json!({"struct":{"value":1}});
    check(with_update(json!({})), value.clone(), &[("controller", &[".struct.value"])]);
    for empty in [json!({"struct":{}}), json!({"struct":null})] {
        let owners: &[(&str, &[&str])] =
            &[("controller", &[".struct.value"]), ("default", &[".struct"])];
        check(with_update(empty), value.clone(), owners);
    }
    check(
        vec![
            apply(json!({"struct":{"name":"a"}})),
            Op::Update("controller", json!({"struct":{"name":"b","value":1}})),
            apply(json!({})),
        ],
        json!({"struct":{"name":"b","value":1}}),
        &[("controller", &[".struct.name", ".struct.value"])],
    );
}

#[test]
fn items_that_others_have_something_in() {
    // Two appliers in one item: what the one gave up goes, the item stays.
    check(
        vec![
            Op::Apply("apply-one", lists(json!([{"name":"a"},{"name":"b","value":["c"]}]))),
            Op::Apply("apply-two", lists(json!([{"name":"b","value":["d"]}]))),
            Op::Update(
                "controller",
                lists(json!([{"name":"a"},{"name":"b","value":["c","d","e"]}])),
            ),
            Op::Apply("apply-one", lists(json!([{"name":"a"}]))),
        ],
        lists(json!([{"name":"a"},{"name":"b","value":["d","e"]}])),
        &[
            ("apply-one", &[r#".listOfLists[name="a"]"#, r#".listOfLists[name="a"].name"#]),
            (
                "apply-two",
                &[
                    r#".listOfLists[name="b"]"#,
                    r#".listOfLists[name="b"].name"#,
                    r#".listOfLists[name="b"].value[="d"]"#,
                ],
            ),
            ("controller", &[r#".listOfLists[name="b"].value[="e"]"#]),
        ],
    );
    // An updater that only has something in an item does not keep the item.
    check(
        vec![
            Op::Apply("apply-one", lists(json!([{"name":"a"},{"name":"b","value":["c"]}]))),
            Op::Apply("apply-two", lists(json!([{"name":"a","value":["b"]}]))),
            Op::Update(
                "controller",
                lists(json!([{"name":"a","value":["b"]},{"name":"b","value":["c","d"]}])),
            ),
            Op::Apply("apply-one", lists(json!([{"name":"a"}]))),
        ],
        lists(json!([{"name":"a","value":["b"]}])),
        &[
            ("apply-one", &[r#".listOfLists[name="a"]"#, r#".listOfLists[name="a"].name"#]),
            (
                "apply-two",
                &[
                    r#".listOfLists[name="a"]"#,
                    r#".listOfLists[name="a"].name"#,
                    r#".listOfLists[name="a"].value[="b"]"#,
                ],
            ),
        ],
    );
    // The same in maps.
    check(
        vec![
            Op::Apply("apply-one", json!({"mapOfMaps":{"a":{},"b":{"c":""}}})),
            Op::Apply("apply-two", json!({"mapOfMaps":{"b":{"d":""}}})),
            Op::Apply("apply-one", json!({"mapOfMaps":{"a":{}}})),
        ],
        json!({"mapOfMaps":{"a":{},"b":{"d":""}}}),
        &[("apply-one", &[".mapOfMaps.a"]), ("apply-two", &[".mapOfMaps.b", ".mapOfMaps.b.d"])],
    );
}

#[test]
fn what_the_schema_does_not_know() {
    let mut open = record(vec![("num", scalar(Scalar::Int64))]);
    if let Shape::Struct(shape) = &mut open.shape {
        shape.preserve_unknown = true;
    }
    let schema = || object(vec![("open", open.clone()), ("any", Schema::any())]);
    let story = Story::told(
        schema(),
        vec![
            Op::Apply(
                "one",
                json!({"open":{"num":5,"unknown":"value"},"any":{"a":{"b":1},"l":[1,2]}}),
            ),
            Op::Apply("two", json!({"any":{"a":{"c":1}}})),
            Op::Apply("one", json!({"open":{"num":6,"unknown":"new"},"any":{"l":[3]}})),
        ],
    );
    story.check(
        json!({"open":{"num":6,"unknown":"new"},"any":{"a":{"c":1},"l":[3]}}),
        &[("one", &[".any.l", ".open.num", ".open.unknown"]), ("two", &[".any.a", ".any.a.c"])],
    );
    let status = Story::new(nested())
        .write(Op::Apply(
            "x",
            json!({"struct":{"nome":"a","value":"b","name":1},"mapOfMaps":[],"listOfLists":{}}),
        ))
        .expect_err("faults");
    assert_eq!(
        (status.code, status.message.as_str()),
        (
            400,
            "failed to create typed patch object (/; /v1, Kind=Thing): errors:\n  .struct.nome: field not declared in schema\n  .struct.value: expected numeric (int or float), got string\n  .struct.name: expected string, got &value.valueUnstructured{Value:1}\n  .mapOfMaps: expected map, got &{[]}\n  .listOfLists: expected list, got &{map[]}"
        )
    );
}

#[test]
fn a_type_becomes_atomic() {
    let granular = object(vec![("map", map(text()))]);
    let mut atomic = map(text());
    if let Shape::Map(shape) = &mut atomic.shape {
        shape.atomic = true;
    }
    let mut story = Story::told(
        granular,
        vec![
            Op::Apply("one", json!({"map":{"a":"1"}})),
            Op::Apply("two", json!({"map":{"b":"2"}})),
        ],
    );
    let mut changed = Story::new(object(vec![("map", atomic)]));
    changed.live = story.live.take();
    changed.write(Op::Force("two", json!({"map":{"c":"3"}}))).expect("forced");
    changed.check(json!({"map":{"c":"3"}}), &[("two", &[".map"])]);
}

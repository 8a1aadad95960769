//! `set_test.go`, `key_test.go`, `list_test.go`, `multiple_appliers_test.go`, `duplicates_test.go`,
//! `default_keys_test.go`: lists as sets, by keys, and as one.

use super::{Op, Story, by, list, object, record, scalar, text, with_default};
use serde_json::{Value, json};
use teu_kubernetes::{ListKind, Scalar, Schema};

fn sets() -> Schema {
    object(vec![("list", list(text(), ListKind::Set))])
}

fn keyed() -> Schema {
    let item = record(vec![("name", text()), ("value", scalar(Scalar::Int64))]);
    object(vec![("list", list(item, by(&["name"])))])
}

fn set(items: &[&str]) -> Value {
    json!({ "list": items })
}

#[test]
fn sets_merge() {
    let check = |ops: Vec<Op>, expected: &[&str], owners: &[(&str, &[&str])]| {
        Story::told(sets(), ops).check(set(expected), owners);
    };
    check(
        vec![
            Op::Apply("default", set(&["a", "c"])),
            Op::Apply("default", set(&["a", "aprime", "c", "cprime"])),
        ],
        &["a", "aprime", "c", "cprime"],
        &[(
            "default",
            &[r#".list[="a"]"#, r#".list[="aprime"]"#, r#".list[="c"]"#, r#".list[="cprime"]"#],
        )],
    );
    check(
        vec![
            Op::Apply("default", set(&["a", "c"])),
            Op::Update("controller", set(&["a", "b", "c"])),
            Op::Apply("default", set(&["a", "aprime", "c", "cprime"])),
        ],
        &["a", "b", "aprime", "c", "cprime"],
        &[
            ("controller", &[r#".list[="b"]"#]),
            (
                "default",
                &[r#".list[="a"]"#, r#".list[="aprime"]"#, r#".list[="c"]"#, r#".list[="cprime"]"#],
            ),
        ],
    );
    // The configuration's order wins, what only the object has stays where it can.
    check(
        vec![
            Op::Apply("default", set(&["a", "b", "c", "d"])),
            Op::Apply("other", set(&["e"])),
            Op::Apply("default", set(&["d", "b"])),
        ],
        &["d", "e", "b"],
        &[("default", &[r#".list[="b"]"#, r#".list[="d"]"#]), ("other", &[r#".list[="e"]"#])],
    );
    check(
        vec![
            Op::Apply("one", set(&["a", "b"])),
            Op::Apply("two", set(&["b", "c"])),
            Op::Apply("one", set(&["a"])),
        ],
        &["a", "b", "c"],
        &[("one", &[r#".list[="a"]"#]), ("two", &[r#".list[="b"]"#, r#".list[="c"]"#])],
    );
}

#[test]
fn by_key() {
    let check = |ops: Vec<Op>, expected: Value, owners: &[(&str, &[&str])]| {
        Story::told(keyed(), ops).check(json!({ "list": expected }), owners);
    };
    let items = |items: Value| json!({ "list": items });
    check(
        vec![
            Op::Apply("apply-one", items(json!([{"name":"a"},{"name":"b"}]))),
            Op::Apply("apply-two", items(json!([{"name":"c"}]))),
            Op::Apply("apply-one", items(json!([{"name":"a"}]))),
        ],
        json!([{"name":"a"},{"name":"c"}]),
        &[
            ("apply-one", &[r#".list[name="a"]"#, r#".list[name="a"].name"#]),
            ("apply-two", &[r#".list[name="c"]"#, r#".list[name="c"].name"#]),
        ],
    );
    check(
        vec![
            Op::Apply("apply-one", items(json!([{"name":"a"},{"name":"b"},{"name":"c"}]))),
            Op::Apply("apply-two", items(json!([{"name":"c"},{"name":"d"}]))),
            Op::Apply("apply-one", items(json!([{"name":"a"}]))),
        ],
        json!([{"name":"a"},{"name":"c"},{"name":"d"}]),
        &[
            ("apply-one", &[r#".list[name="a"]"#, r#".list[name="a"].name"#]),
            (
                "apply-two",
                &[
                    r#".list[name="c"]"#,
                    r#".list[name="c"].name"#,
                    r#".list[name="d"]"#,
                    r#".list[name="d"].name"#,
                ],
            ),
        ],
    );
    let mut story =
        Story::told(keyed(), vec![Op::Apply("one", items(json!([{"name":"a","value":0}])))]);
    let status = story
        .write(Op::Apply("two", items(json!([{"name":"a","value":1}]))))
        .expect_err("a conflict");
    assert_eq!(
        status.message,
        r#"Apply failed with 1 conflict: conflict with "one": .list[name="a"].value"#
    );
    assert_eq!(status.causes[0].message, r#"conflict with "one""#);
    assert_eq!(status.causes[0].field, r#".list[name="a"].value"#);
    story.write(Op::Apply("two", items(json!([{"name":"a","value":0}])))).expect("the same");
}

#[test]
fn keys_with_defaults() {
    let port =
        record(vec![("port", scalar(Scalar::Int32)), ("protocol", text()), ("name", text())]);
    let port = with_default(port, "protocol", json!("TCP"));
    let schema = || object(vec![("ports", list(port.clone(), by(&["port", "protocol"])))]);
    let story = Story::told(
        schema(),
        vec![
            Op::Apply("default", json!({"ports":[{"port":80}]})),
            Op::Apply(
                "default",
                json!({"ports":[{"port":80,"name":"web"},{"port":80,"protocol":"UDP"}]}),
            ),
        ],
    );
    story.check(
        json!({"ports":[{"port":80,"name":"web"},{"port":80,"protocol":"UDP"}]}),
        &[(
            "default",
            &[
                r#".ports[port=80,protocol="TCP"]"#,
                r#".ports[port=80,protocol="TCP"].name"#,
                r#".ports[port=80,protocol="TCP"].port"#,
                r#".ports[port=80,protocol="UDP"]"#,
                r#".ports[port=80,protocol="UDP"].port"#,
                r#".ports[port=80,protocol="UDP"].protocol"#,
            ],
        )],
    );
    let status = Story::new(schema())
        .write(Op::Apply("default", json!({"ports":[{"name":"web"},{"port":1},{"port":1}]})))
        .expect_err("no key");
    assert_eq!(
        status.message,
        "failed to create typed patch object (/; /v1, Kind=Thing): errors:\n  .ports: element 0: associative list with keys has an element that omits key field \"port\" (and doesn't have default value)\n  .ports: duplicate entries for key [port=1,protocol=\"TCP\"]"
    );
}

#[test]
fn atomic_lists() {
    let schema = || object(vec![("list", list(text(), ListKind::Atomic))]);
    let story = Story::told(
        schema(),
        vec![Op::Apply("one", set(&["a", "b"])), Op::Force("two", set(&["c"]))],
    );
    story.check(set(&["c"]), &[("two", &[".list"])]);
    let mut story = Story::told(schema(), vec![Op::Apply("one", set(&["a", "b"]))]);
    let status = story.write(Op::Apply("two", set(&["b", "a"]))).expect_err("another order");
    assert_eq!(status.message, "Apply failed with 1 conflict: conflict with \"one\": .list");
    story.write(Op::Apply("one", json!({}))).expect("given up");
    story.check(json!({}), &[]);
}

#[test]
fn duplicates() {
    // A live list may have an item twice; applying it makes it one, others are left alone.
    let twice =
        json!({"list":[{"name":"a","value":1},{"name":"a","value":2},{"name":"b","value":3}]});
    let story = Story::told(
        keyed(),
        vec![
            Op::Update("updater", twice.clone()),
            Op::Apply("applier", json!({"list":[{"name":"c"}]})),
        ],
    );
    assert_eq!(
        story.object(),
        json!({"list":[{"name":"a","value":1},{"name":"a","value":2},{"name":"b","value":3},{"name":"c"}]})
    );
    let story = Story::told(
        keyed(),
        vec![
            Op::Update("updater", twice),
            Op::Force("applier", json!({"list":[{"name":"a","value":5}]})),
        ],
    );
    assert_eq!(story.object(), json!({"list":[{"name":"a","value":5},{"name":"b","value":3}]}));
    let status = Story::new(sets()).write(Op::Apply("x", set(&["a", "a"]))).expect_err("twice");
    assert_eq!(
        status.message,
        "failed to create typed patch object (/; /v1, Kind=Thing): .list: duplicate entries for key [=\"a\"]"
    );
}

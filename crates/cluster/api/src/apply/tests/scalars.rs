//! `leaf_test.go`, `update_test.go`, `unset_test.go`: fields of one struct.

use super::{Op, Story, object, scalar, text};
use crate::status::CauseKind;
use serde_json::{Value, json};
use teu_kubernetes::{Scalar, Schema};

fn leaves() -> Schema {
    object(vec![
        ("numeric", scalar(Scalar::Int64)),
        ("string", text()),
        ("bool", scalar(Scalar::Boolean)),
    ])
}

fn conflict(before: Vec<Op>, op: Op, expected: &str) {
    let mut story = Story::told(leaves(), before);
    let (object, owners) = (story.object(), story.owners());
    let status = story.write(op).expect_err(expected);
    assert_eq!((status.code, status.reason, status.message.as_str()), (409, "Conflict", expected));
    assert!(status.causes.iter().all(|it| it.reason == CauseKind::FieldManagerConflict));
    assert_eq!((story.object(), story.owners()), (object, owners), "nothing is written");
}

#[test]
fn one_applier() {
    let all = json!({"numeric": 1, "string": "string", "bool": false});
    let story = Story::told(
        leaves(),
        vec![
            Op::Apply("default", json!({"numeric": 1, "string": "string"})),
            Op::Apply("default", all.clone()),
        ],
    );
    story.check(all.clone(), &[("default", &[".bool", ".numeric", ".string"])]);
    // Two that say the same share it.
    let story = Story::told(
        leaves(),
        vec![Op::Apply("default", all.clone()), Op::Apply("controller", all.clone())],
    );
    story.check(
        all,
        &[
            ("controller", &[".bool", ".numeric", ".string"]),
            ("default", &[".bool", ".numeric", ".string"]),
        ],
    );
}

#[test]
fn updates_take_what_they_change() {
    let first = json!({"numeric": 1, "string": "string"});
    let second = json!({"numeric": 1, "string": "controller string", "bool": true});
    let before =
        || vec![Op::Apply("default", first.clone()), Op::Update("controller", second.clone())];
    let mut story = Story::told(leaves(), before());
    story.check(
        second.clone(),
        &[("controller", &[".bool", ".string"]), ("default", &[".numeric"])],
    );
    story
        .write(Op::Force("default", json!({"numeric": 2, "string": "user string"})))
        .expect("forced");
    story.check(
        json!({"numeric": 2, "string": "user string", "bool": true}),
        &[("controller", &[".bool"]), ("default", &[".numeric", ".string"])],
    );
    conflict(
        before(),
        Op::Apply("default", json!({"numeric": 2, "string": "user string"})),
        "Apply failed with 1 conflict: conflict with \"controller\" using v1: .string",
    );
    // What is applied again as it is now is no conflict.
    let mut story = Story::told(leaves(), before());
    story
        .write(Op::Apply("default", json!({"numeric": 2, "string": "controller string"})))
        .expect("the same");
    story.check(
        json!({"numeric": 2, "string": "controller string", "bool": true}),
        &[("controller", &[".bool", ".string"]), ("default", &[".numeric", ".string"])],
    );
}

#[test]
fn conflicts_of_several() {
    let before = || {
        vec![
            Op::Apply("one", json!({"numeric": 1, "string": "a"})),
            Op::Update("two", json!({"numeric": 1, "string": "a", "bool": true})),
        ]
    };
    conflict(
        before(),
        Op::Apply("three", json!({"numeric": 2, "string": "b", "bool": false})),
        "Apply failed with 3 conflicts: conflicts with \"one\":\n- .numeric\n- .string\nconflicts with \"two\" using v1:\n- .bool",
    );
    conflict(
        before(),
        Op::Apply("three", json!({"string": "b"})),
        "Apply failed with 1 conflict: conflict with \"one\": .string",
    );
    let mut story = Story::told(leaves(), before());
    story
        .write(Op::Force("three", json!({"numeric": 2, "string": "b", "bool": false})))
        .expect("forced");
    story.check(
        json!({"numeric": 2, "string": "b", "bool": false}),
        &[("three", &[".bool", ".numeric", ".string"])],
    );
}

#[test]
fn what_is_given_up_goes() {
    let check = |ops: Vec<Op>, expected: Value, owners: &[(&str, &[&str])]| {
        Story::told(leaves(), ops).check(expected, owners);
    };
    // By its only owner.
    check(
        vec![
            Op::Apply("one", json!({"numeric": 1, "string": "a"})),
            Op::Apply("one", json!({"string": "a"})),
        ],
        json!({"string": "a"}),
        &[("one", &[".string"])],
    );
    // Shared with another applier: it stays.
    check(
        vec![
            Op::Apply("one", json!({"numeric": 1, "string": "a"})),
            Op::Apply("two", json!({"numeric": 1})),
            Op::Apply("one", json!({"string": "a"})),
        ],
        json!({"numeric": 1, "string": "a"}),
        &[("one", &[".string"]), ("two", &[".numeric"])],
    );
    // Shared with an updater: it stays.
    check(
        vec![
            Op::Update("updater", json!({"numeric": 1, "string": "a"})),
            Op::Apply("applier", json!({"numeric": 1, "string": "a"})),
            Op::Apply("applier", json!({"string": "a"})),
        ],
        json!({"numeric": 1, "string": "a"}),
        &[("applier", &[".string"]), ("updater", &[".numeric", ".string"])],
    );
    // An updater that takes a field away takes it from all.
    check(
        vec![
            Op::Apply("one", json!({"numeric": 1, "string": "a"})),
            Op::Update("two", json!({"string": "a"})),
        ],
        json!({"string": "a"}),
        &[("one", &[".string"])],
    );
    // Nothing at all is left.
    check(
        vec![Op::Apply("one", json!({"numeric": 1})), Op::Apply("one", json!({}))],
        json!({}),
        &[],
    );
}

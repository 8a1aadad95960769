//! The RFC's appendix, the edges, and the bounds.

use crate::patch::{MAX_OPERATIONS, PatchError, json};
use serde_json::{Value, json};

fn patched(mut document: Value, patch: &Value) -> Result<Value, PatchError> {
    json(&mut document, patch).map(|()| document)
}

#[test]
fn applied() {
    let check = |document: Value, patch: Value, expected: Value| {
        assert_eq!(patched(document.clone(), &patch), Ok(expected), "{document} + {patch}");
    };
    let op = |op: &str, path: &str, value: Value| json!([{"op": op, "path": path, "value": value}]);
    check(json!({"a":1}), op("add", "/b", json!(2)), json!({"a":1,"b":2}));
    check(json!({"a":1}), op("add", "/a", json!(2)), json!({"a":2}));
    check(json!({"a":[1,3]}), op("add", "/a/1", json!(2)), json!({"a":[1,2,3]}));
    check(json!({"a":[1]}), op("add", "/a/-", json!([2])), json!({"a":[1,[2]]}));
    check(json!({"a":[1]}), op("add", "/a/1", json!(2)), json!({"a":[1,2]}));
    check(json!({"a":[1,2]}), op("add", "/a/-1", json!(3)), json!({"a":[1,2,3]}));
    check(json!({"a":[1,2]}), op("replace", "/a/-1", json!(3)), json!({"a":[1,3]}));
    check(json!({"a":1}), op("replace", "", json!({"b":1})), json!({"b":1}));
    check(json!({"a":1}), op("replace", "/a", json!(null)), json!({"a":null}));
    check(json!({"a":1,"b":2}), json!([{"op":"remove","path":"/a"}]), json!({"b":2}));
    check(json!({"a":[1,2,3]}), json!([{"op":"remove","path":"/a/1"}]), json!({"a":[1,3]}));
    check(
        json!({"a":{"b":1},"c":{}}),
        json!([{"op":"move","from":"/a/b","path":"/c/d"}]),
        json!({"a":{},"c":{"d":1}}),
    );
    check(
        json!({"a":[1,2,3]}),
        json!([{"op":"move","from":"/a/0","path":"/a/2"}]),
        json!({"a":[2,3,1]}),
    );
    check(
        json!({"a":{"b":1}}),
        json!([{"op":"copy","from":"/a","path":"/c"}]),
        json!({"a":{"b":1},"c":{"b":1}}),
    );
    check(json!({"a/b":1,"m~n":2}), op("test", "/a~1b", json!(1)), json!({"a/b":1,"m~n":2}));
    check(json!({"a/b":1,"m~n":2}), op("test", "/m~0n", json!(2.0)), json!({"a/b":1,"m~n":2}));
    check(json!({"a":{"x":[1]}}), op("test", "/a", json!({"x":[1]})), json!({"a":{"x":[1]}}));
    check(json!({}), op("test", "/none", json!(null)), json!({}));
    check(json!({}), json!([]), json!({}));
    check(json!({"":1}), op("replace", "/", json!(2)), json!({"":2}));
}

#[test]
fn refused() {
    let check = |document: Value, patch: Value, code: u16, text: &str| {
        let error = patched(document, &patch).expect_err(text);
        assert_eq!((error.to_status().code, error.to_string().as_str()), (code, text), "{patch}");
    };
    let op = |op: &str, path: &str| json!([{"op": op, "path": path, "value": 1}]);
    check(json!({"a":2}), op("test", "/a"), 422, "testing value /a failed");
    check(json!({}), op("test", "/a"), 422, "testing value /a failed");
    check(
        json!({}),
        op("remove", "/a"),
        422,
        "remove operation does not apply: doc is missing path: /a",
    );
    check(
        json!({}),
        op("replace", "/a"),
        422,
        "replace operation does not apply: doc is missing path: /a",
    );
    check(
        json!({}),
        op("add", "/a/b"),
        422,
        "add operation does not apply: doc is missing path: /a/b",
    );
    check(
        json!({"a":1}),
        op("add", "/a/b"),
        422,
        "add operation does not apply: doc is missing path: /a/b",
    );
    for index in ["2", "01", "-3", "x", "1e0", "--1", "99999999999999999999"] {
        let path = format!("/a/{index}");
        let text = format!("add operation does not apply: invalid index in path: {path}");
        check(json!({"a":[1]}), op("add", &path), 422, &text);
    }
    check(json!({}), op("frob", "/a"), 422, "unexpected kind: frob");
    check(json!({}), op("add", "a"), 400, "json patch: a path does not begin with /");
    check(
        json!({}),
        json!([{"op":"add","path":"/a"}]),
        400,
        "json patch: an operation has no value",
    );
    check(
        json!({}),
        json!([{"op":"move","path":"/a"}]),
        400,
        "json patch: a move or copy operation has no from",
    );
    check(json!({}), json!([1]), 400, "json patch: an operation is not an object");
    check(json!({}), json!({"a":1}), 400, "json patch: the patch is not an array of operations");
    check(
        json!({"a":{}}),
        json!([{"op":"move","from":"/a","path":"/a/b"}]),
        422,
        "move operation does not apply: /a/b is inside of what is moved",
    );
}

#[test]
fn bounds() {
    let many = Value::Array(vec![json!({"op":"test","path":"/a"}); MAX_OPERATIONS + 1]);
    let error = patched(json!({}), &many).expect_err("too many");
    assert_eq!((error.to_status().code, error), (413, PatchError::TooManyOperations(10_001)));
    // Copies and moves into themselves make a document deeper or larger with each operation.
    let deeper = json!({"op":"copy","from":"/a","path":"/a/a"});
    let error = patched(json!({"a":{"b":1}}), &Value::Array(vec![deeper; 200]));
    assert!(matches!(error, Err(PatchError::TooDeep { .. })), "{error:?}");
    let doubled: Vec<Value> =
        (0..40).map(|at| json!({"op":"copy","from":"/a","path":format!("/a/{at}")})).collect();
    let wide = json!({"a": {"x": "y".repeat(1 << 20)}});
    let error = patched(wide, &Value::Array(doubled));
    assert_eq!(error, Err(PatchError::TooMuchCopied));
    let steps: Vec<Value> = (0..200)
        .map(|_| json!({"op":"move","from":"/a","path":"/b/a"}))
        .flat_map(|step| {
            [
                step,
                json!({"op":"move","from":"/b","path":"/a"}),
                json!({"op":"add","path":"/b","value":{}}),
            ]
        })
        .collect();
    let error = patched(json!({"a":{},"b":{}}), &Value::Array(steps));
    assert!(matches!(error, Err(PatchError::TooDeep { .. })), "{error:?}");
}

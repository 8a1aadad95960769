//! Cases of Kubernetes' own tables (`strategicpatch/patch_test.go`), restated, over a type like theirs.

use super::strategic;
use crate::patch::PatchError;
use serde_json::{Value, json};
use teu_kubernetes::{
    Field, ListKind, ListShape, MapShape, PatchRule, Scalar, Schema, Shape, StructShape,
};

fn list(item: Schema) -> Schema {
    Schema::of(Shape::List(Box::new(ListShape { item, kind: ListKind::Atomic })))
}

/// `name`, `value`, `other`, a map, and lists that merge by name, merge as sets, or are replaced;
/// objects in the lists are of the same type, `levels` deep.
fn schema(levels: usize) -> Schema {
    let text = || Schema::of(Shape::Scalar(Scalar::String));
    let numbers = || list(Schema::of(Shape::Scalar(Scalar::Int64)));
    let field = |name: &'static str, schema, patch| Field {
        name: name.into(),
        schema,
        required: false,
        tag: 0,
        patch,
        default: None,
    };
    let plain = PatchRule::default;
    let set = || PatchRule { merge: true, ..plain() };
    let keyed = || PatchRule { merge: true, merge_key: Some("name".into()), ..plain() };
    let map = Shape::Map(Box::new(MapShape { value: text(), atomic: false }));
    let mut fields = vec![
        field("name", text(), plain()),
        field("value", text(), plain()),
        field("other", text(), plain()),
        field("map", Schema::of(map), plain()),
        field("set", numbers(), set()),
        field("numbers", numbers(), plain()),
    ];
    if levels > 0 {
        let retaining = || PatchRule { retain_keys: true, ..plain() };
        fields.push(field("item", schema(levels - 1), plain()));
        fields.push(field("retaining", schema(levels - 1), retaining()));
        fields.push(field("list", list(schema(levels - 1)), keyed()));
        fields.push(field("replaced", list(schema(levels - 1)), plain()));
    }
    fields.sort_by(|one, other| one.name.cmp(&other.name));
    Schema::of(Shape::Struct(Box::new(StructShape { fields, ..StructShape::default() })))
}

fn check(live: Value, patch: Value, expected: Value) {
    let actual = strategic(live.clone(), patch.clone(), &schema(3));
    // Order counts, in lists as well as in maps' texts only where it is a list's.
    assert_eq!(actual, Ok(expected), "{live} + {patch}");
}

#[test]
fn fields_and_maps() {
    check(json!({}), json!({"name":"1","value":"1"}), json!({"name":"1","value":"1"}));
    check(json!({"name":"1"}), json!({}), json!({"name":"1"}));
    check(
        json!({"name":"a","other":"a"}),
        json!({"name":"1","value":"1"}),
        json!({"name":"1","other":"a","value":"1"}),
    );
    check(
        json!({"name":"1","other":"a"}),
        json!({"name":null,"value":"1"}),
        json!({"other":"a","value":"1"}),
    );
    check(json!({"name":"1"}), json!({"other":null}), json!({"name":"1"}));
    check(json!({"map":{"a":"1","b":"1"}}), json!({"map":{"b":null}}), json!({"map":{"a":"1"}}));
    check(json!({"map":{"a":"1","b":"1"}}), json!({"map":{"$patch":"delete"}}), json!({"map":{}}));
    check(
        json!({"map":{"a":"1"}}),
        json!({"map":{"$patch":"replace","b":"2"}}),
        json!({"map":{"b":"2"}}),
    );
    check(
        json!({"map":{"a":"1"}}),
        json!({"map":{"$patch":"merge","b":"2"}}),
        json!({"map":{"a":"1","b":"2"}}),
    );
    check(json!({"name":"1","value":"1"}), json!({"$patch":"replace"}), json!({}));
    check(
        json!({"name":"1","value":"1"}),
        json!({"other":"a","$patch":"replace"}),
        json!({"other":"a"}),
    );
    check(
        json!({"name":"1"}),
        json!({"item":{"name":"2","value":null,"map":{"x":null,"y":"1"}}}),
        json!({"name":"1","item":{"name":"2","map":{"y":"1"}}}),
    );
    check(json!({"name":{"a":1}}), json!({"name":"x"}), json!({"name":"x"}));
    check(json!({"name":null}), json!({"name":"x"}), json!({"name":"x"}));
}

#[test]
fn replaced_lists() {
    check(json!({"numbers":[1,2]}), json!({"numbers":[2,3]}), json!({"numbers":[2,3]}));
    check(
        json!({"replaced":[{"name":"1"}]}),
        json!({"replaced":[{"name":"2"}]}),
        json!({"replaced":[{"name":"2"}]}),
    );
    check(json!({"replaced":[{"name":"1"}]}), json!({"replaced":[]}), json!({"replaced":[]}));
    // A list that the schema does not know is replaced as well, a map merged.
    check(
        json!({"x":[1],"y":{"a":1}}),
        json!({"x":[2],"y":{"b":2}}),
        json!({"x":[2],"y":{"a":1,"b":2}}),
    );
}

#[test]
fn sets_of_scalars() {
    check(json!({"set":[1,2]}), json!({"set":[2,3]}), json!({"set":[1,2,3]}));
    check(json!({"set":[1,2,3]}), json!({"set":[3,1,2]}), json!({"set":[3,1,2]}));
    check(json!({"set":[1,2,3]}), json!({"set":[3,1]}), json!({"set":[2,3,1]}));
    check(
        json!({"set":[1,2,3]}),
        json!({"$deleteFromPrimitiveList/set":[2]}),
        json!({"set":[1,3]}),
    );
    check(json!({"set":[1,2]}), json!({"$deleteFromPrimitiveList/set":[3]}), json!({"set":[1,2]}));
    check(json!({"set":[]}), json!({"$deleteFromPrimitiveList/set":[3]}), json!({"set":[]}));
    check(json!({"set":null}), json!({"$deleteFromPrimitiveList/set":[3]}), json!({"set":null}));
    check(json!({"name":"a"}), json!({"$deleteFromPrimitiveList/set":[3]}), json!({"name":"a"}));
    check(
        json!({"numbers":[1,2,3]}),
        json!({"$deleteFromPrimitiveList/numbers":[2]}),
        json!({"numbers":[1,3]}),
    );
    let both = json!({"$setElementOrder/set":[1,2],"$deleteFromPrimitiveList/set":[3]});
    check(json!({"set":[1,2,3,4]}), both.clone(), json!({"set":[1,2,4]}));
    check(json!({"set":[1,2,3,3,4]}), both, json!({"set":[1,2,4]}));
    let all = json!({"$setElementOrder/set":[1,2,4],"$deleteFromPrimitiveList/set":[3],"set":[4]});
    check(json!({"set":[1,2,3]}), all, json!({"set":[1,2,4]}));
    check(json!({"set":[1,3]}), json!({"$setElementOrder/set":[3,2,1]}), json!({"set":[3,1]}));
}

#[test]
fn lists_by_key() {
    let check = |live: Value, patch: Value, expected: Value| {
        check(json!({"list": live}), json!({"list": patch}), json!({"list": expected}));
    };
    // A new item comes before those that only the server has.
    check(
        json!([{"name":"1"},{"name":"2","value":"2"}]),
        json!([{"name":"3","value":"3"}]),
        json!([{"name":"3","value":"3"},{"name":"1"},{"name":"2","value":"2"}]),
    );
    check(
        json!([{"name":"1","other":"a"}]),
        json!([{"name":"1","value":"1"}]),
        json!([{"name":"1","other":"a","value":"1"}]),
    );
    check(
        json!([{"name":"1","other":"a"}]),
        json!([{"name":"1","other":null}]),
        json!([{"name":"1"}]),
    );
    check(json!([{"name":"1"},{"name":"2"}]), json!([{"$patch":"replace"}]), json!([]));
    check(
        json!([{"name":"1"},{"name":"2"}]),
        json!([{"$patch":"replace"},{"name":"3"}]),
        json!([{"name":"3"}]),
    );
    check(json!([]), json!([]), json!([]));
    check(
        json!([{"name":"1"},{"name":"1"},{"name":"2","value":"a"},{"name":"3"},{"name":"3"}]),
        json!([{"name":"1","$patch":"delete"},{"name":"3","$patch":"delete"}]),
        json!([{"name":"2","value":"a"}]),
    );
    check(json!([]), json!([{"name":"1","$patch":"delete"}]), json!([]));
    check(
        json!([{"name":"1"},{"name":"2","value":"b"},{"name":"3"}]),
        json!([{"name":"3","value":"c"},{"name":"1","value":"a"},{"name":"2","other":"x"}]),
        json!([{"name":"3","value":"c"},{"name":"1","value":"a"},{"name":"2","value":"b","other":"x"}]),
    );
    check(
        json!([{"name":"1"},{"name":"2","value":"b"},{"name":"3"}]),
        json!([{"name":"3","value":"c"},{"name":"1","value":"a"}]),
        json!([{"name":"2","value":"b"},{"name":"3","value":"c"},{"name":"1","value":"a"}]),
    );
    // Lists in lists.
    check(
        json!([{"name":"1","list":[{"name":"x","value":"1"}]}]),
        json!([{"name":"1","list":[{"name":"y"},{"name":"x","$patch":"delete"}]}]),
        json!([{"name":"1","list":[{"name":"y"}]}]),
    );
    check(
        json!([{"name":"1","replaced":[{"name":"x"}]}]),
        json!([{"name":"1","replaced":[{"name":"y"}]}]),
        json!([{"name":"1","replaced":[{"name":"y"}]}]),
    );
}

#[test]
fn declared_order() {
    let check = |live: Value, order: Value, patch: Value, expected: Value| {
        let patch = json!({"$setElementOrder/list": order, "list": patch});
        check(json!({"list": live}), patch, json!({"list": expected}));
    };
    check(
        json!([{"name":"1"},{"name":"3"}]),
        json!([{"name":"3"},{"name":"2"},{"name":"1"}]),
        json!([{"name":"3","value":"3"},{"name":"1","value":"1"}]),
        json!([{"name":"3","value":"3"},{"name":"1","value":"1"}]),
    );
    check(
        json!([{"name":"1","other":"a"},{"name":"2","value":"2","other":"b"}]),
        json!([{"name":"4"},{"name":"1"},{"name":"2"},{"name":"3"}]),
        json!([{"name":"4","value":"4"},{"name":"3","value":"3"}]),
        json!([{"name":"4","value":"4"},{"name":"1","other":"a"},{"name":"2","value":"2","other":"b"},{"name":"3","value":"3"}]),
    );
    check(
        json!([{"name":"hello2"}]),
        json!([{"name":"hello"},{"name":"doesntexist"}]),
        json!([{"name":"hello"},{"$patch":"delete","name":"doesntexist"}]),
        json!([{"name":"hello"},{"name":"hello2"}]),
    );
    // What only the server has stays between its neighbours of the live list.
    check(
        json!([{"name":"1"},{"name":"s"},{"name":"2"},{"name":"t"}]),
        json!([{"name":"1"},{"name":"2"},{"name":"3"}]),
        json!([{"name":"3"}]),
        json!([{"name":"1"},{"name":"s"},{"name":"2"},{"name":"3"},{"name":"t"}]),
    );
    let only_order = json!({"$setElementOrder/list":[{"name":"2"},{"name":"1"}]});
    super::tests::check(
        json!({"list":[{"name":"1"},{"name":"2"}]}),
        only_order.clone(),
        json!({"list":[{"name":"2"},{"name":"1"}]}),
    );
    super::tests::check(json!({"name":"a"}), only_order, json!({"name":"a"}));
    let new = json!({"$setElementOrder/list":[{"name":"2"},{"name":"1"}],"list":[{"name":"2","value":null},{"name":"1"}]});
    super::tests::check(json!({}), new, json!({"list":[{"name":"2"},{"name":"1"}]}));
}

#[test]
fn retained_keys() {
    let check = |live: Value, patch: Value, expected: Value| {
        check(
            json!({"retaining": live}),
            json!({"retaining": patch}),
            json!({"retaining": expected}),
        );
    };
    check(json!({"name":"foo"}), json!({"value":"bar"}), json!({"name":"foo","value":"bar"}));
    check(json!({"name":"foo","value":"a"}), json!({}), json!({"name":"foo","value":"a"}));
    check(
        json!({"name":"foo","other":"a"}),
        json!({"$retainKeys":["name","value"],"value":"bar"}),
        json!({"name":"foo","value":"bar"}),
    );
    check(
        json!({"name":"foo","other":"a"}),
        json!({"$retainKeys":["value"],"name":null,"value":"bar"}),
        json!({"value":"bar"}),
    );
    check(
        json!({"name":"foo","set":[1,2]}),
        json!({"$retainKeys":["name","set"],"$setElementOrder/set":[3,2],"$deleteFromPrimitiveList/set":[1],"set":[3]}),
        json!({"name":"foo","set":[3,2]}),
    );
    let list = json!({"list":[{"name":"bar"},{"name":"foo","value":"a","other":"x"}]});
    super::tests::check(
        list,
        json!({"list":[{"name":"foo","$retainKeys":["name","value"],"value":"b"}]}),
        json!({"list":[{"name":"bar"},{"name":"foo","value":"b"}]}),
    );
}

#[test]
fn refusals() {
    let check = |live: Value, patch: Value, expected: &str| {
        let error = strategic(live, patch, &schema(3)).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
        assert!(matches!(error.to_status().code, 400 | 422));
    };
    let three = json!({"list":[{"name":"1"},{"name":"3"},{"name":"2"}],"set":[1,3,2]});
    let order = json!([{"name":"1"},{"name":"2"},{"name":"3"}]);
    check(
        three.clone(),
        json!({"$setElementOrder/list": order, "list":[{"name":"3"},{"name":"1"}]}),
        "doesn't match $setElementOrder list:\n[map[name:1] map[name:2] map[name:3]]",
    );
    check(
        three.clone(),
        json!({"$setElementOrder/set":[1,2,3],"set":[3,1]}),
        "The order in patch list:\n[3 1]\n",
    );
    check(
        three.clone(),
        json!({"$setElementOrder/set":"x"}),
        "expected a []interface {}, but received a string: x",
    );
    check(
        three.clone(),
        json!({"list":[{"value":"b"}]}),
        "map: map[value:b] does not contain declared merge key: name",
    );
    check(
        three.clone(),
        json!({"list":[{"name":"1","$patch":"merge"}]}),
        "merging lists cannot yet be specified",
    );
    check(
        three.clone(),
        json!({"list":[{"name":"1","$patch":"frob"}]}),
        "unknown patch type: frob in map: map[$patch:frob name:1]",
    );
    check(
        three.clone(),
        json!({"$patch":"frob"}),
        "unknown patch type: frob in map: map[$patch:frob]",
    );
    check(three.clone(), json!({"set":[1,"a"]}), "list element types are not identical");
    check(json!({"set":[[1]]}), json!({"set":[[2]]}), "lists of lists");
    check(json!({"set":[{"a":1}]}), json!({"set":[{"a":2}]}), "without merge key");
    check(
        json!({"retaining":{"name":"x"}}),
        json!({"retaining":{"$retainKeys":["name"],"value":"y"}}),
        "invalid patch format of retainKeys",
    );
    check(
        json!({"retaining":{"name":"x"}}),
        json!({"retaining":{"$retainKeys":"name"}}),
        "invalid patch format of retainKeys",
    );
    check(
        json!({}),
        json!([]),
        "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
    );
    let error = strategic(three, json!({"$deleteFromPrimitiveList":[1]}), &schema(3));
    assert_eq!(error, Err(PatchError::DeleteList));
}

#[test]
fn an_object_may_be_one_that_is_replaced() {
    let schema = teu_kubernetes::type_schema("io.k8s.api.policy.v1.PodDisruptionBudget");
    let object = |labels: Value| json!({ "spec": { "selector": { "matchLabels": labels } } });
    let patched = strategic(
        object(json!({ "a": "b" })),
        object(json!({ "c": "d" })),
        &schema.expect("a built-in type"),
    );
    assert_eq!(patched.expect("patched"), object(json!({ "c": "d" })));
}

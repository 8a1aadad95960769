//! What is read, what is remembered, what is refused, and in which words.

use super::{DecodeError, Decoded, Strictness, fit, json, tidy_metadata, yaml};
use serde_json::{Value, json};
use teu_kubernetes::{Field, PatchRule, Scalar, Schema, Shape, StructShape, types};

fn built_in(name: &str) -> Schema {
    types::type_schema(name).unwrap_or_else(|| panic!("no type {name}"))
}

fn deployment() -> Schema {
    built_in("io.k8s.api.apps.v1.Deployment")
}

#[test]
fn faults_of_fields() {
    let text = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"x","unknownMeta":"foo","labels":{"a":"1","a":"2"}},
        "spec":{"replicas":1,"replicas":2,"paused":true,"unknown1":"v","template":{"spec":{"containers":[{"name":"n"},{"name":"m","foo":1}]}}}}"#;
    let mut decoded = json(text.as_bytes()).expect("JSON");
    fit(&mut decoded, &deployment()).expect("a deployment");
    assert_eq!(
        decoded.faults,
        [
            r#"duplicate field "metadata.labels.a""#,
            r#"duplicate field "spec.replicas""#,
            r#"unknown field "metadata.unknownMeta""#,
            r#"unknown field "spec.template.spec.containers[1].foo""#,
            r#"unknown field "spec.unknown1""#,
        ]
    );
    assert_eq!(
        decoded.value["spec"],
        json!({"replicas":2,"paused":true,"template":{"spec":{"containers":[{"name":"n"},{"name":"m"}]}}})
    );
    assert_eq!(decoded.value["metadata"], json!({"name":"x","labels":{"a":"2"}}));
    let status = decoded.judge(Strictness::Strict, "v1", "Deployment").expect_err("strict");
    assert_eq!(status.code, 400);
    assert!(status.message.starts_with(r#"Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: duplicate field "metadata.labels.a", duplicate field "spec.replicas", unknown field"#));
    assert_eq!(decoded.judge(Strictness::Warn, "v1", "Deployment").map(|it| it.len()), Ok(5));
    assert_eq!(decoded.judge(Strictness::Ignore, "v1", "Deployment"), Ok(vec![]));
    assert_eq!(
        ["", "Warn", "Ignore", "Strict", "strict"].map(Strictness::parse).map(|it| it.is_some()),
        [true, true, true, true, false]
    );
}

fn misfit(kind: &str, body: Value, expected: &str) {
    let mut decoded = Decoded { value: body, faults: Vec::new() };
    let error = fit(&mut decoded, &built_in(kind)).expect_err(expected);
    assert_eq!(error.to_string(), expected);
}

#[test]
fn types_do_not_fit() {
    let check = misfit;
    let apps = "io.k8s.api.apps.v1.Deployment";
    check(
        apps,
        json!({"spec":{"replicas":"3"}}),
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
    );
    check(
        apps,
        json!({"spec":{"replicas":1.5}}),
        "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
    );
    check(
        apps,
        json!({"spec":{"replicas":3_000_000_000_u64}}),
        "json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32",
    );
    check(
        apps,
        json!({"spec":{"paused":"x"}}),
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.paused of type bool",
    );
    check(
        apps,
        json!({"spec":[]}),
        "json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec",
    );
    check(apps, json!([]), "json: cannot unmarshal array into Go value of type v1.Deployment");
    check(
        apps,
        json!({"metadata":{"labels":[]}}),
        "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string",
    );
    check(
        apps,
        json!({"metadata":{"labels":{"a":1}}}),
        "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels.a of type string",
    );
}

#[test]
fn types_in_lists_do_not_fit() {
    let check = misfit;
    let pod = "io.k8s.api.core.v1.Pod";
    check(
        pod,
        json!({"spec":{"containers":{}}}),
        "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
    );
    check(
        pod,
        json!({"spec":{"containers":[{"image":7}]}}),
        "json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string",
    );
    check(
        pod,
        json!({"spec":{"containers":[{"resources":{"limits":{"cpu":"x"}}}]}}),
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    );
    check(
        pod,
        json!({"metadata":{"creationTimestamp":"x"}}),
        "parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as \"2006\"",
    );
    check(
        "io.k8s.api.core.v1.Service",
        json!({"spec":{"ports":[{"targetPort":{}}]}}),
        "json: cannot unmarshal object into Go value of type int32",
    );
    check(
        "io.k8s.api.core.v1.Secret",
        json!({"data":{"a":"x!"}}),
        "illegal base64 data at input byte 1",
    );
}

#[test]
fn nulls() {
    let mut decoded = Decoded {
        value: json!({"metadata":{"name":"x","labels":null,"annotations":{"a":null},"creationTimestamp":null},"spec":{"replicas":null,"template":{"spec":{"containers":[null]}}}}),
        faults: Vec::new(),
    };
    fit(&mut decoded, &deployment()).expect("fits");
    assert_eq!(
        decoded.value,
        json!({"metadata":{"name":"x","annotations":{"a":""}},"spec":{"template":{"spec":{"containers":[{}]}}}})
    );
    let mut object = json!({"metadata":{"name":"x","labels":{},"finalizers":[],"managedFields":[],"generateName":"","generation":0}});
    tidy_metadata(&mut object);
    assert_eq!(object, json!({"metadata":{"name":"x","managedFields":[],"generation":0}}));
}

#[test]
fn custom_types_are_pruned_only() {
    let field = |name: &'static str, schema| Field {
        name: name.into(),
        schema,
        required: false,
        tag: 0,
        patch: PatchRule::default(),
        default: None,
    };
    let record = |fields, preserve_unknown| {
        Schema::of(Shape::Struct(Box::new(StructShape {
            fields,
            preserve_unknown,
            ..StructShape::default()
        })))
    };
    let spec = record(vec![field("num", Schema::of(Shape::Scalar(Scalar::Int64)))], false);
    let open = record(vec![field("inner", spec.clone())], true);
    let metadata = built_in("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    let schema =
        record(vec![field("metadata", metadata), field("open", open), field("spec", spec)], false);
    let mut decoded = Decoded {
        value: json!({"metadata":{"name":"x","foo":1},"spec":{"num":"text","x":null},"open":{"any":1,"inner":{"y":1,"num":null}}}),
        faults: Vec::new(),
    };
    fit(&mut decoded, &schema).expect("fits");
    assert_eq!(
        decoded.value,
        json!({"metadata":{"name":"x"},"spec":{"num":"text"},"open":{"any":1,"inner":{"num":null}}})
    );
    assert_eq!(
        decoded.faults,
        [
            r#"unknown field "metadata.foo""#,
            r#"unknown field "spec.x""#,
            r#"unknown field "open.inner.y""#
        ]
    );
}

#[test]
fn documents_of_yaml() {
    let check = |text: &str, expected: Value| {
        assert_eq!(yaml(text.as_bytes()).map(|it| it.value), Ok(expected), "{text}");
    };
    check("", Value::Null);
    check("a: 1\nb: [x, 'y', \"z\"]\n", json!({"a":1,"b":["x","y","z"]}));
    check(
        "{a: yes, b: off, c: ~, d: , e: 'yes', f: !!str 12}",
        json!({"a":true,"b":false,"c":null,"d":null,"e":"yes","f":"12"}),
    );
    check(
        "[0x1F, 0b11, 0o17, 017, 1_000, -5, +5, 1.5, 1e3, 12e, 1.2.3, 2026-11-26, 0.0.0.0, .5]",
        json!([
            31,
            3,
            15,
            15,
            1000,
            -5,
            5,
            1.5,
            1000.0,
            "12e",
            "1.2.3",
            "2026-11-26",
            "0.0.0.0",
            0.5
        ]),
    );
    check("1: a\ntrue: b\n~: c\n", json!({"1":"a","true":"b","null":"c"}));
    check(
        "x: &a {k: 1, l: 2}\nw:\n  <<: *a\n  k: 3\nz: *a\n",
        json!({"x":{"k":1,"l":2},"w":{"k":3,"l":2},"z":{"k":1,"l":2}}),
    );
    check("a: |\n  line\n  two\n", json!({"a":"line\ntwo\n"}));
    check("---\na: 1\n---\nb: 2\n", json!({"a":1}));
    check(
        "[18446744073709551615, 99999999999999999999]",
        json!([18_446_744_073_709_551_615_u64, 99_999_999_999_999_999_999.0]),
    );
    let twice = yaml(b"a: 1\nb:\n  c: 1\n  c: 2\na: 3\n").expect("YAML");
    assert_eq!(twice.value, json!({"a":3,"b":{"c":2}}));
    assert_eq!(
        twice.faults,
        [
            "yaml: unmarshal errors:\n  line 4: key \"c\" already set in map\n  line 5: key \"a\" already set in map"
        ]
    );
}

#[test]
fn bounds() {
    let deep = |open: &str, close: &str, levels: usize| {
        format!("{}{}", open.repeat(levels), close.repeat(levels))
    };
    assert!(json(deep("[", "]", 100).as_bytes()).is_ok());
    for levels in [101, 100_000] {
        let error = json(deep("[", "]", levels).as_bytes()).expect_err("too deep");
        assert!(matches!(error, DecodeError::TooDeep { .. }), "{error:?}");
        let error = yaml(deep("[", "]", levels).as_bytes()).expect_err("too deep");
        assert!(
            matches!(error, DecodeError::TooDeep { .. } | DecodeError::Yaml { .. }),
            "{error:?}"
        );
    }
    let nested = deep("{\"a\":", "}", 50_000).replacen("}", "1}", 1);
    assert!(matches!(json(nested.as_bytes()), Err(DecodeError::TooDeep { .. })));
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..20 {
        let below = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [below.as_str(); 10].join(",")));
    }
    assert_eq!(yaml(bomb.as_bytes()), Err(DecodeError::Aliases));
    let mut tower = "a0: &a0 [x]\n".to_owned();
    for level in 1..200 {
        tower.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert!(matches!(yaml(tower.as_bytes()), Err(DecodeError::TooDeep { .. })));
    assert_eq!(json(&b" ".repeat(super::MAX_BYTES + 1)), Err(DecodeError::TooLong));
    assert_eq!(yaml(&b" ".repeat(super::MAX_BYTES + 1)), Err(DecodeError::TooLong));
    for bad in ["a: *x", "a: &x *x", "<<: 1", "{", "a: b: c", "? [a]\n: 1"] {
        assert!(yaml(bad.as_bytes()).is_err(), "{bad}");
    }
    let check = |text: &str, expected: &str| {
        assert_eq!(
            json(text.as_bytes()).map_err(|it| it.to_string()),
            Err(expected.to_owned()),
            "{text}"
        );
    };
    check("{", "unexpected end of JSON input");
    check("x", "invalid character 'x' looking for beginning of value");
    check("{\"a\" 1}", "invalid character '1' after object key");
    check("{\"a\":1 \"b\":2}", "invalid character '\"' after object key:value pair");
}

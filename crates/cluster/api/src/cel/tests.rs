//! Expressions and what they give; what is refused; what is too expensive.

use super::{CelError, Input, Program, Variables};
use serde_json::{Value, json};
use teu_kubernetes::types;

fn evaluate(text: &str, object: &Value) -> Result<Value, CelError> {
    let mut variables = Variables::default();
    variables.set("object", Input::Plain(object));
    Program::compile(text, &["object"])?.json(&variables)
}

#[test]
fn expressions() {
    let object = json!({"spec":{"replicas":3,"names":["b","a"],"map":{"a/b":"x"}},"metadata":{"name":"web"}});
    let check = |text: &str, expected: Value| {
        assert_eq!(evaluate(text, &object), Ok(expected), "{text}");
    };
    check("object.spec.replicas <= 5", json!(true));
    check("object.spec.replicas > 5 || object.metadata.name == 'web'", json!(true));
    check("has(object.spec.x) ? 1 : 2", json!(2));
    check("object.spec.names.all(n, n.size() == 1)", json!(true));
    check("object.spec.names.exists(n, n == 'a')", json!(true));
    check("object.spec.names.map(n, n + '!')", json!(["b!", "a!"]));
    check("object.spec.names.filter(n, n != 'a')", json!(["b"]));
    check("object.spec.map['a/b']", json!("x"));
    check("'a/b' in object.spec.map", json!(true));
    check("object.spec.replicas + 1 - 2 * 3 / 2 % 5", json!(1));
    check("'%s has %d'.format([object.metadata.name, object.spec.replicas])", json!("web has 3"));
    check("quantity('1Gi').isGreaterThan(quantity('1Mi'))", json!(true));
    check("object.metadata.name.matches('^w.b$')", json!(true));
    check("'a,b'.split(',').size()", json!(2));
    check("object.spec.names.isSorted()", json!(false));
    check(
        "Object{spec: Object.spec{replicas: object.spec.replicas + 1}, x: [Object.x{y: 1}]}",
        json!({"spec":{"replicas":4},"x":[{"y":1}]}),
    );
    check(
        "[JSONPatch{op: 'add', path: '/a', value: 1}]",
        json!([{"op":"add","path":"/a","value":1}]),
    );
    check("type(object.metadata.name) == string", json!(true));
    check("object.?nothing.orValue('none')", json!("none"));
    check("object.?spec.?nothing.orValue('none')", json!("none"));
    check("object.?nothing.spec.names[0].orValue('none')", json!("none"));
    check("object.?spec.names[0].orValue('none')", json!("b"));
    check("object.spec.names[?5].hasValue()", json!(false));
    check("object.?spec.replicas.value() == 3", json!(true));
    check("optional.of(1).value()", json!(1));
}

#[test]
fn with_a_schema() {
    let schema = types::type_schema("io.k8s.api.core.v1.Pod").expect("a type");
    let pod = json!({"metadata":{"creationTimestamp":"2026-11-26T00:00:00Z","labels":{"a.b/c":"1"}},"spec":{"containers":[{"name":"x"}]}});
    let mut variables = Variables::default();
    variables.set("object", Input::Typed(&pod, &schema));
    let check = |text: &str| {
        let program = Program::compile(text, &["object"]).expect(text);
        assert_eq!(program.holds(&variables), Ok(true), "{text}");
    };
    check("object.metadata.creationTimestamp < timestamp('2027-01-01T00:00:00Z')");
    check("object.metadata.labels['a.b/c'] == '1'");
    check("object.spec.containers.all(c, c.name == 'x')");
    let escapes = ["a.b", "a-b", "a/b", "a__b", "in", "plain"].map(super::convert::escaped);
    assert_eq!(
        escapes,
        ["a__dot__b", "a__dash__b", "a__slash__b", "a__underscores__b", "__in__", "plain"]
    );
}

#[test]
fn refusals() {
    let check = |text: &str, expected: &str| {
        let error = evaluate(text, &json!({"a":1})).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    };
    check("1 +", "compilation failed");
    check("", "compilation failed");
    check("subject.a", "undeclared reference to 'subject'");
    check("object.b", "no such key: b");
    check("object.a == 1 && 1 / 0 == 1", "division by zero");
    check("nothing(1)", "undeclared reference to 'nothing'");
    check("Frob{a: 1}", "undeclared type 'Frob'");
    check("1 / 0", "division by zero");
    check("object.a + 'x'", "");
    check(&"x".repeat(super::MAX_BYTES + 1), "bytes");
    check(&format!("{}1{}", "(".repeat(5000), ")".repeat(5000)), "nested");
    check(&format!("{}1", "1+".repeat(5000)), "nested");
    check(&format!("{}true", "!".repeat(10_000)), "nested");
    check(&format!("object{}", ".a".repeat(5000)), "nested");
    check(&"[".repeat(10_000), "nested");
    let program = Program::compile("1", &[]).expect("a number");
    assert_eq!(
        program.holds(&Variables::default()).map_err(|it| it.to_string()),
        Err("expected bool, got int".to_owned())
    );
}

/// What is just within the limits is parsed and evaluated on a small stack.
#[test]
fn limits_fit_the_stack() {
    let work = || {
        for text in [
            format!("{}1", "1+".repeat(399)),
            format!("{}1{}", "(".repeat(30), ")".repeat(30)),
            format!("{}true", "!".repeat(399)),
            format!("object{}", ".a".repeat(399)),
            format!("{}1{}", "[".repeat(31), "]".repeat(31)),
            format!("{}1", "true ? 1 : ".repeat(60)),
        ] {
            let _ = evaluate(&text, &json!({"a":1}));
        }
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(work).expect("a thread");
    thread.join().expect("no overflow");
}

#[test]
fn runaways() {
    let list: Vec<u32> = (0..1000).collect();
    let object = json!({"l": list, "t": "x".repeat(1000)});
    for text in [
        "object.l.all(a, object.l.all(b, object.l.all(c, a + b + c >= 0)))",
        "object.l.map(a, object.l.map(b, object.l.map(c, c))).size() > 0",
        "object.l.all(a, object.l.all(b, !object.t.matches('y')))",
        "[0,1,2,3,4,5,6,7,8,9].map(a, [0,1,2,3,4,5,6,7,8,9].map(b, object.t + object.t)).size() > 0 && object.l.all(a, object.l.all(b, (object.t + object.t + object.t).size() > 0))",
    ] {
        assert_eq!(evaluate(text, &object), Err(CelError::Budget), "{text}");
    }
    assert_eq!(evaluate("object.l.all(a, object.l.exists(b, a == b))", &object), Ok(json!(true)));
}

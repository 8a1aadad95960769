//! The specification's rules, one by one.

use crate::node::Node;
use crate::normal::{Path, normal};
use crate::schema::{FILE, Kind};
use crate::yaml::{emit, parse};

fn read(text: &str) -> Node {
    let node = parse("f.yaml", text.as_bytes()).expect("YAML").remove(0);
    normal(node, &Kind::Object(&FILE), &Path::default()).expect("canonical")
}

#[track_caller]
fn check(base: &str, over: &str, expected: &str) {
    let service = |body: &str| read(&format!("services:\n  s: {body}\n"));
    let merged = super::merge(service(base), service(over), &FILE);
    assert_eq!(emit(&merged.to_json()), emit(&super::settle(service(expected), &FILE).to_json()));
}

#[test]
fn scalars_give_way() {
    check("{image: a}", "{image: b}", "{image: b}");
    check("{image: a, hostname: h}", "{tty: true}", "{image: a, hostname: h, tty: true}");
}

#[test]
fn mappings_merge_in_both_forms() {
    check(
        "{environment: {A: 1, B: 2}}",
        "{environment: [B=3, C]}",
        "{environment: {A: 1, B: 3, C: }}",
    );
    check("{labels: [a=b]}", "{labels: {a: c, d: 1}}", "{labels: {a: c, d: 1}}");
    check("{build: .}", "{build: {args: {A: 1}}}", "{build: {context: ., args: {A: 1}}}");
    check("{sysctls: {a: 1}}", "{sysctls: [a=2]}", "{sysctls: {a: 2}}");
    check(
        "{extra_hosts: [a=1.1.1.1]}",
        "{extra_hosts: {a: 1.1.1.1, b: 2.2.2.2}}",
        "{extra_hosts: [a=1.1.1.1, b=2.2.2.2]}",
    );
    check(
        "{depends_on: [a]}",
        "{depends_on: {a: {condition: service_healthy}, b: {condition: service_started}}}",
        "{depends_on: {a: {condition: service_healthy}, b: {condition: service_started}}}",
    );
    check(
        "{networks: [a]}",
        "{networks: {a: {aliases: [x]}, b: }}",
        "{networks: {a: {aliases: [x]}, b: }}",
    );
    check(
        "{networks: {a: {aliases: [x]}}}",
        "{networks: [a, b]}",
        "{networks: {a: {aliases: [x]}, b: }}",
    );
    check("{ulimits: {nofile: 10}}", "{ulimits: {nproc: 5}}", "{ulimits: {nofile: 10, nproc: 5}}");
}

#[test]
fn lists_are_appended_and_doubles_replaced() {
    check("{dns: 1.1.1.1}", "{dns: [8.8.8.8, 1.1.1.1]}", "{dns: [1.1.1.1, 8.8.8.8]}");
    check("{expose: [80]}", "{expose: ['80', '81']}", "{expose: ['80', '81']}");
    check("{ports: ['80:80']}", "{ports: ['81:80', '80:80']}", "{ports: ['80:80', '81:80']}");
    check("{ports: ['80:80']}", "{ports: [{target: 80, published: 80}]}", "{ports: ['80:80']}");
    check(
        "{volumes: ['a:/x', 'b:/y']}",
        "{volumes: ['c:/x:ro']}",
        "{volumes: ['c:/x:ro', 'b:/y']}",
    );
    check(
        "{secrets: [a]}",
        "{secrets: [{source: b, target: /run/secrets/a}]}",
        "{secrets: [{source: b, target: /run/secrets/a}]}",
    );
    check(
        "{configs: [a, b]}",
        "{configs: [{source: c, target: /a}]}",
        "{configs: [{source: c, target: /a}, b]}",
    );
    check(
        "{env_file: a}",
        "{env_file: [b, {path: a, required: false}]}",
        "{env_file: [{path: a, required: false}, b]}",
    );
    check("{tmpfs: /a}", "{tmpfs: [/b]}", "{tmpfs: [/a, /b]}");
    check("{cap_add: [A]}", "{cap_add: [B, A]}", "{cap_add: [A, B]}");
    check("{devices: ['/a:/x']}", "{devices: ['/b:/x:r']}", "{devices: ['/b:/x:r']}");
}

#[test]
fn commands_and_probes_are_replaced() {
    check("{command: a b}", "{command: [c]}", "{command: [c]}");
    check("{entrypoint: a}", "{entrypoint: ''}", "{entrypoint: []}");
    check(
        "{healthcheck: {test: a, interval: 1s}}",
        "{healthcheck: {test: [CMD, b]}}",
        "{healthcheck: {test: [CMD, b], interval: 1s}}",
    );
}

#[test]
fn logging_merges_for_the_same_driver() {
    check(
        "{logging: {driver: json-file, options: {max-size: 1m}}}",
        "{logging: {options: {max-file: 3}}}",
        "{logging: {driver: json-file, options: {max-size: 1m, max-file: 3}}}",
    );
    check(
        "{logging: {driver: json-file, options: {max-size: 1m}}}",
        "{logging: {driver: none}}",
        "{logging: {driver: none}}",
    );
}

#[test]
fn tags_reset_and_override() {
    check("{image: a, ports: ['80:80']}", "{ports: !reset []}", "{image: a}");
    check("{image: a, command: x}", "{command: !reset null}", "{image: a}");
    check(
        "{environment: {A: 1, B: 2}}",
        "{environment: {A: !reset null}}",
        "{environment: {B: 2}}",
    );
    check("{ports: ['80:80']}", "{ports: !override ['81:81']}", "{ports: ['81:81']}");
    check(
        "{build: {context: a, args: {A: 1}}}",
        "{build: !override {context: b}}",
        "{build: {context: b}}",
    );
    let whole = |text: &str| super::settle(read(text), &FILE).to_json();
    let merged = super::merge(
        read("services: {a: {image: x}, b: {image: y}}\n"),
        read("services: {b: !reset null}\n"),
        &FILE,
    );
    assert_eq!(merged.to_json(), whole("services: {a: {image: x}}\n"));
}

#[test]
fn extensions_are_replaced() {
    check("{x-a: {b: 1}}", "{x-a: {c: 2}}", "{x-a: {c: 2}}");
}

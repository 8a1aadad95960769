//! Short forms, types, near misses.

use super::*;
use crate::schema::SERVICE;
use crate::yaml::{emit, parse};

fn read(text: &str) -> Result<Node, Fault> {
    let node = parse("f.yaml", text.as_bytes()).expect("YAML").remove(0);
    normal(node, &Kind::Object(&SERVICE), &Path::default().then("services").then("s"))
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let node = read(text).expect(text);
    assert_eq!(emit(&node.to_json()), expected, "{text}");
    let again = parse("f.yaml", expected.as_bytes()).expect("YAML").remove(0);
    let again = normal(again, &Kind::Object(&SERVICE), &Path::default()).expect("canonical");
    assert_eq!(again, node, "normalising twice: {text}");
}

#[track_caller]
fn said(text: &str) -> String {
    read(text).expect_err(text).to_string()
}

#[test]
fn ports() {
    let entry = |fields: &str| format!("ports:\n{fields}");
    check("ports: [3000]", &entry("  - mode: ingress\n    target: 3000\n    protocol: tcp\n"));
    check(
        "ports: ['8000:80/udp']",
        &entry("  - mode: ingress\n    target: 80\n    published: \"8000\"\n    protocol: udp\n"),
    );
    check(
        "ports: ['127.0.0.1:5000-5001:6000-6001']",
        &entry(
            "  - mode: ingress\n    host_ip: 127.0.0.1\n    target: 6000\n    published: \"5000\"\n    protocol: tcp\n  - mode: ingress\n    host_ip: 127.0.0.1\n    target: 6001\n    published: \"5001\"\n    protocol: tcp\n",
        ),
    );
    check(
        "ports: ['8000-8010:80']",
        &entry("  - mode: ingress\n    target: 80\n    published: 8000-8010\n    protocol: tcp\n"),
    );
    check(
        "ports: ['[::1]:80:81', '127.0.0.1::82']",
        &entry(
            "  - mode: ingress\n    host_ip: ::1\n    target: 81\n    published: \"80\"\n    protocol: tcp\n  - mode: ingress\n    host_ip: 127.0.0.1\n    target: 82\n    protocol: tcp\n",
        ),
    );
    check(
        "ports: [{target: '80', published: 8080, x-a: 1}]",
        &entry(
            "  - mode: ingress\n    target: 80\n    published: \"8080\"\n    protocol: tcp\n    x-a: 1\n",
        ),
    );
    for (text, reason) in [
        ("ports: ['a:80']", "invalid hostPort: a"),
        ("ports: ['80:']", "no port specified"),
        ("ports: ['80/icmp']", "invalid proto: icmp"),
        ("ports: ['80-82:90-91']", "invalid ranges"),
        ("ports: ['1.2.3:80:80']", "invalid IP address"),
        ("ports: ['0']", "invalid containerPort"),
        ("ports: 80", "must be a list"),
        ("ports: [{published: 80}]", "property 'target' is required"),
    ] {
        assert!(said(text).contains(reason), "{text}: {}", said(text));
    }
}

#[test]
fn volumes() {
    let bind = "    bind:\n      create_host_path: true\n";
    check("volumes: [/data]", "volumes:\n  - type: volume\n    target: /data\n    volume: {}\n");
    check(
        "volumes: ['data:/data:ro']",
        "volumes:\n  - type: volume\n    source: data\n    target: /data\n    read_only: true\n    volume: {}\n",
    );
    check(
        "volumes: ['./a:/b']",
        &format!("volumes:\n  - type: bind\n    source: ./a\n    target: /b\n{bind}"),
    );
    check(
        "volumes: ['~/a:/b:ro,z,rslave']",
        "volumes:\n  - type: bind\n    source: ~/a\n    target: /b\n    read_only: true\n    bind:\n      selinux: z\n      propagation: rslave\n      create_host_path: true\n",
    );
    check(
        "volumes: ['v:/d:nocopy,cached']",
        "volumes:\n  - type: volume\n    source: v\n    target: /d\n    consistency: cached\n    volume:\n      nocopy: true\n",
    );
    check(
        "volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1m, mode: 01777}}]",
        "volumes:\n  - type: tmpfs\n    target: /t\n    tmpfs:\n      size: \"1048576\"\n      mode: \"01777\"\n",
    );
    assert!(said("volumes: ['a:/b:ro:x']").contains("too many colons"));
    assert!(said("volumes: [':/b']").contains("empty section"));
    assert!(said("volumes: [{type: bnd, target: /t}]").contains("must be one of bind, volume"));
}

#[test]
fn commands_probes_and_times() {
    check(
        "command: bundle exec 'a b' \"c d\"",
        "command:\n  - bundle\n  - exec\n  - a b\n  - c d\n",
    );
    check("command: [a, 3]", "command:\n  - a\n  - \"3\"\n");
    check("entrypoint: ''", "entrypoint: []\n");
    check("healthcheck: {test: curl x}", "healthcheck:\n  test:\n    - CMD-SHELL\n    - curl x\n");
    check(
        "healthcheck: {interval: 90s, timeout: 1.5s, start_period: 1h, retries: '5'}",
        "healthcheck:\n  timeout: 1.5s\n  interval: 1m30s\n  retries: 5\n  start_period: 1h0m0s\n",
    );
    check("stop_grace_period: 100ms", "stop_grace_period: 100ms\n");
    check("stop_grace_period: 1d", "stop_grace_period: 24h0m0s\n");
    assert!(said("healthcheck: {test: [curl]}").contains("NONE, CMD and CMD-SHELL"));
    assert!(said("stop_grace_period: 10").contains("a duration"));
    assert!(said("stop_grace_period: soon").contains("invalid duration"));
    assert!(said("command: it's").contains("not closed"));
}

#[test]
fn sizes_and_numbers() {
    check("mem_limit: 64m", "mem_limit: \"67108864\"\n");
    check("mem_limit: 1000", "mem_limit: \"1000\"\n");
    check("memswap_limit: -1", "memswap_limit: \"-1\"\n");
    check("cpus: '0.5'", "cpus: 0.5\n");
    check("cpus: 2", "cpus: 2\n");
    check("privileged: 'yes'", "privileged: true\n");
    check(
        "ulimits: {nproc: 65535, nofile: {soft: 1, hard: '2'}}",
        "ulimits:\n  nofile:\n    soft: 1\n    hard: 2\n  nproc:\n    single: 65535\n",
    );
    assert!(said("mem_limit: 64q").contains("invalid size"));
    assert!(said("privileged: maybe").contains("must be a boolean, and is a string"));
}

#[test]
fn the_rest_of_the_short_forms() {
    check(
        "depends_on: [b, a]",
        "depends_on:\n  a:\n    condition: service_started\n    required: true\n  b:\n    condition: service_started\n    required: true\n",
    );
    check("networks: [b, a]", "networks:\n  a: null\n  b: null\n");
    check("environment: [A=1, B, C=]", "environment:\n  A: \"1\"\n  B: null\n  C: \"\"\n");
    check(
        "environment: {A: 1.10, B: true, C: }",
        "environment:\n  A: \"1.1\"\n  B: \"true\"\n  C: null\n",
    );
    check("env_file: a.env", "env_file:\n  - path: a.env\n    required: true\n");
    check("build: ./dir", "build:\n  context: ./dir\n");
    check("secrets: [a]", "secrets:\n  - source: a\n");
    check(
        "secrets: [{source: a, mode: 0440, uid: 1}]",
        "secrets:\n  - source: a\n    uid: \"1\"\n    mode: \"0440\"\n",
    );
    check(
        "extra_hosts: ['a:1.1.1.1', 'b=[::1]', 'c:::1']",
        "extra_hosts:\n  - a=1.1.1.1\n  - b=::1\n  - c=::1\n",
    );
    check(
        "devices: ['/dev/a:/dev/b']",
        "devices:\n  - source: /dev/a\n    target: /dev/b\n    permissions: rwm\n",
    );
    check("extends: base", "extends:\n  service: base\n");
    check("image: x\nx-own: {b: 1}", "image: x\nx-own:\n  b: 1\n");
}

#[test]
fn what_is_refused_says_where_and_what_was_meant() {
    assert_eq!(
        said("image: x\nenviroment: {A: 1}\n"),
        "validating f.yaml:2:1: services.s: additional property 'enviroment' is not allowed: did you mean 'environment'?"
    );
    assert_eq!(
        said("healthcheck:\n  tst: x\n"),
        "validating f.yaml:2:3: services.s.healthcheck: additional property 'tst' is not allowed: did you mean 'test'?"
    );
    assert!(said("image: [a]").contains("services.s.image: must be a string, and is a list"));
    assert!(
        said("depends_on: {a: {condition: healthy}}")
            .contains("services.s.depends_on.a.condition: must be one of service_started")
    );
}

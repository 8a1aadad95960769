//! `config` against Docker's own Compose (Debian 13's, unpacked by `scripts/trixie`): the same files,
//! the same canonical model, the same hashes.

use super::Compose;
use crate::world::{Said, World};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Docker Compose 2, run on its own.
fn oracle() -> PathBuf {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let got = Command::new(checkout.join("scripts/trixie")).arg("docker-compose").status();
    assert!(got.expect("scripts/trixie runs").success(), "Docker's Compose could not be fetched");
    let clients = std::env::var_os("TEU_TEST_CLIENTS");
    let clients = clients.map_or_else(|| checkout.join(".cache/clients"), PathBuf::from);
    clients.join("trixie/usr/libexec/docker/cli-plugins/docker-compose")
}

fn docker(program: &Path, compose: &Compose<'_>, line: &str) -> Said {
    let mut command = Command::new(program);
    command.args(line.split_whitespace()).current_dir(&compose.folder);
    command.env("DOCKER_HOST", "unix:///nonexistent").envs(compose.variables.iter().cloned());
    command.output().expect("Docker's Compose runs").into()
}

/// Names and contents of files.
type Files = &'static [(&'static str, &'static str)];

/// Files, and what is asked of them.
const CASES: &[(Files, &[&str])] = &[
    (
        &[
            ("compose.yaml", include_str!("full.yaml")),
            ("e.env", "A=from_file\nB=\"b c\"\n"),
            (".env", "TAG=7\n"),
        ],
        &["config", "config --format json", "config --volumes"],
    ),
    (
        &[
            (
                "compose.yaml",
                "services:\n  a: {image: x, environment: [A=1, B=2], ports: ['80:80'], volumes: ['./a:/a'], command: one}\n",
            ),
            (
                "compose.override.yaml",
                "services:\n  a: {environment: {B: 3, C: }, ports: ['81:81'], volumes: ['./b:/a'], command: [two]}\n  b: {image: y, depends_on: [a]}\n",
            ),
        ],
        &["config", "config --services", "config --hash a"],
    ),
    (
        &[
            (
                "compose.yaml",
                "services:\n  a: {extends: {file: sub/base.yaml, service: base}, image: i, labels: {own: '1'}}\n  c: {extends: a, hostname: c}\n",
            ),
            (
                "sub/base.yaml",
                "services:\n  base: {build: ./ctx, labels: [base=1, own=0], volumes: ['./v:/v'], cap_add: [NET_ADMIN]}\n",
            ),
        ],
        &["config"],
    ),
    (
        &[
            (
                "compose.yaml",
                "include: [sub/compose.yaml]\nservices: {a: {image: x, depends_on: {b: {condition: service_healthy}}}}\n",
            ),
            (
                "sub/compose.yaml",
                "services: {b: {image: y, volumes: ['./d:/d', 'vol:/v'], healthcheck: {test: [CMD, 'true']}}}\nvolumes: {vol: }\n",
            ),
        ],
        &["config", "config --volumes"],
    ),
    (
        &[
            (
                "compose.yaml",
                "x-base: &base {image: x, restart: always}\nservices:\n  a: {<<: *base, ports: ['80:80'], environment: {A: 1, B: 2}}\n  b: {<<: *base, profiles: [p]}\n",
            ),
            (
                "compose.override.yaml",
                "services:\n  a: {ports: !override ['81:81'], environment: {B: !reset null}}\n",
            ),
        ],
        &["config", "--profile p config", "config --services"],
    ),
    (
        &[(
            "compose.yaml",
            "services:\n  a: {image: 'x:${UNSET:-d}', command: 'echo $$HOME ${SET:+yes} ${SET-no}', environment: {Q: '#q', T: 'true', N: '1e3', D: '2026-01-02', M: \"a\\nb\\n\", S: '22:22'}}\n",
        )],
        &["config"],
    ),
];

#[test]
fn the_model_is_dockers() {
    let program = oracle();
    for (files, lines) in CASES {
        let world = World::empty();
        let mut compose = Compose::of(&world, files[0].1);
        compose.set("SET", "set");
        compose.set("HOME", "/home/me");
        for (name, text) in &files[1..] {
            world.file(&format!("p/{name}"), text);
        }
        for line in *lines {
            let (theirs, ours) = (docker(&program, &compose, line), compose.line(line));
            assert_eq!(ours.ok(), theirs.ok(), "{line}: {}", files[0].1);
        }
    }
}

#[test]
fn what_docker_refuses_is_refused() {
    let program = oracle();
    let world = World::empty();
    let compose = Compose::of(&world, "");
    for text in [
        "services: {a: {imagee: x}}",
        "services: {a: {image: x, ports: ['a:b']}}",
        "services: {a: {ports: ['80']}}",
        "services: {a: {image: x, depends_on: [b]}}",
        "services: {a: {image: x, depends_on: [b]}, b: {image: y, depends_on: [a]}}",
        "services: {a: {image: x, volumes: ['data:/d']}}",
        "services: {a: {image: x, networks: [n]}}",
        "services: {a: {image: '${X:?none}'}}",
        "services: {a: {image: '${'}}",
        "services: {a: {image: x, healthcheck: {interval: soon}}}",
        "services: {a: {image: x, mem_limit: much}}",
        "services: {a: {image: x, secrets: [s]}}",
        "services: [a]",
        "servces: {a: {image: x}}",
        "services: {a: {image: x, extends: {service: none}}}",
        "services:\n  a: {image: x}\n  a: {image: y}\n",
    ] {
        compose.write("compose.yaml", text);
        let (theirs, ours) = (docker(&program, &compose, "config -q"), compose.line("config -q"));
        assert_ne!(theirs.code, 0, "Docker takes {text:?}");
        assert_ne!(ours.code, 0, "{text:?} is taken");
        assert!(!ours.err.is_empty());
    }
}

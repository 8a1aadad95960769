//! Libraries that speak to Docker: docker-py and testcontainers, from PyPI (`scripts/clients`).

use super::{Engine, finish};
use crate::world::World;
use std::path::{Path, PathBuf};
use std::process::Command;

pub fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/clients/python/bin/python");
    assert!(python.exists(), "{} is missing: scripts/clients", python.display());
    python
}

fn run(engine: &Engine, script: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/engine").join(script);
    let mut command = Command::new(python());
    command
        .arg(script)
        .env("DOCKER_HOST", format!("unix://{}", engine.socket.display()))
        .env("TESTCONTAINERS_RYUK_DISABLED", "true");
    let output = finish(&mut command);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && out.contains("all is well"), "{out}\n{err}");
}

#[test]
fn docker_py() {
    let world = World::busybox();
    run(&Engine::start(&world), "docker_py.py");
}

#[test]
fn testcontainers() {
    let world = World::empty();
    world.load("redis");
    run(&Engine::start(&world), "testcontainers_redis.py");
}

//! The API server: how soon it is ready, what it costs, creates, lists, deletions, many watchers. A
//! program of the server's own does it (`teu-server`'s `examples/bench.rs`), over TLS, against the
//! binary. The real API server runs on no machine of ours; its figures stand in `docs/server.md`.

use super::super::{Row, World};
use super::store::row;
use anyhow::{Context, Result, ensure};
use std::process::Command;

pub fn run(world: &World<'_>) -> Result<Vec<Row>> {
    let folder = world.scratch.join("api");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--release", "--quiet", "--package", "teu-server", "--example", "bench"]);
    cargo.arg("--").arg(&folder).arg(&world.teu).arg("--root").arg(&folder);
    cargo.args(["server", "--bind", "127.0.0.1:0"]);
    let output = cargo.output().context("cargo does not start")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the API's bench failed: {}", errors.trim());
    let lines = String::from_utf8(output.stdout)?;
    lines.lines().map(|line| row("api", line, 1)).collect()
}

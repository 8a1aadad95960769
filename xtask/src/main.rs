//! Automation: `cargo xtask tidy | ci | kubernetes | bench`.
//!
//! Programs, not scripts, so that they are checked like everything else and run on any machine that
//! has the toolchain.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a command line")]

use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

mod bench;
mod kubernetes;
mod tidy;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  tidy [--accept]   check the rules of the house; --accept writes xtask/ratchet.txt anew
  ci                formatting, lints, tidy, tests
  kubernetes FROM…  write the table of Kubernetes' types anew (see docs/design/kubernetes.md)
  bench [CASE…]     compare with the incumbents in one run (see `bench --help`)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["tidy"] => tidy::run(&root(), tidy::Ratchet::Check),
        ["tidy", "--accept"] => tidy::run(&root(), tidy::Ratchet::Write),
        ["ci"] => ci(),
        ["kubernetes", sources @ ..] => kubernetes::run(&root(), sources),
        ["bench", cases @ ..] => bench::run(&root(), cases),
        _ => bail!("{USAGE}"),
    }
}

/// Everything that has to pass before a change is published.
fn ci() -> Result<()> {
    cargo(&["fmt", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    tidy::run(&root(), tidy::Ratchet::Check)?;
    cargo(&["test", "--workspace"])
}

fn cargo(arguments: &[&str]) -> Result<()> {
    println!("$ cargo {}", arguments.join(" "));
    let status = Command::new(env!("CARGO")).args(arguments).current_dir(root()).status()?;
    if status.success() { Ok(()) } else { bail!("cargo {} failed", arguments.join(" ")) }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or_else(|| Path::new(".")).to_owned()
}

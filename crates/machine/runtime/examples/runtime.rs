//! `teu runtime` without the rest of Teu: for tests and measurements of the runtime alone.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    teu_runtime::cli::main(&arguments)
}

//! The `teu` binary: which role is asked for, and off to it.
//!
//! The roles that other programs start (`shim`, `build-step`, `runtime`) come first: they are on the
//! path of every container's start and never look at the command line's tables.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    if program.as_encoded_bytes().ends_with(b"teu-runtime") {
        let arguments: Vec<OsString> = std::iter::once(program).chain(arguments).collect();
        return teu_runtime::cli::main(&arguments);
    }
    if program.as_encoded_bytes().ends_with(b"docker-init") {
        let code = teu_containers::shim::init(arguments);
        return ExitCode::from(u8::try_from(code).unwrap_or(125));
    }
    let mut arguments = arguments.peekable();
    match arguments.peek().and_then(|word| word.to_str()) {
        Some("shim") => {
            let code = teu_containers::shim::main(arguments.skip(1));
            ExitCode::from(u8::try_from(code).unwrap_or(125))
        }
        Some("build-step") => ExitCode::from(teu_builder::build_step()),
        Some("runtime") => teu_runtime::cli::main(&arguments.collect::<Vec<OsString>>()),
        _ => {
            // What a caller left open by accident must not live on in a shim: somebody may wait for
            // the end of that pipe.
            let _ = teu_sys::descriptors::close_on_exec_from(3);
            ExitCode::from(teu_cli::main(arguments))
        }
    }
}

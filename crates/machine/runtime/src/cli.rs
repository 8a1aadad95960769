//! `teu runtime …`: runc's command line on top of the library.

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs one command. `arguments` begin with the name the program was called by.
#[must_use]
pub fn main(arguments: &[OsString]) -> ExitCode {
    let _ = arguments;
    ExitCode::FAILURE
}

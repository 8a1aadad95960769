//! `teu runtime …`: runc's command line. Listed here for the overview; `teu` dispatches it before
//! anything else is set up, see its `main`.

use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Matches, Order};

/// The command.
pub const RUNTIME: Command = Command {
    usage: "COMMAND [ARG...]",
    arity: Arity::AtLeast(0),
    order: Order::FlagsFirst,
    examples: &[(
        "podman --runtime /usr/local/bin/teu-runtime run …",
        "a link of that name to teu",
    )],
    ..Command::new(
        "runtime",
        "Run OCI bundles, as runc does (for podman, dockerd, containerd)",
        run,
    )
};

fn run(_: &Context, matches: &Matches) -> Result<u8> {
    let words = std::iter::once("runtime").chain(matches.operands.iter().map(String::as_str));
    let words: Vec<std::ffi::OsString> = words.map(std::ffi::OsString::from).collect();
    let code = teu_runtime::cli::main(&words);
    Ok(u8::from(code != std::process::ExitCode::SUCCESS))
}

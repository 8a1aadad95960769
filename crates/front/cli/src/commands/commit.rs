//! `teu commit`: an image of what a container is now.

use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::options::boolean;
use teu_containers::pending::CommitRequest;
use teu_oci::Reference;

/// The command.
pub const COMMIT: Command = Command {
    usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    arity: Arity::Between(1, 2),
    flags: &[&[
        Flag::text(
            "author",
            "string",
            "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")",
        )
        .short('a'),
        Flag::list("change", "Apply Dockerfile instruction to the created image").short('c'),
        Flag::text("message", "string", "Commit message").short('m'),
        Flag::text("pause", "bool", "Pause container during commit (default true)").short('p'),
    ]],
    operands: Completes::Containers,
    examples: &[("teu commit -c 'CMD [\"app\"]' web app:2", "with another command")],
    ..Command::new("commit", "Create a new image from a container's changes", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let names = match matches.operands.get(1) {
        None => Vec::new(),
        Some(name) => vec![name.parse::<Reference>()?],
    };
    let request = CommitRequest {
        config: None,
        names,
        author: matches.nonempty("author").map(str::to_owned),
        message: matches.nonempty("message").map(str::to_owned),
        changes: matches.list("change").into_iter().map(str::to_owned).collect(),
        pause: matches.nonempty("pause").and_then(boolean).unwrap_or(true),
    };
    let id = ctx.containers()?.commit(matches.operand(0), &request)?;
    ctx.line(id.as_str())?;
    Ok(0)
}

//! `teu rm`: containers, and with `-v` their anonymous volumes.

use super::each;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use teu_containers::lifecycle::Remove;

/// The command.
pub const RM: Command = Command {
    aliases: &["remove"],
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeast(1),
    flags: &[&[
        Flag::switch("force", "Force the removal of a running container (uses SIGKILL)").short('f'),
        Flag::switch("link", "Remove the specified link").short('l').hidden(),
        Flag::switch("volumes", "Remove anonymous volumes associated with the container")
            .short('v'),
    ]],
    operands: Completes::Containers,
    examples: &[("teu rm -fv web", "running or not, with its anonymous volumes")],
    ..Command::new("rm", "Remove one or more containers", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    if matches.switch("link") {
        return Err(Failure::new("--link: links are names here, they go with their container"));
    }
    let remove = Remove { force: matches.switch("force"), volumes: matches.switch("volumes") };
    let containers = ctx.containers()?;
    each(ctx, &matches.operands, |name| match containers.remove(name, remove) {
        Ok(()) => Ok(Some(name.to_owned())),
        // As Docker: what should not be there is not there.
        Err(error @ teu_containers::Error::NoSuchContainer(_)) if remove.force => {
            crate::context::complain(&error.to_string());
            Ok(None)
        }
        Err(error) => Err(error.into()),
    })
}

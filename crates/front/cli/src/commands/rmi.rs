//! `teu rmi`: names of images, and with the last name the image.

use super::each;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use teu_images::{RemoveRequest, Removed};

/// The command.
pub const RMI: Command = Command {
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    arity: Arity::AtLeast(1),
    flags: &[&[
        Flag::switch("force", "Force removal of the image").short('f'),
        Flag::switch("no-prune", "Do not delete untagged parents").hidden(),
        Flag::list("platform", "Remove only the given platform variant").hidden(),
    ]],
    operands: Completes::Images,
    examples: &[("teu rmi app:1 app:2", "two names; layers go with the last")],
    ..Command::new("rmi", "Remove one or more images", run)
};

/// `image rm`.
pub const RM: Command = Command { name: "rm", aliases: &["remove"], ..RMI };

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    if matches.given("platform") {
        return Err(Failure::new(
            "--platform is not supported: an image goes with all its variants",
        ));
    }
    let store = ctx.images()?;
    let force = matches.switch("force");
    each(ctx, &matches.operands, |text| {
        let in_use = ctx.containers()?.images_in_use()?;
        let request = RemoveRequest { text, force, in_use: &in_use };
        match store.remove(&request) {
            Ok(removed) => Ok(Some(lines(&removed).join("\n"))),
            Err(teu_images::Error::NoSuchImage { .. }) if force => Ok(None),
            Err(teu_images::Error::NoSuchImage { near, .. }) => {
                let failure = Failure::new(format!("No such image: {text}"));
                Err(match near {
                    Some(near) => failure.hint(format!("did you mean {near}?")),
                    None => failure,
                })
            }
            Err(error) => Err(error.into()),
        }
    })
}

/// `Untagged: …`, `Deleted: …`
pub fn lines(removed: &[Removed]) -> Vec<String> {
    let line = |removed: &Removed| match removed {
        Removed::Untagged(name) => format!("Untagged: {}", name.familiar()),
        Removed::Deleted(digest) => format!("Deleted: {digest}"),
    };
    removed.iter().map(line).collect()
}

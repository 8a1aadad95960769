//! `teu tag`: one more name for an image.

use super::pull::missing;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Matches};
use teu_oci::Reference;

/// The command.
pub const TAG: Command = Command {
    usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    arity: Arity::Exactly(2),
    operands: Completes::Images,
    examples: &[("teu tag app localhost:5000/app:1", "then: teu push localhost:5000/app:1")],
    ..Command::new("tag", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let name: Reference = matches.operand(1).parse()?;
    if name.digest.is_some() {
        return Err(Failure::new("refusing to create a tag with a digest reference"));
    }
    let image = find(ctx, matches.operand(0))?;
    ctx.images()?.tag(&image, &name)?;
    Ok(0)
}

/// An image by name or id, or Docker's words that it is not there.
pub fn find(ctx: &Context, text: &str) -> Result<teu_images::Image> {
    match ctx.images()?.resolve(text) {
        Ok(image) => Ok(image),
        Err(teu_images::Error::NoSuchImage { near, .. }) => {
            let failure = Failure::new(format!("No such image: {text}"));
            Err(match near {
                Some(near) => failure.hint(format!("did you mean {near}?")),
                None if text.contains(':') => failure,
                None => Failure { hint: missing(text, None).hint, ..failure },
            })
        }
        Err(error) => Err(error.into()),
    }
}

//! `teu container|image|network|pod|volume exists`: podman's answer for scripts, which is the exit code.

use super::inspect::Kind;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Matches};

const fn of(
    about: &'static str,
    operands: Completes,
    example: &'static [(&'static str, &'static str)],
    run: fn(&Context, &Matches) -> Result<u8>,
) -> Command {
    Command {
        usage: "NAME|ID",
        arity: Arity::Exactly(1),
        operands,
        examples: example,
        ..Command::new("exists", about, run)
    }
}

/// `container exists`.
pub const CONTAINER: Command = of(
    "Say by the exit code whether a container exists: 0, or 1",
    Completes::Containers,
    &[("teu container exists web || teu run -d --name web nginx", "it prints nothing")],
    |ctx, matches| answer(ctx, matches, ("container", super::container::look_up)),
);
/// `image exists`.
pub const IMAGE: Command = of(
    "Say by the exit code whether an image exists: 0, or 1",
    Completes::Images,
    &[("teu image exists app || teu build -t app .", "it prints nothing")],
    |ctx, matches| answer(ctx, matches, ("image", super::image::look_up)),
);
/// `network exists`.
pub const NETWORK: Command = of(
    "Say by the exit code whether a network exists: 0, or 1",
    Completes::Networks,
    &[("teu network exists back || teu network create back", "it prints nothing")],
    |ctx, matches| answer(ctx, matches, ("network", super::network::look_up)),
);
/// `pod exists`.
pub const POD: Command = of(
    "Say by the exit code whether a pod exists: 0, or 1",
    Completes::Pods,
    &[("teu pod exists shop && teu pod rm -f shop", "it prints nothing")],
    |ctx, matches| answer(ctx, matches, ("pod", super::pod::look_up)),
);
/// `volume exists`.
pub const VOLUME: Command = of(
    "Say by the exit code whether a volume exists: 0, or 1",
    Completes::Volumes,
    &[("teu volume exists data || teu volume create data", "it prints nothing")],
    |ctx, matches| answer(ctx, matches, ("volume", super::volume::look_up)),
);

fn answer(ctx: &Context, matches: &Matches, (_, look_up): Kind) -> Result<u8> {
    match look_up(ctx, matches.operand(0), false)? {
        Some(_) => Ok(0),
        None => Err(Failure::silent(1)),
    }
}

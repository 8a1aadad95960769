//! `teu start`: containers that exist.

use super::each;
use super::pull::{When, ensure};
use super::run::keys;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::foreground::{Ended, Manner, hold_signals, stay};
use crate::options::{OptionError, boolean};
use crate::streams::{Wanted, for_container};
use teu_containers::lifecycle::{Attach, Session};
use teu_images::Readiness;

/// The command.
pub const START: Command = Command {
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeast(1),
    flags: &[&[
        Flag::switch("attach", "Attach STDOUT/STDERR and forward signals").short('a'),
        Flag::text("detach-keys", "string", "Override the key sequence for detaching a container"),
        Flag::switch("interactive", "Attach container's STDIN").short('i'),
        Flag::text("sig-proxy", "bool", "Proxy received signals to the process (default true)")
            .hidden(),
    ]],
    operands: Completes::Stopped,
    examples: &[("teu start -ai shell", "and stay with it")],
    ..Command::new("start", "Start one or more stopped containers", run)
};

/// `--sig-proxy`.
pub fn proxies(matches: &Matches) -> Result<bool> {
    match matches.text("sig-proxy") {
        None => Ok(true),
        Some(text) => boolean(text)
            .ok_or_else(|| OptionError::value("sig-proxy", text, "expected true or false").into()),
    }
}

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let containers = ctx.containers()?;
    let stays = matches.switch("attach") || matches.switch("interactive");
    if !stays {
        return each(ctx, &matches.operands, |name| {
            begin(ctx, name, Attach::default)?;
            Ok(Some(name.to_owned()))
        });
    }
    if matches.operands.len() > 1 {
        return Err(Failure::new("you cannot start and attach multiple containers at once"));
    }
    let found = containers.find(matches.operand(0))?;
    let record = found.record;
    let stdin = matches.switch("interactive") && record.stdin_open;
    let wanted = Wanted { stdin, stdout: true, stderr: !record.tty };
    let keys = keys(matches)?;
    let (theirs, ours) = for_container(wanted)?;
    let proxy = proxies(matches)? && !record.tty;
    let keys = (wanted.stdin && record.tty).then_some(keys);
    let manner = Manner { id: record.id, terminal: record.tty, keys, proxy };
    hold_signals(&manner)?;
    let session = containers.start(&manner.id, theirs)?;
    match stay(containers, session, ours, &manner)? {
        Ended::Exited(code) => Ok(u8::try_from(code & 255).unwrap_or(255)),
        Ended::Detached => Ok(0),
    }
}

/// Starts a container. Where its image was pulled lazily and that came to nothing, the image is
/// fetched first.
fn begin(ctx: &Context, name: &str, streams: impl Fn() -> Attach) -> Result<Session> {
    let containers = ctx.containers()?;
    match containers.start(name, streams()) {
        Ok(session) => Ok(session),
        Err(error) => {
            let name_of_image = containers.find(name)?.record.image;
            let images = ctx.images()?;
            // Only what is here and not whole: a container outlives the name of its image.
            let is_broken = images
                .resolve(&name_of_image)
                .is_ok_and(|image| images.readiness(&image) == Readiness::Broken);
            if !is_broken || !ensure(ctx, &name_of_image, None, (When::Missing, false))? {
                return Err(error.into());
            }
            Ok(containers.start(name, streams())?)
        }
    }
}

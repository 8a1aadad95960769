//! `teu create`: a container that does not run yet.

use super::pull::{When, ensure};
use crate::container_flags::CONTAINER;
use crate::context::{Context, warn};
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Matches, Order};
use crate::request::request;
use teu_containers::create::{CreateRequest, Created};
use teu_oci::Platform;

/// The command.
pub const CREATE: Command = Command {
    usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    arity: Arity::AtLeast(1),
    order: Order::FlagsFirst,
    flags: &[CONTAINER],
    operands: Completes::Images,
    examples: &[("teu create --name web -p 8080:80 nginx", "then: teu start web")],
    ..Command::new("create", "Create a new container", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let mut request = request(ctx, matches)?;
    request.container.stdin_once = request.container.stdin_open;
    let created = create(ctx, matches, request)?;
    ctx.line(&created.id)?;
    Ok(0)
}

/// Makes the container of a request, and prints warnings.
pub fn create(ctx: &Context, matches: &Matches, request: CreateRequest) -> Result<Created> {
    let cidfile = request.container.cidfile.clone();
    if let Some(path) = &cidfile
        && path.symlink_metadata().is_ok()
    {
        return Err(Failure::new(format!(
            "container ID file found, make sure the other container isn't running or delete {}",
            path.display()
        ))
        .code(125));
    }
    let wanted = matches.nonempty("platform").map(str::parse::<Platform>).transpose();
    let platform = wanted.map_err(|error| Failure::from(error).code(125))?;
    let when = When::parse(matches.nonempty("pull"))?;
    let quiet = matches.switch("quiet");
    if when == When::Always || platform.is_some() {
        ensure(ctx, &request.image, platform.as_ref(), (when, quiet))?;
    }
    let failed = |error: teu_containers::Error| {
        let code = u8::try_from(error.exit_code()).unwrap_or(125);
        Failure::from(error).code(code)
    };
    let created = match ctx.containers()?.create(request.clone()) {
        Ok(created) => created,
        // Only now: an image that is there costs no second look.
        Err(error) => match ensure(ctx, &request.image, platform.as_ref(), (when, quiet))? {
            true => ctx.containers()?.create(request).map_err(failed)?,
            false => return Err(failed(error)),
        },
    };
    for warning in &created.warnings {
        warn(warning);
    }
    Ok(created)
}

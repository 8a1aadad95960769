//! `teu create`: a container that does not run yet.

use crate::container_flags::CONTAINER;
use crate::context::{Context, warn};
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Matches, Order};
use crate::request::request;
use teu_containers::create::{CreateRequest, Created};

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
    pull_policy(ctx, matches, &request)?;
    let image = request.image.clone();
    let created = match ctx.containers()?.create(request) {
        Ok(created) => created,
        Err(error) => {
            // Only now: an image that is there costs no second look.
            check_image(ctx, &image, None)?;
            let code = u8::try_from(error.exit_code()).unwrap_or(125);
            return Err(Failure::from(error).code(code));
        }
    };
    for warning in &created.warnings {
        warn(warning);
    }
    Ok(created)
}

fn pull_policy(ctx: &Context, matches: &Matches, request: &CreateRequest) -> Result<()> {
    match matches.nonempty("pull") {
        None | Some("missing" | "never") => {}
        Some("always") => return Err(no_registry(&request.image)),
        Some(other) => {
            return Err(Failure::new(format!(
                "invalid pull option: '{other}': must be one of \"always\", \"missing\" or \"never\""
            ))
            .code(125));
        }
    }
    match matches.nonempty("platform") {
        None => Ok(()),
        Some(platform) => check_image(ctx, &request.image, Some(platform)),
    }
}

/// Fails in Docker's words if the image is not there, or not for the platform.
pub fn check_image(ctx: &Context, name: &str, platform: Option<&str>) -> Result<()> {
    let wanted = platform.map(str::parse::<teu_oci::Platform>).transpose()?;
    match ctx.images()?.resolve_platform(name, wanted.as_ref()) {
        Ok(_) => Ok(()),
        Err(teu_images::Error::NoSuchImage { near, .. }) => Err(missing(name, near.as_deref())),
        Err(error) => Err(Failure::from(error).code(125)),
    }
}

/// The image is not here, and this version cannot fetch it.
pub fn missing(name: &str, near: Option<&str>) -> Failure {
    let shown = match name.parse::<teu_oci::Reference>() {
        Ok(reference) => reference.familiar(),
        Err(_) => name.to_owned(),
    };
    let near = near.map(|near| format!("did you mean {near}? ")).unwrap_or_default();
    Failure::new(format!("Unable to find image '{shown}' locally"))
        .hint(format!(
            "{near}this version has no registry client: load an archive (teu load -i FILE), build \
             (teu build -t {shown} .) or import a tar (teu import FILE {shown}); teu images lists \
             what is here"
        ))
        .code(125)
}

/// Nothing can be pulled yet.
pub fn no_registry(name: &str) -> Failure {
    Failure::new(format!("cannot pull {name:?}: this version has no registry client"))
        .hint("load an archive with teu load -i FILE, for example one that docker save wrote")
        .code(125)
}

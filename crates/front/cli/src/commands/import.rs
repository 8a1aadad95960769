//! `teu import`: a file system's tar becomes an image.

use crate::context::Context;
use crate::failure::{Doing, Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use std::fs::File;
use teu_images::ImportRequest;

/// The command.
pub const IMPORT: Command = Command {
    usage: "[OPTIONS] file|- [REPOSITORY[:TAG]]",
    arity: Arity::Between(1, 2),
    flags: &[&[
        Flag::list("change", "Apply Dockerfile instruction to the created image").short('c'),
        Flag::text("message", "string", "Set commit message for imported image").short('m'),
        Flag::text("platform", "string", "Set platform of the image"),
    ]],
    operands: Completes::Files,
    examples: &[
        ("teu import rootfs.tar.gz base:1", "from a file"),
        ("tar -C rootfs -c . | teu import -c 'CMD [\"/bin/sh\"]' - base:1", "from a directory"),
    ],
    ..Command::new("import", "Import the contents from a tarball to create a filesystem image", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let source = matches.operand(0);
    let request = ImportRequest {
        name: matches.operands.get(1).map(|name| name.parse()).transpose()?,
        message: matches.nonempty("message").map(str::to_owned),
        changes: matches.list("change").into_iter().map(str::to_owned).collect(),
        platform: matches.nonempty("platform").map(str::parse).transpose()?,
        created: Some(crate::time::rfc3339(crate::time::now_ns())),
    };
    let store = ctx.images()?;
    let image = match source {
        "-" => store.import(&mut crate::streams::stdin_file()?, &request)?,
        url if url.starts_with("http://") || url.starts_with("https://") => {
            return Err(Failure::new("importing from a URL is not supported by this version")
                .hint(format!("curl -fL {url} | teu import - NAME")));
        }
        path => {
            let mut file = File::open(path).doing(|| format!("open {path}"))?;
            store.import(&mut file, &request)?
        }
    };
    ctx.line(image.id.as_str())?;
    Ok(0)
}

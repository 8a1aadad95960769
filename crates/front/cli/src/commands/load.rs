//! `teu load`: images out of an archive.

use crate::context::Context;
use crate::failure::{Doing, Failure, Result};
use crate::flags::{Command, Completes, Flag, Matches};
use crate::progress::reading::Reading;
use crate::terminal::in_is_terminal;
use std::fs::File;
use std::io::Seek;
use std::path::Path;

/// The command.
pub const LOAD: Command = Command {
    usage: "[OPTIONS]",
    flags: &[&[
        Flag::text(
            "input",
            "string",
            "Read from tar archive file (or OCI layout folder), instead of STDIN",
        )
        .short('i')
        .completes(Completes::Files),
        Flag::text("platform", "string", "Load only the given platform"),
        Flag::switch("quiet", "Suppress the load output").short('q'),
    ]],
    examples: &[
        ("teu load -i app.tar", "what docker save, skopeo or teu save wrote"),
        ("ssh host docker save app | teu load", "from a stream"),
    ],
    ..Command::new("load", "Load an image from a tar archive or STDIN", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let platform = matches.nonempty("platform").map(str::parse).transpose()?;
    let store = ctx.images()?;
    let quiet = matches.switch("quiet");
    let loaded = match matches.nonempty("input") {
        None => {
            if in_is_terminal() {
                return Err(Failure::new("requested load from stdin, but stdin is empty")
                    .hint("use teu load -i FILE, or redirect the input"));
            }
            let mut input = crate::streams::stdin_file()?;
            // A file behind `<` can be read out of order like one that is named.
            let begins = input.stream_position().is_ok_and(|position| position == 0);
            match begins && input.metadata().is_ok_and(|meta| meta.is_file()) {
                true => store.load_file(&input, platform.as_ref())?,
                false => {
                    let mut input = Reading::new(input, None, "Loading", quiet);
                    store.load(&mut input, platform.as_ref())?
                }
            }
        }
        Some(path) if Path::new(path).is_dir() => {
            store.load_dir(Path::new(path), platform.as_ref())?
        }
        Some(path) => {
            let file = File::open(path).doing(|| format!("open {path}"))?;
            let meta = file.metadata().doing(|| format!("stat {path}"))?;
            match meta.is_file() {
                true => store.load_file(&file, platform.as_ref())?,
                false => store.load(&mut { file }, platform.as_ref())?,
            }
        }
    };
    if loaded.is_empty() {
        return Err(Failure::new("the archive holds no image for this machine")
            .hint("--platform chooses another one"));
    }
    for image in &loaded {
        for name in &image.names {
            ctx.line(&format!("Loaded image: {}", name.familiar()))?;
        }
        if image.names.is_empty() {
            ctx.line(&format!("Loaded image ID: {}", image.image.id))?;
        }
    }
    Ok(0)
}

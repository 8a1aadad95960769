//! `teu cp`: files between the host and a container.

use crate::context::{Context, out_is_terminal};
use crate::failure::{Doing, Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::terminal::in_is_terminal;
use crate::units::human_size;
use std::io::Write;
use std::path::Path;
use teu_containers::copy::CopyOut;
use teu_containers::pending::CopyOptions;

/// The command.
pub const CP: Command = Command {
    usage: "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tteu cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    arity: Arity::Exactly(2),
    flags: &[&[
        Flag::switch("archive", "Archive mode (copy all uid/gid information)").short('a'),
        Flag::switch("follow-link", "Always follow symbol link in SRC_PATH").short('L'),
        Flag::switch("quiet", "Suppress progress output during copy").short('q'),
    ]],
    operands: Completes::Files,
    examples: &[
        ("teu cp web:/etc/nginx/nginx.conf .", "a file out"),
        ("teu cp web:/var/log - | tar t", "a directory as a tar"),
    ],
    ..Command::new("cp", "Copy files/folders between a container and the local filesystem", run)
};

/// One side of a copy.
#[derive(Debug, PartialEq, Eq)]
enum Side<'a> {
    Container(&'a str, &'a str),
    Local(&'a str),
}

/// A path that is absolute or begins with a dot is never a container.
fn side(text: &str) -> Side<'_> {
    if text.starts_with(['/', '.']) {
        return Side::Local(text);
    }
    match text.split_once(':') {
        Some((container, path)) if !container.contains('/') && !container.is_empty() => {
            Side::Container(container, path)
        }
        _ => Side::Local(text),
    }
}

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let containers = ctx.containers()?;
    let options = CopyOptions {
        follow_link: matches.switch("follow-link"),
        archive: matches.switch("archive"),
    };
    let bytes = match (side(matches.operand(0)), side(matches.operand(1))) {
        (Side::Container(name, path), Side::Local("-")) => {
            if out_is_terminal() {
                return Err(Failure::new("cowardly refusing to copy a tar archive to a terminal")
                    .hint("redirect the output"));
            }
            let copy = CopyOut { path: path.to_owned(), follow_link: options.follow_link };
            let (_, mut tar) = containers.copy_out(name, &copy)?;
            let mut out = std::io::stdout().lock();
            std::io::copy(&mut tar, &mut out)?;
            out.flush()?;
            return Ok(0);
        }
        (Side::Local("-"), Side::Container(name, path)) => {
            if in_is_terminal() {
                return Err(Failure::new("cannot read a tar archive from a terminal"));
            }
            containers.copy_in(name, path, &mut crate::streams::stdin_file()?, options)?;
            return Ok(0);
        }
        (Side::Container(name, path), Side::Local(local)) => {
            containers.copy_to_host(name, path, Path::new(local), options)?
        }
        (Side::Local(local), Side::Container(name, path)) => {
            let path_of = Path::new(local);
            path_of.symlink_metadata().doing(|| format!("cannot copy {local}"))?;
            containers.copy_to_container(path_of, name, path, options)?
        }
        (Side::Container(..), Side::Container(..)) => {
            return Err(Failure::new("copying between containers is not supported"));
        }
        (Side::Local(_), Side::Local(_)) => {
            return Err(Failure::new("must specify at least one container source")
                .hint("write it as CONTAINER:PATH"));
        }
    };
    if !matches.switch("quiet") {
        let (from, to) = (matches.operand(0), matches.operand(1));
        let size = human_size(bytes, 3);
        let text = format!("Successfully copied {size} from {from} to {to}");
        let _ = writeln!(std::io::stderr(), "{}", crate::text::plain(&text));
    }
    Ok(0)
}

#[cfg(test)]
mod tests;

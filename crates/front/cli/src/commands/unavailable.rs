//! Commands that need a registry client, which this version does not have: a clear word instead of
//! "unknown command".

use super::create::no_registry;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Flag, Matches};

const FLAGS: &[Flag] = &[
    Flag::switch("all-tags", "").short('a').hidden(),
    Flag::switch("quiet", "").short('q').hidden(),
    Flag::text("platform", "string", "").hidden(),
    Flag::switch("disable-content-trust", "").hidden(),
];

/// `pull`.
pub const PULL: Command = Command {
    usage: "NAME[:TAG|@DIGEST]",
    arity: Arity::Exactly(1),
    flags: &[FLAGS],
    ..Command::new("pull", "Download an image from a registry (not in this version)", pull)
};

/// `push`.
pub const PUSH: Command = Command {
    usage: "NAME[:TAG]",
    arity: Arity::Exactly(1),
    flags: &[FLAGS],
    ..Command::new("push", "Upload an image to a registry (not in this version)", push)
};

/// `login`.
pub const LOGIN: Command = Command {
    usage: "[SERVER]",
    arity: Arity::AtMost(1),
    ..Command::new("login", "Authenticate to a registry (not in this version)", other)
};

/// `logout`.
pub const LOGOUT: Command = Command {
    usage: "[SERVER]",
    arity: Arity::AtMost(1),
    ..Command::new("logout", "Log out from a registry (not in this version)", other)
};

/// `search`.
pub const SEARCH: Command = Command {
    usage: "TERM",
    arity: Arity::Exactly(1),
    ..Command::new("search", "Search a registry for images (not in this version)", other)
};

fn pull(_: &Context, matches: &Matches) -> Result<u8> {
    Err(no_registry(matches.operand(0)).code(1))
}

fn push(_: &Context, matches: &Matches) -> Result<u8> {
    let name = matches.operand(0);
    Err(Failure::new(format!("cannot push {name:?}: this version has no registry client")).hint(
        format!("write an archive with teu save -o FILE {name}; skopeo copies it to a registry"),
    ))
}

fn other(_: &Context, matches: &Matches) -> Result<u8> {
    let command = matches.command.name;
    Err(Failure::new(format!("teu {command}: this version has no registry client")))
}

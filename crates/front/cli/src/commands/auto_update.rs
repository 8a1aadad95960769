//! `teu auto-update`: containers that ask for it get the newer image of their name. Podman's labels.
//!
//! What is to be done is decided first, from labels and images ([`plan`]); a container is then
//! replaced, or its unit restarted ([`renew`]), and everything is put back when the new one does not
//! become ready.

use crate::commands::FORMAT;
use crate::commands::pull::fetch_quietly;
use crate::context::{Context, complain};
use crate::failure::{Doing, Failure, Result};
use crate::flags::{Command, Flag, Matches};
use crate::output::{Listing, Row, Style};
use crate::registry::{Choices, REGISTRY_FLAGS, client};
use crate::text::short_id;
use plan::{Candidate, Policy, candidates};
use std::collections::BTreeMap;
use std::time::Duration;
use teu_images::remote::Client;
use teu_oci::{Digest, Reference};

mod plan;
mod renew;

/// The command.
pub const AUTO_UPDATE: Command = Command {
    usage: "[OPTIONS]",
    flags: &[
        &[
            Flag::switch("dry-run", "Say what would be updated, and change nothing"),
            FORMAT,
            Flag::text(
                "rollback",
                "bool",
                "Put the old one back if the new does not become ready (default true)",
            ),
            Flag::integer(
                "wait",
                "Seconds that a new container may take to become ready (default 60)",
            ),
        ],
        REGISTRY_FLAGS,
    ],
    examples: &[
        ("teu run -d --label io.containers.autoupdate=registry localhost:5000/web", "asks for it"),
        ("teu auto-update --dry-run", "is there anything newer?"),
        ("teu auto-update", "from a timer, every night"),
    ],
    ..Command::new("auto-update", "Replace containers whose image has a newer version", run)
};

/// Seconds that a new container may take.
const WAIT_DEFAULT_S: i64 = 60;

const HEADS: &[(&str, &str)] = &[
    ("Unit", "UNIT"),
    ("Container", "CONTAINER"),
    ("ContainerID", "CONTAINER ID"),
    ("ContainerName", "NAME"),
    ("Image", "IMAGE"),
    ("Policy", "POLICY"),
    ("Updated", "UPDATED"),
];
const SHOWN: &[&str] = &["Unit", "Container", "Image", "Policy", "Updated"];

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let rollback = match matches.nonempty("rollback") {
        None => true,
        Some(text) => crate::options::boolean(text).ok_or_else(|| {
            Failure::new(format!("invalid argument {text:?} for \"--rollback\" flag"))
                .hint("true or false")
                .code(125)
        })?,
    };
    let seconds = matches.integer("wait").unwrap_or(WAIT_DEFAULT_S).max(1).unsigned_abs();
    let dry = matches.switch("dry-run");
    // Two at once would undo each other's work.
    let _alone = alone(ctx)?;
    if !dry {
        renew::repair(ctx, rollback)?;
    }
    let client = client(&Choices::of(matches, "")?)?;
    let mut newest = Newest { ctx, client: &client, dry, known: BTreeMap::new() };
    let way = renew::Way { rollback, limit: Duration::from_secs(seconds) };
    let (mut rows, mut failed) = (Vec::new(), false);
    for candidate in candidates(ctx)? {
        let done = match newest.is_newer(&candidate) {
            Ok(false) => Ok("false"),
            Ok(true) if dry => Ok("pending"),
            Ok(true) => renew::renew(ctx, &candidate, &way),
            Err(failure) => Err(failure),
        };
        let updated = done.unwrap_or_else(|failure| {
            complain(&format!("{}: {failure}", candidate.name));
            failed = true;
            "failed"
        });
        failed |= updated == "rolled back";
        rows.push(row(&candidate, updated));
    }
    let listing = Listing { heads: HEADS, shown: SHOWN, quiet: "ContainerID", rows };
    ctx.list(&listing, Style { format: matches.nonempty("format"), ..Style::default() })?;
    match failed {
        true => Err(Failure::silent(1)),
        false => Ok(0),
    }
}

fn alone(ctx: &Context) -> Result<std::fs::File> {
    let home = ctx.containers().map(|_| ctx.home())?;
    let path = home.data.join("auto-update.lock");
    let file = std::fs::File::options().create(true).append(true).open(&path);
    let file = file.doing(|| format!("open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Failure::new("another auto-update is at work").hint("wait for it"))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

fn row(candidate: &Candidate, updated: &str) -> Row {
    let id = short_id(&candidate.id);
    Row::new()
        .field("Unit", candidate.unit.as_deref().unwrap_or("-"))
        .field("Container", format!("{id} ({})", candidate.name))
        .field("ContainerID", id)
        .field("ContainerName", candidate.name.as_str())
        .field("Image", candidate.image.familiar())
        .field("Policy", candidate.policy.name())
        .field("Updated", updated)
}

/// What names lead to now; a registry is asked once for each.
struct Newest<'a> {
    ctx: &'a Context,
    client: &'a Client,
    dry: bool,
    /// Ids of images; of registries that are only asked, whether they have another manifest.
    known: BTreeMap<Reference, Answer>,
}

#[derive(Clone)]
enum Answer {
    Id(Digest),
    Differs(bool),
}

impl Newest<'_> {
    fn is_newer(&mut self, candidate: &Candidate) -> Result<bool> {
        let answer = match (candidate.policy, self.known.get(&candidate.image)) {
            (Policy::Local, _) => Answer::Id(self.here(&candidate.image)?),
            (Policy::Registry, Some(known)) => known.clone(),
            (Policy::Registry, None) => {
                let answer = self.elsewhere(&candidate.image)?;
                self.known.insert(candidate.image.clone(), answer.clone());
                answer
            }
        };
        Ok(match answer {
            // A newer one may have been fetched by somebody else already.
            Answer::Differs(false) | Answer::Id(_) if self.dry => {
                self.here(&candidate.image)? != candidate.image_id
            }
            Answer::Differs(differs) => differs,
            Answer::Id(id) => id != candidate.image_id,
        })
    }

    fn here(&self, name: &Reference) -> Result<Digest> {
        Ok(self.ctx.images()?.resolve(&name.to_string())?.id)
    }

    fn elsewhere(&self, name: &Reference) -> Result<Answer> {
        if !self.dry {
            fetch_quietly(self.ctx, self.client, name)?;
            return Ok(Answer::Id(self.here(name)?));
        }
        let source = teu_images::transfer::RegistrySource::new(self.client, name, false);
        let root = teu_images::transfer::Source::root(&source.to_look_at())?;
        let here = self.ctx.images()?.resolve(&name.to_string())?;
        Ok(Answer::Differs(root.descriptor.digest != here.descriptor.digest))
    }
}

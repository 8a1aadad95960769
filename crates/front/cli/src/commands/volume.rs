//! `teu volume …`.

use super::container::{PRUNE_FLAGS, report};
use super::inspect::{INSPECT_FLAGS, show};
use super::{FILTER, FORMAT, QUIET, confirm, each, filters};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::options::environment;
use crate::output::{Listing, Row, Style};
use serde_json::Value;
use teu_volumes::VolumeSpec;

/// The group.
pub const VOLUME: Command = Command::group(
    "volume",
    "Manage volumes",
    &[&CREATE, &super::exists::VOLUME, &INSPECT, &LS, &PRUNE, &RM],
);

const CREATE: Command = Command {
    usage: "[OPTIONS] [VOLUME]",
    arity: Arity::AtMost(1),
    flags: &[&[
        Flag::text("driver", "string", "Specify volume driver name (default \"local\")").short('d'),
        Flag::list("label", "Set metadata for a volume"),
        Flag::text("name", "string", "Specify volume name").hidden(),
        Flag::list("opt", "Set driver specific options (type=tmpfs, o=size=1g, device=…)")
            .short('o'),
    ]],
    examples: &[("teu volume create --label app=shop data", "")],
    ..Command::new("create", "Create a volume", create)
};

const INSPECT: Command = Command {
    usage: "[OPTIONS] VOLUME [VOLUME...]",
    arity: Arity::AtLeast(1),
    flags: &[INSPECT_FLAGS],
    operands: Completes::Volumes,
    examples: &[("teu volume inspect -f '{{.Mountpoint}}' data", "where it is")],
    ..Command::new("inspect", "Display detailed information on one or more volumes", inspect)
};

const LS: Command = Command {
    aliases: &["list"],
    usage: "[OPTIONS]",
    flags: &[&[FILTER, FORMAT, Flag { help: "Only display volume names", ..QUIET }]],
    examples: &[("teu volume ls --filter dangling=true -q", "those that nothing uses")],
    ..Command::new("ls", "List volumes", ls)
};

const PRUNE: Command = Command {
    usage: "[OPTIONS]",
    flags: &[
        PRUNE_FLAGS,
        &[Flag::switch("all", "Remove all unused volumes, not just anonymous ones").short('a')],
    ],
    examples: &[("teu volume prune -a -f", "also those with names")],
    ..Command::new("prune", "Remove unused local volumes", prune)
};

const RM: Command = Command {
    aliases: &["remove"],
    usage: "[OPTIONS] VOLUME [VOLUME...]",
    arity: Arity::AtLeast(1),
    flags: &[&[Flag::switch("force", "Force the removal of one or more volumes").short('f')]],
    operands: Completes::Volumes,
    examples: &[("teu volume rm data cache", "")],
    ..Command::new("rm", "Remove one or more volumes", rm)
};

fn create(ctx: &Context, matches: &Matches) -> Result<u8> {
    let named = matches.operands.first().map(String::as_str);
    let named = named.or_else(|| matches.nonempty("name"));
    let spec = VolumeSpec {
        name: named.map(str::to_owned),
        anonymous: named.is_none(),
        driver: matches.nonempty("driver").unwrap_or("local").to_owned(),
        labels: environment::labels(matches.list("label"))?,
        options: environment::labels(matches.list("opt"))?,
    };
    let volume = ctx.containers()?.volumes().create(&spec)?;
    ctx.line(volume.name())?;
    Ok(0)
}

fn inspect(ctx: &Context, matches: &Matches) -> Result<u8> {
    show(ctx, matches, &[("volume", look_up)], false)
}

/// A volume as Docker's `inspect` shows it.
pub fn look_up(ctx: &Context, name: &str, _size: bool) -> Result<Option<Value>> {
    // A name that no volume can have names none.
    let containers = ctx.containers()?;
    match containers.volumes().get(name) {
        Ok(_) => Ok(Some(containers.inspect_volume(name)?)),
        Err(_) => Ok(None),
    }
}

fn ls(ctx: &Context, matches: &Matches) -> Result<u8> {
    let containers = ctx.containers()?;
    let volumes = containers.list_volumes(&filters(matches)?)?;
    let format = matches.nonempty("format");
    let sizes = format.is_some_and(|format| format.contains(".Size"));
    let mut rows = Vec::new();
    for volume in &volumes {
        let size = match sizes {
            true => crate::units::human_size(containers.volumes().size_bytes(volume)?, 3),
            false => "N/A".to_owned(),
        };
        rows.push(
            Row::new()
                .field("Availability", "N/A")
                .field("Driver", "local")
                .field("Group", "N/A")
                .labels(&volume.record.labels)
                .field("Links", "N/A")
                .field("Mountpoint", volume.path().display().to_string())
                .field("Name", volume.name())
                .field("Scope", "local")
                .field("Size", size)
                .field("Status", "N/A"),
        );
    }
    let listing = Listing {
        heads: &[
            ("Driver", "DRIVER"),
            ("Name", "VOLUME NAME"),
            ("Labels", "LABELS"),
            ("Links", "LINKS"),
            ("Mountpoint", "MOUNTPOINT"),
            ("Scope", "SCOPE"),
            ("Size", "SIZE"),
            ("Status", "STATUS"),
            ("Group", "GROUP"),
            ("Availability", "AVAILABILITY"),
        ],
        shown: &["Driver", "Name"],
        quiet: "Name",
        rows,
    };
    let quiet = matches.switch("quiet");
    ctx.list(&listing, Style { format, quiet, ..Style::default() })?;
    Ok(0)
}

fn prune(ctx: &Context, matches: &Matches) -> Result<u8> {
    let all = matches.switch("all");
    let question = match all {
        true => "This will remove all local volumes not used by at least one container.",
        false => "This will remove anonymous local volumes not used by at least one container.",
    };
    let filters = filters(matches)?;
    if !matches.switch("force") && !confirm(question)? {
        return Ok(0);
    }
    let pruned = ctx.containers()?.prune_volumes(all, &filters)?;
    ctx.print(&report("Deleted Volumes", &pruned.removed, pruned.reclaimed_bytes))?;
    Ok(0)
}

fn rm(ctx: &Context, matches: &Matches) -> Result<u8> {
    let containers = ctx.containers()?;
    let force = matches.switch("force");
    each(ctx, &matches.operands, |name| match containers.remove_volume(name) {
        Ok(()) => Ok(Some(name.to_owned())),
        Err(_) if force && containers.volumes().get(name).is_err() => Ok(Some(name.to_owned())),
        Err(error) => Err(Failure::from(error)),
    })
}

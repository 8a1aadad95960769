//! `teu compose config`: the model as it is understood.

use super::{failed, read};
use crate::context::Context;
use crate::failure::{Doing, Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use std::collections::BTreeSet;
use teu_compose::print::{doubled, json, service_hash, yaml};
use teu_compose::project::{Project, ReadOptions};

/// The command.
pub const CONFIG: Command = Command {
    usage: "[OPTIONS] [SERVICE...]",
    arity: Arity::AtLeast(0),
    flags: &[&[
        Flag::switch("environment", "Print environment used for interpolation"),
        Flag::text("format", "string", "Format the output (yaml|json)")
            .completes(Completes::Words(&["yaml", "json"])),
        Flag::text("hash", "string", "Print the service config hash, one per line (* for all)"),
        Flag::switch("images", "Print the image names, one per line"),
        Flag::switch("networks", "Print the network names, one per line"),
        Flag::switch("no-env-resolution", "Don't resolve service env files"),
        Flag::switch("no-interpolate", "Don't interpolate environment variables"),
        Flag::text("output", "string", "Save to file (default to stdout)")
            .short('o')
            .completes(Completes::Files),
        Flag::switch("profiles", "Print the profile names, one per line"),
        Flag::switch("quiet", "Only validate the configuration, don't print anything").short('q'),
        Flag::switch("services", "Print the service names, one per line"),
        Flag::switch("volumes", "Print the volume names, one per line"),
    ]],
    examples: &[("teu compose config --quiet", "is this file right?")],
    ..Command::new("config", "Parse, resolve and render the Compose file in canonical format", run)
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let options = ReadOptions {
        raw: matches.switch("no-interpolate"),
        keep_env_files: matches.switch("no-env-resolution"),
    };
    let mut project = read(matches, options)?;
    if matches.switch("profiles") {
        return lines(ctx, project.profiles());
    }
    if matches.switch("environment") {
        let all = &project.located.environment;
        return lines(ctx, all.iter().map(|(name, value)| format!("{name}={value}")));
    }
    let named = &matches.operands;
    for name in named {
        project.service(name).map_err(failed)?;
    }
    project.apply_profiles(named).map_err(failed)?;
    project.select(named, true).map_err(failed)?;
    if matches.switch("services") {
        return lines(ctx, sorted(&project));
    }
    if matches.switch("volumes") {
        return lines(ctx, project.model.volumes.keys());
    }
    if matches.switch("networks") {
        return lines(ctx, project.model.networks.keys());
    }
    if matches.switch("images") {
        let services = project.model.services.iter();
        return lines(ctx, services.map(|(name, s)| s.image_name(project.name(), name)));
    }
    if let Some(wanted) = matches.text("hash") {
        return hashes(ctx, &project, wanted);
    }
    if matches.switch("quiet") {
        return Ok(0);
    }
    let text = match matches.nonempty("format").unwrap_or("yaml") {
        "yaml" => yaml(&project.tree),
        "json" => json(&project.tree) + "\n",
        other => return Err(Failure::new(format!("unsupported format {other:?}"))),
    };
    // What was filled in is read as it is; what was not still has its variables.
    let text = if options.raw { text } else { doubled(&text) };
    match matches.nonempty("output") {
        None | Some("-") => ctx.print(&text)?,
        Some(path) => std::fs::write(path, text).doing(|| format!("write {path}"))?,
    }
    Ok(0)
}

fn lines(ctx: &Context, all: impl IntoIterator<Item = impl AsRef<str>>) -> Result<u8> {
    let text: String = all.into_iter().map(|line| format!("{}\n", line.as_ref())).collect();
    ctx.print(&text)?;
    Ok(0)
}

/// Services, those that others need first.
fn sorted(project: &Project) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut open: BTreeSet<&String> = project.model.services.keys().collect();
    while !open.is_empty() {
        let ready = |name: &&&String| {
            project.model.services[**name].depends_on.keys().all(|other| !open.contains(other))
        };
        let Some(name) = open.iter().find(ready).map(|name| (*name).clone()) else { return out };
        open.remove(&name);
        out.push(name);
    }
    out
}

fn hashes(ctx: &Context, project: &Project, wanted: &str) -> Result<u8> {
    let names: Vec<String> = match wanted {
        "*" => project.model.services.keys().cloned().collect(),
        list => list.split(',').map(str::to_owned).collect(),
    };
    let mut out = Vec::new();
    for name in names {
        project.service(&name).map_err(failed)?;
        let hash = project.service_tree(&name).map(service_hash).unwrap_or_default();
        out.push(format!("{name} {hash}"));
    }
    lines(ctx, out)
}

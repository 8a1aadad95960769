//! `teu kube down`: what a file describes is taken away.

use super::play::{files_of, manifest};
use crate::context::Context;
use crate::failure::Result;
use crate::flags::Matches;
use teu_kube::Manifest;

pub(super) fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let manifest = manifest(matches.operand(0), &[])?;
    down(ctx, &manifest, matches.switch("force"))
}

/// Pods and what was made for them; claims stay, being data, unless they are to go.
pub(super) fn down(ctx: &Context, manifest: &Manifest, claims: bool) -> Result<u8> {
    let containers = ctx.containers()?;
    let mut removed = Vec::new();
    for pod in &manifest.pods {
        if let Ok((record, _)) = containers.find_pod(&pod.name)
            && !record.implicit
        {
            containers.remove_pod(&record.id, true)?;
            removed.push(record.id);
        }
        let files = files_of(ctx, &pod.name);
        if files.exists() {
            std::fs::remove_dir_all(files)?;
        }
    }
    section(ctx, "Pods removed:", &removed)?;
    if claims {
        let mut gone = Vec::new();
        for claim in &manifest.claims {
            if containers.volumes().get(&claim.name).is_ok() {
                containers.remove_volume(&claim.name)?;
                gone.push(claim.name.clone());
            }
        }
        section(ctx, "Volumes removed:", &gone)?;
    }
    Ok(0)
}

fn section(ctx: &Context, title: &str, names: &[String]) -> Result<()> {
    ctx.line(title)?;
    names.iter().try_for_each(|name| ctx.line(name))
}

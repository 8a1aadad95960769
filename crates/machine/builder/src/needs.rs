//! Which files of the context a build can need, for whoever has to send them.
//!
//! Exact where it answers: every `COPY`, `ADD` and bind mount of a needed stage is looked at. Where a
//! path depends on what is known only while building (variables, triggers of a base image), all of
//! the context is needed.

use crate::build::global_scope;
use crate::dockerfile::Dockerfile;
use crate::dockerfile::instruction::{Instruction, Located};
use crate::dockerfile::mount::{Mount, MountKind};
use crate::plan::{self, Origin};
use crate::request::BuildRequest;
use std::collections::BTreeSet;
use teu_images::Store;
use teu_oci::Platform;

/// Paths and patterns relative to the context; `None` for all of it. What is wrong with a Dockerfile
/// is for the build to say.
pub fn of_context(text: &[u8], request: &BuildRequest, images: &Store) -> Option<BTreeSet<String>> {
    let file = Dockerfile::parse("Dockerfile", text).ok()?;
    let mut paths = BTreeSet::new();
    for platform in request.targets() {
        of_platform(&file, request, (images, &platform), &mut paths)?;
    }
    Some(paths)
}

fn of_platform(
    file: &Dockerfile,
    request: &BuildRequest,
    (images, platform): (&Store, &Platform),
    paths: &mut BTreeSet<String>,
) -> Option<()> {
    let scope = global_scope(file, request, platform).ok()?;
    let contexts: Vec<&str> =
        request.build_contexts.iter().map(|(name, _)| name.as_str()).collect();
    let plan = plan::plan(file, request.target.as_deref(), &scope, &contexts).ok()?;
    for index in plan.needed {
        if let Origin::Image(name) = &plan.bases[index] {
            let image = images.resolve_platform(name, Some(platform)).ok()?;
            let triggers = image.config.config.on_build.unwrap_or_default();
            if !triggers.is_empty() || request.pull {
                return None;
            }
        }
        if let Origin::Context(_) = &plan.bases[index] {
            return None;
        }
        for located in &file.stages[index].instructions {
            add(located, file.directives.escape, paths)?;
        }
    }
    Some(())
}

fn add(located: &Located, escape: char, paths: &mut BTreeSet<String>) -> Option<()> {
    match &located.instruction {
        Instruction::Copy(copy) if copy.from.is_none() => {
            for source in &copy.sources {
                if copy.add && (source.contains("://") || source.starts_with("git@")) {
                    continue;
                }
                paths.insert(path(source)?);
            }
        }
        Instruction::Run(run) => {
            for text in &run.mounts {
                // Variables are for the build: whatever they say, all of it may be meant.
                let mount = Mount::parse(text, escape, &|_| None).ok()?;
                if mount.kind == MountKind::Bind && mount.from.is_none() {
                    if text.contains(['$', escape]) {
                        return None;
                    }
                    paths.insert(path(&mount.source)?);
                }
            }
        }
        // A stage's own trigger runs where it is built on, which may be here.
        Instruction::Onbuild(_) => return None,
        _ => {}
    }
    Some(())
}

/// A path as senders take it: relative, clean; `None` for the context's root and for what is not
/// known yet.
fn path(source: &str) -> Option<String> {
    let path = crate::tree::clamp(source);
    let text = path.to_str()?;
    if text.is_empty() || source.contains(['$', '\\', '`']) || source.contains("**") {
        return None;
    }
    Some(text.to_owned())
}

#[cfg(test)]
mod tests;

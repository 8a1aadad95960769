//! `teu kube generate`: what runs here as objects.

use crate::context::{Context, warn};
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use teu_containers::record::{ContainerRecord, PodRecord};
use teu_kube::generate::{Played, PlayedFile, Running, pod};

pub(super) fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let containers = ctx.containers()?;
    let mut texts = Vec::new();
    for name in &matches.operands {
        let (record, ids) = containers.find_pod(name)?;
        let mut members = Vec::new();
        for id in ids {
            members.push(containers.find(&id)?.record);
        }
        members.sort_by_key(|record| record.created_ns);
        if members.is_empty() {
            return Err(Failure::new(format!("pod {name} has no containers")).code(125));
        }
        texts.push(generate(ctx, &record, members)?);
    }
    let text = texts.join("---\n");
    match matches.nonempty("filename") {
        None => ctx.print(&text)?,
        Some(path) => {
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
            file.write_all(text.as_bytes())?;
        }
    }
    Ok(0)
}

fn generate(ctx: &Context, record: &PodRecord, members: Vec<ContainerRecord>) -> Result<String> {
    let mut running = Vec::new();
    for member in members {
        // An image that has gone says nothing: then all of it is written.
        let id = member.image_id.as_ref().map_or(member.image.as_str(), |id| id.as_str());
        let config = ctx.images()?.resolve(id).map(|image| image.config.config.clone());
        let config = config.unwrap_or_default();
        running.push(Running {
            image_env: config.env,
            image_entrypoint: config.entrypoint.unwrap_or_default(),
            image_command: config.cmd.unwrap_or_default(),
            image_working_dir: config.working_dir,
            image_user: config.user,
            image_healthcheck: config.healthcheck,
            record: member,
        });
    }
    let name = record.name.clone().unwrap_or_else(|| format!("{}-pod", running[0].record.name));
    let played = played(ctx, &name)?;
    let (text, warnings) = pod(&name, record, &running, &played);
    warnings.iter().for_each(|warning| warn(warning));
    Ok(text)
}

/// Largest config map or secret, in bytes: the API's own limit.
const OBJECT_LIMIT_BYTES: u64 = 1 << 20;

/// What `kube play` wrote for this pod, if it did.
fn played(ctx: &Context, pod: &str) -> Result<Played> {
    let mut played = Played { folder: super::play::files_of(ctx, pod), ..Played::default() };
    let Ok(entries) = std::fs::read_dir(&played.folder) else { return Ok(played) };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let mut files = Vec::new();
        collect(&entry.path(), Path::new(""), &mut files)?;
        files.sort();
        played.volumes.insert(name, files);
    }
    Ok(played)
}

/// All files below a folder; links are not followed.
fn collect(root: &Path, within: &Path, files: &mut Vec<PlayedFile>) -> Result<()> {
    for entry in std::fs::read_dir(root.join(within))? {
        let entry = entry?;
        let path = within.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(root, &path, files)?;
        } else if kind.is_file() {
            let mut content = Vec::new();
            let file = std::fs::File::open(root.join(&path))?;
            let mode = file.metadata()?.permissions().mode() & 0o777;
            file.take(OBJECT_LIMIT_BYTES + 1).read_to_end(&mut content)?;
            if content.len() as u64 > OBJECT_LIMIT_BYTES {
                return Err(Failure::new(format!("{} is larger than 1 MiB", path.display())));
            }
            files.push((path.display().to_string(), content, mode));
        }
    }
    Ok(())
}

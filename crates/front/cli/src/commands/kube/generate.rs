//! `teu kube generate`: what runs here as objects.

use crate::context::{Context, warn};
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use std::io::Write as _;
use teu_containers::record::{ContainerRecord, PodRecord};
use teu_kube::generate::{Running, pod};

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
    let (text, warnings) = pod(&name, record, &running);
    warnings.iter().for_each(|warning| warn(warning));
    Ok(text)
}

//! Volumes, binds, memory, secrets and configs as mounts.

use super::files::{grants, target};
use super::{Around, RequestError, Whose};
use crate::model::{Mount, Service};
use std::path::PathBuf;
use teu_containers::create::CreateRequest;
use teu_containers::options::mounts::tmpfs;
use teu_containers::record::{MountKind, MountRecord, Propagation};

pub(super) fn mounts(
    service: &Service,
    around: Around<'_>,
    whose: Whose<'_>,
    request: &mut CreateRequest,
) -> Result<(), RequestError> {
    for mount in &service.volumes {
        let record = record(mount, around, whose)?;
        let creates = mount.bind.as_ref().and_then(|bind| bind.create_host_path).unwrap_or(true);
        if let (MountKind::Bind { source, .. }, true) = (&record.kind, creates) {
            request.create_sources.push(PathBuf::from(source));
        }
        request.container.mounts.push(record);
    }
    for text in &service.tmpfs {
        let option = tmpfs(text).map_err(whose.option("tmpfs"))?;
        request.container.mounts.push(option.record);
    }
    for (_, grant, object, directory) in grants(service, around.project) {
        let Some(file) = &object.file else { continue };
        request.container.mounts.push(MountRecord {
            destination: target(grant, directory),
            kind: MountKind::Bind { source: file.clone(), recursive: true },
            readonly: true,
            propagation: Propagation::default(),
        });
    }
    for from in &service.volumes_from {
        match from.strip_prefix("container:") {
            Some(container) => request.volumes_from.push(container.to_owned()),
            None => {
                let (name, mode) = from.split_once(':').unwrap_or((from, ""));
                let first = around.containers.of(name).into_iter().next();
                let container = first.ok_or_else(|| {
                    whose.value("volumes_from", format!("service {name:?} has no container"))
                })?;
                request.volumes_from.push(match mode {
                    "" => container,
                    mode => format!("{container}:{mode}"),
                });
            }
        }
    }
    Ok(())
}

fn record(
    mount: &Mount,
    around: Around<'_>,
    whose: Whose<'_>,
) -> Result<MountRecord, RequestError> {
    let source = mount.source.clone();
    let kind = match mount.kind.as_str() {
        "bind" => {
            let missing = || whose.value("volumes", "a bind needs a source");
            let recursive = mount.bind.as_ref().and_then(|bind| bind.recursive.as_deref());
            MountKind::Bind {
                source: source.ok_or_else(missing)?,
                recursive: recursive != Some("disabled"),
            }
        }
        "volume" => {
            let name = source.map(|key| match around.project.model.volumes.get(&key) {
                Some(volume) => volume.name.clone(),
                None => key,
            });
            let volume = mount.volume.clone().unwrap_or_default();
            MountKind::Volume {
                anonymous: name.is_none(),
                name: name.unwrap_or_default(),
                nocopy: volume.nocopy,
                subpath: volume.subpath,
            }
        }
        "tmpfs" => {
            let memory = mount.tmpfs.clone().unwrap_or_default();
            let bits = |text: String| u32::from_str_radix(&text, 8).ok();
            MountKind::Tmpfs {
                size_bytes: memory.size.and_then(|size| size.parse().ok()).unwrap_or(0),
                mode: memory.mode.and_then(bits),
                options: Vec::new(),
            }
        }
        _ => {
            return Err(whose.unsupported(
                "volumes.type",
                "use bind, volume or tmpfs; images and cluster volumes are not mounted",
            ));
        }
    };
    let propagation = mount.bind.as_ref().and_then(|bind| bind.propagation.as_deref());
    let propagation = match propagation {
        None | Some("" | "rprivate") => Propagation::Rprivate,
        Some("private") => Propagation::Private,
        Some("rshared") => Propagation::Rshared,
        Some("shared") => Propagation::Shared,
        Some("rslave") => Propagation::Rslave,
        Some("slave") => Propagation::Slave,
        Some(other) => {
            return Err(whose.value("volumes.bind.propagation", format!("invalid: {other:?}")));
        }
    };
    Ok(MountRecord {
        destination: mount.target.clone(),
        kind,
        readonly: mount.read_only,
        propagation,
    })
}

//! Binds, volumes, tmpfs.

use crate::error::{Error, Result};
use std::path::Path;
use teu_containers::create::CreateRequest;
use teu_containers::options::OptionError;
use teu_containers::options::mounts::{MountOption, tmpfs, volume};
use teu_containers::record::{MountKind, MountRecord, Propagation};
use teu_docker::create::{CreateBody, Mount};
use teu_volumes::VolumeSpec;

/// All of them. A later one of the same destination wins over an image's volume, as in Docker.
pub fn mounts(body: &CreateBody, request: &mut CreateRequest) -> Result<()> {
    let host = &body.host_config;
    for text in &host.binds {
        add(request, bind(text)?);
    }
    for mount in &host.mounts {
        add(request, long(mount)?);
    }
    for (target, options) in &host.tmpfs {
        add(request, tmpfs(&format!("{target}:{options}"))?);
    }
    for destination in body.volumes.keys() {
        let covered = request.container.mounts.iter().any(|m| m.destination == *destination);
        if !covered {
            add(request, volume(destination, Path::new("/"))?);
        }
    }
    Ok(())
}

fn add(request: &mut CreateRequest, option: MountOption) {
    request.container.mounts.push(option.record);
    request.create_sources.extend(option.create_source);
    request.volumes.extend(option.volume);
}

/// A relative path means nothing here: clients resolve it before they send it.
fn bind(text: &str) -> Result<MountOption> {
    let relative = text.starts_with('.') || text.starts_with('~');
    if relative {
        return Err(Error::bad(format!(
            "create {text}: includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
        )));
    }
    volume(text, Path::new("/")).map_err(|error| match error {
        OptionError::Volume { value, reason } if reason.contains("includes invalid") => {
            let name = value.split(':').next().unwrap_or_default().to_owned();
            Error::bad(format!("create {name}: {reason}"))
        }
        other => other.into(),
    })
}

fn propagation(text: &str) -> Result<Propagation> {
    if text.is_empty() {
        return Ok(Propagation::default());
    }
    let value = serde_json::Value::String(text.to_owned());
    serde_json::from_value(value).map_err(|_| {
        Error::bad(format!(
            "invalid mount config for type \"bind\": invalid propagation mode: {text}"
        ))
    })
}

/// A named volume that is to have labels or options of its own.
fn volume_settings(mount: &Mount) -> Option<VolumeSpec> {
    let options = &mount.volume_options;
    let driver = &options.driver_config;
    let settled = !options.labels.is_empty()
        || !driver.options.is_empty()
        || !matches!(driver.name.as_str(), "" | "local");
    (settled && !mount.source.is_empty()).then(|| VolumeSpec {
        name: Some(mount.source.clone()),
        anonymous: false,
        driver: driver.name.clone(),
        labels: options.labels.clone(),
        options: driver.options.clone(),
    })
}

fn long(mount: &Mount) -> Result<MountOption> {
    let invalid =
        |why: &str| Error::bad(format!("invalid mount config for type {:?}: {why}", mount.kind));
    if mount.target.is_empty() {
        return Err(invalid("field Target must not be empty"));
    }
    let mut create_source = None;
    let mut settings = None;
    let mut mode = Propagation::default();
    let kind = match mount.kind.as_str() {
        "bind" => {
            if mount.source.is_empty() {
                return Err(invalid("field Source must not be empty"));
            }
            if !mount.source.starts_with('/') {
                return Err(invalid(&format!(
                    "invalid mount path: '{}' mount path must be absolute",
                    mount.source
                )));
            }
            mode = propagation(&mount.bind_options.propagation)?;
            if mount.bind_options.create_mountpoint {
                create_source = Some(mount.source.clone().into());
            }
            MountKind::Bind {
                source: mount.source.clone(),
                recursive: !mount.bind_options.non_recursive,
            }
        }
        "volume" => {
            settings = volume_settings(mount);
            MountKind::Volume {
                anonymous: mount.source.is_empty(),
                name: mount.source.clone(),
                nocopy: mount.volume_options.no_copy,
                subpath: Some(mount.volume_options.subpath.clone()).filter(|path| !path.is_empty()),
            }
        }
        "tmpfs" => {
            if !mount.source.is_empty() {
                return Err(invalid("field Source must not be specified"));
            }
            let options = &mount.tmpfs_options;
            MountKind::Tmpfs {
                size_bytes: options.size_bytes,
                mode: Some(options.mode).filter(|mode| *mode != 0),
                options: options.options.iter().map(|words| words.join("=")).collect(),
            }
        }
        other => return Err(Error::bad(format!("mount type unknown: {other:?}"))),
    };
    let record = MountRecord {
        destination: mount.target.clone(),
        kind,
        readonly: mount.read_only,
        propagation: mode,
    };
    Ok(MountOption { record, create_source, volume: settings })
}

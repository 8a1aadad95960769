//! One image: inspect and history.

use super::find;
use super::list::{seconds, tags};
use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::{Error, Result};
use serde_json::{Map, Value, json};
use teu_docker::summary::History;

/// `GET /images/{name}/json`
pub fn inspect(engine: &Engine, name: &str, call: &Call) -> Result<Answer> {
    let mut image = find(engine, name)?;
    if let Some(text) = call.query.nonempty("platform") {
        let wanted = text.parse().map_err(|_| Error::bad(format!("invalid platform {text:?}")))?;
        image = engine.containers().images().resolve_platform(name, Some(&wanted))?;
    }
    let config = &image.config;
    let chain = engine.containers().images().chain_now(&image).map(|chain| chain.lower);
    let layers: Vec<String> =
        chain.unwrap_or_default().iter().map(|path| path.display().to_string()).collect();
    let comment = config.history.last().and_then(|step| step.comment.clone());
    let mut document = json!({
        "Id": image.id,
        "RepoTags": tags(&image),
        "RepoDigests": engine.containers().images().published()?.repo_digests(&image),
        "Parent": "",
        "Comment": comment.unwrap_or_default(),
        "Created": config.created,
        "DockerVersion": "",
        "Author": config.author.clone().unwrap_or_default(),
        "Config": configuration(&config.config),
        "Architecture": config.architecture,
        "Variant": config.variant,
        "Os": config.os,
        "Size": image.size_bytes,
        "VirtualSize": image.size_bytes,
        "GraphDriver": { "Data": { "LowerDir": layers.join(":") }, "Name": "overlay2" },
        "RootFS": { "Type": "layers", "Layers": config.rootfs.diff_ids },
        "Metadata": { "LastTagTime": teu_containers::time::rfc3339(0) },
    });
    if let Some(fields) = document.as_object_mut() {
        if config.variant.is_none() {
            fields.shift_remove("Variant");
        }
        if call.version.0 >= 44 {
            fields.shift_remove("VirtualSize");
        }
    }
    Answer::ok(&document)
}

/// Docker's container configuration of an image: all fields, empty ones too.
fn configuration(config: &teu_oci::image::Config) -> Value {
    let set = |keys: Vec<&String>| -> Value {
        let map: Map<String, Value> = keys.into_iter().map(|k| (k.clone(), json!({}))).collect();
        if map.is_empty() { Value::Null } else { Value::Object(map) }
    };
    let mut all = json!({
        "Hostname": "",
        "Domainname": "",
        "User": config.user,
        "AttachStdin": false,
        "AttachStdout": false,
        "AttachStderr": false,
        "ExposedPorts": set(config.exposed_ports.keys().collect()),
        "Tty": false,
        "OpenStdin": false,
        "StdinOnce": false,
        "Env": if config.env.is_empty() { Value::Null } else { json!(config.env) },
        "Cmd": config.cmd,
        "Healthcheck": config.healthcheck,
        "Image": "",
        "Volumes": set(config.volumes.keys().collect()),
        "WorkingDir": config.working_dir,
        "Entrypoint": config.entrypoint,
        "OnBuild": config.on_build,
        "Labels": if config.labels.is_empty() { Value::Null } else { json!(config.labels) },
        "StopSignal": config.stop_signal,
        "Shell": config.shell,
    });
    if let Some(fields) = all.as_object_mut() {
        for key in ["ExposedPorts", "Healthcheck", "StopSignal", "Shell"] {
            if fields.get(key).is_some_and(Value::is_null) {
                fields.shift_remove(key);
            }
        }
    }
    all
}

/// `GET /images/{name}/history`
pub fn history(engine: &Engine, name: &str) -> Result<Answer> {
    let image = find(engine, name)?;
    let tags = tags(&image);
    let rows = engine.containers().images().history(&image);
    let lines: Vec<History> = rows
        .into_iter()
        .enumerate()
        .map(|(index, row)| History {
            comment: row.comment,
            created: seconds(row.created.as_deref()),
            created_by: row.created_by,
            id: row.id.map_or_else(|| "<missing>".to_owned(), |id| id.to_string()),
            size: row.size_bytes,
            tags: Some(tags.clone()).filter(|tags| index == 0 && !tags.is_empty()),
        })
        .collect();
    Answer::ok(&lines)
}

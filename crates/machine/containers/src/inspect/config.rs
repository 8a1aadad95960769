//! `Config`: what the image and the person say about the process.

use crate::Found;
use crate::record::MountKind;
use serde_json::{Map, Value, json};

pub(super) fn render(found: &Found) -> Value {
    let (record, pod) = (&found.record, &found.pod);
    let hostname = match pod.hostname.is_empty() {
        true => pod.id.get(..12).unwrap_or(&pod.id),
        false => &pod.hostname,
    };
    let empty = |keys: Vec<&String>| -> Value {
        let map: Map<String, Value> = keys.into_iter().map(|k| (k.clone(), json!({}))).collect();
        if map.is_empty() { Value::Null } else { Value::Object(map) }
    };
    let list = |list: &Vec<String>| if list.is_empty() { Value::Null } else { json!(list) };
    let anonymous = record.mounts.iter().filter_map(|mount| match mount.kind {
        MountKind::Volume { anonymous: true, .. } => Some(&mount.destination),
        _ => None,
    });
    let mut all = json!({
        "Hostname": hostname,
        "Domainname": pod.domainname,
        "User": record.user,
        "AttachStdin": record.stdin_once,
        "AttachStdout": record.stdin_once,
        "AttachStderr": record.stdin_once,
        "ExposedPorts": empty(record.exposed_ports.iter().collect()),
        "Tty": record.tty,
        "OpenStdin": record.stdin_open,
        "StdinOnce": record.stdin_once,
        "Env": record.env,
        "Cmd": list(&record.command),
        "Healthcheck": record.healthcheck,
        "Image": record.image,
        "Volumes": empty(anonymous.collect()),
        "WorkingDir": record.working_dir,
        "Entrypoint": list(&record.entrypoint),
        "OnBuild": Value::Null,
        "Labels": record.labels,
        "StopSignal": record.stop_signal,
        "StopTimeout": record.stop_timeout_s,
    });
    if let Some(fields) = all.as_object_mut() {
        // Docker leaves these out where they are not set.
        for key in ["ExposedPorts", "Healthcheck", "StopTimeout", "StopSignal"] {
            let unset = fields.get(key).is_some_and(|v| v.is_null() || *v == json!(""));
            if unset {
                fields.shift_remove(key);
            }
        }
    }
    all
}

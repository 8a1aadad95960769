//! The shape that programs rely on.

use super::*;
use crate::record::{ContainerRecord, MountRecord, PodRecord, Propagation, RestartPolicy};

fn found() -> Found {
    let id = "ab".repeat(32);
    let mount = |destination: &str, kind| MountRecord {
        destination: destination.to_owned(),
        kind,
        readonly: true,
        propagation: Propagation::default(),
    };
    Found {
        record: ContainerRecord {
            id: id.clone(),
            pod: id.clone(),
            entrypoint: vec!["/entry".into()],
            command: vec!["a".into()],
            restart: RestartPolicy::OnFailure { max_retries: 3 },
            exposed_ports: vec!["80/tcp".into()],
            mounts: vec![
                mount("/srv", MountKind::Bind { source: "/host".into(), recursive: true }),
                mount(
                    "/tmp",
                    MountKind::Tmpfs { size_bytes: 1024, mode: Some(0o700), options: vec![] },
                ),
            ],
            ..Default::default()
        },
        pod: PodRecord { id, ..Default::default() },
        state: ContainerState::default(),
    }
}

#[test]
fn host_config_says_what_was_asked_for() {
    let all = host_config::render(&found());
    assert_eq!(all["Binds"], json!(["/host:/srv:ro"]));
    assert_eq!(all["Tmpfs"], json!({ "/tmp": "size=1024,mode=700" }));
    assert_eq!(all["RestartPolicy"], json!({ "Name": "on-failure", "MaximumRetryCount": 3 }));
    assert_eq!(all["NetworkMode"], "bridge");
    assert_eq!(all["ShmSize"], 64 << 20);
    assert_eq!(all["Memory"], 0);
    for key in ["CapAdd", "Dns", "PidMode", "Privileged", "LogConfig", "MaskedPaths", "Ulimits"] {
        assert!(all.get(key).is_some(), "{key}");
    }
}

#[test]
fn config_says_how_it_starts() {
    let all = config::render(&found());
    assert_eq!(all["Entrypoint"], json!(["/entry"]));
    assert_eq!(all["Cmd"], json!(["a"]));
    assert_eq!(all["ExposedPorts"], json!({ "80/tcp": {} }));
    assert_eq!(all["Hostname"], "abababababab");
}

#[test]
fn state_of_one_that_never_ran() {
    let all = state(&ContainerState::default());
    assert_eq!(all["Status"], "created");
    assert_eq!(all["StartedAt"], "0001-01-01T00:00:00Z");
    assert_eq!(all["Running"], false);
    assert!(all.get("Health").is_none());
}

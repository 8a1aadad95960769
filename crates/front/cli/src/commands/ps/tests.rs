//! Cells of `ps`.

use super::*;
use teu_containers::state::{ContainerState, Health, status_line};

#[test]
fn statuses() {
    let second = 1_000_000_000;
    let state = |status| ContainerState {
        status,
        exit_code: 137,
        started_ns: 100 * second,
        finished_ns: 200 * second,
        ..ContainerState::default()
    };
    let healthy = Some(Health { status: "healthy".into(), ..Health::default() });
    let now = 205 * second;
    for (state, expected) in [
        (state(Status::Running), "Up About a minute"),
        (
            ContainerState { health: healthy, ..state(Status::Running) },
            "Up About a minute (healthy)",
        ),
        (state(Status::Paused), "Up About a minute (Paused)"),
        (state(Status::Exited), "Exited (137) 5 seconds ago"),
        (state(Status::Restarting), "Restarting (137) 5 seconds ago"),
        (state(Status::Created), "Created"),
    ] {
        assert_eq!(status_line(&state, now), expected);
    }
}

#[test]
fn joins_neighbouring_ports() {
    let port = |host: Option<(&str, u16)>, container_port, protocol: &str| PortBinding {
        container_port,
        protocol: protocol.to_owned(),
        host: host.and_then(|(ip, port)| Some((ip.parse().ok()?, port))),
    };
    let bindings = [
        port(Some(("::", 8000)), 80, "tcp"),
        port(Some(("0.0.0.0", 8001)), 81, "tcp"),
        port(Some(("0.0.0.0", 8000)), 80, "tcp"),
        port(None, 9000, "tcp"),
        port(None, 53, "udp"),
    ];
    assert_eq!(
        ports(&bindings),
        "0.0.0.0:8000-8001->80-81/tcp, [::]:8000->80/tcp, 9000/tcp, 53/udp"
    );
}

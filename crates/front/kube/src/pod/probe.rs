//! Probes become the container's health check. It has one: of the liveness and the readiness probe the
//! first that is there; a startup probe gives the time in which failures do not count.
//!
//! What fails its liveness probe is killed, and started again as its pod's policy says. Requests are
//! made by a program of ours in the container, which needs none of the image's.

use crate::field::{Field, Result};
use teu_containers::shim::PROBE;
use teu_oci::image::Healthcheck;

/// A check, and whether what fails it is killed.
pub(super) type Check = (Healthcheck, bool);

const KNOWN: &[&str] = &[
    "exec",
    "httpGet",
    "tcpSocket",
    "initialDelaySeconds",
    "periodSeconds",
    "timeoutSeconds",
    "failureThreshold",
    "successThreshold",
    "terminationGracePeriodSeconds",
];

/// Of a container.
pub(super) fn check(container: &Field<'_>, warnings: &mut Vec<String>) -> Result<Option<Check>> {
    let liveness = container.get("livenessProbe");
    let readiness = container.get("readinessProbe");
    let startup = container.get("startupProbe");
    if liveness.is_some()
        && let Some(readiness) = &readiness
    {
        readiness.only(KNOWN, &["grpc"])?;
        warnings.push(readiness.error("is not used: the liveness probe is").to_string());
    }
    let kills = liveness.is_some();
    let Some(probe) = liveness.or(readiness).or_else(|| startup.clone()) else { return Ok(None) };
    probe.only(KNOWN, &["grpc"])?;
    let seconds = |field: &Field<'_>, name: &str, default: i64| match field.get(name) {
        Some(field) => field.number::<i64>(0),
        None => Ok(default),
    };
    let mut start = seconds(&probe, "initialDelaySeconds", 0)?;
    if let Some(startup) = &startup {
        startup.only(KNOWN, &["grpc"])?;
        let period = seconds(startup, "periodSeconds", 10)?.max(1);
        let tries = seconds(startup, "failureThreshold", 3)?.max(1);
        start += seconds(startup, "initialDelaySeconds", 0)? + period * tries;
    }
    let second = 1_000_000_000_i64;
    let period = seconds(&probe, "periodSeconds", 10)?.max(1);
    Ok(Some((
        Healthcheck {
            test: test(&probe, container)?,
            interval: period.saturating_mul(second),
            timeout: seconds(&probe, "timeoutSeconds", 1)?.max(1).saturating_mul(second),
            start_period: start.saturating_mul(second),
            start_interval: if start > 0 { second } else { 0 },
            retries: seconds(&probe, "failureThreshold", 3)?.max(1),
        },
        kills,
    )))
}

fn test(probe: &Field<'_>, container: &Field<'_>) -> Result<Vec<String>> {
    let mut words = vec!["CMD".to_owned()];
    if let Some(exec) = probe.get("exec") {
        words.extend(exec.get_texts("command")?);
        return match words.len() {
            1 => Err(exec.error("command is missing")),
            _ => Ok(words),
        };
    }
    words.extend(PROBE.map(str::to_owned));
    if let Some(socket) = probe.get("tcpSocket") {
        socket.only(&["host", "port"], &[])?;
        let host = socket.get_text("host")?.unwrap_or_else(|| "127.0.0.1".to_owned());
        words.extend(["tcp".to_owned(), host, port(&socket, container)?.to_string()]);
        return Ok(words);
    }
    let Some(request) = probe.get("httpGet") else {
        return Err(probe.error("says none of exec, httpGet, tcpSocket"));
    };
    request.only(&["host", "port", "path", "scheme", "httpHeaders"], &[])?;
    if let Some(scheme) = request.get("scheme")
        && !scheme.text()?.eq_ignore_ascii_case("http")
    {
        return Err(scheme.error("only HTTP is probed; use exec or tcpSocket for HTTPS"));
    }
    let host = request.get_text("host")?.unwrap_or_else(|| "127.0.0.1".to_owned());
    let path = request.get_text("path")?.unwrap_or_else(|| "/".to_owned());
    words.extend(["http".to_owned(), host, port(&request, container)?.to_string(), path]);
    for header in request.get_list("httpHeaders")? {
        let (name, value) = (header.need("name")?.text()?, header.need("value")?.text()?);
        if [name, value].iter().any(|text| text.contains(['\r', '\n'])) {
            return Err(header.error("a header has one line"));
        }
        words.push(format!("{name}: {value}"));
    }
    Ok(words)
}

/// A number, or the name of one of the container's ports.
fn port(of: &Field<'_>, container: &Field<'_>) -> Result<u16> {
    let field = of.need("port")?;
    let Ok(name) = field.text() else { return field.number(1) };
    for port in container.get_list("ports")? {
        if port.get_text("name")?.as_deref() == Some(name) {
            return port.need("containerPort")?.number(1);
        }
    }
    name.parse().map_err(|_| field.error(format!("the container has no port {name:?}")))
}

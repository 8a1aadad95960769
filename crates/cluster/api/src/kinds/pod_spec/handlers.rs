//! Probes and lifecycle hooks.

use super::super::core::port_or_name;
use super::super::field::{At, Report};
use super::super::name;

/// The probes and hooks of a container that may have them.
pub fn check(container: &At, grace: Option<i64>, report: &mut Report) {
    for hook in ["postStart", "preStop"] {
        let lifecycle = container.get("lifecycle");
        let hook = lifecycle.get(hook);
        if hook.is_set() {
            handler(&hook, &["exec", "httpGet", "tcpSocket", "sleep"], grace, report);
        }
    }
    for (field, one_success) in
        [("livenessProbe", true), ("readinessProbe", false), ("startupProbe", true)]
    {
        let at = container.get(field);
        if !at.is_set() {
            continue;
        }
        probe(&at, grace, report);
        let successes = at.get("successThreshold");
        if one_success && successes.int() != 1 {
            report.invalid_as(&successes, successes.int(), "must be 1");
        }
        let own_grace = at.get("terminationGracePeriodSeconds");
        if field == "readinessProbe" && own_grace.is_set() {
            report.invalid(&own_grace, "must not be set for readinessProbes");
        }
    }
}

fn probe(at: &At, grace: Option<i64>, report: &mut Report) {
    handler(at, &["exec", "httpGet", "tcpSocket", "grpc"], grace, report);
    for field in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        report.non_negative(&at.get(field));
    }
    let own = at.get("terminationGracePeriodSeconds");
    if own.opt_int().is_some_and(|seconds| seconds <= 0) {
        report.invalid(&own, "must be greater than 0");
    }
}

fn handler(at: &At, kinds: &[&str], grace: Option<i64>, report: &mut Report) {
    let mut found = false;
    for kind in ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] {
        let action = at.get(kind);
        if !kinds.contains(&kind) || !action.is_set() {
            continue;
        }
        if found {
            report.forbidden(&action, "may not specify more than 1 handler type");
            continue;
        }
        found = true;
        match kind {
            "exec" if action.get("command").is_empty() => {
                report.required(&action.get("command"), "");
            }
            "httpGet" => http(&action, report),
            "tcpSocket" | "grpc" => port_or_name(&action.get("port"), report),
            "sleep" => sleep(&action, grace, report),
            _ => {}
        }
    }
    if !found {
        report.required(at, "must specify a handler type");
    }
}

fn http(action: &At, report: &mut Report) {
    if action.text("path").is_empty() {
        report.required(&action.get("path"), "");
    }
    port_or_name(&action.get("port"), report);
    let scheme = action.get("scheme");
    if !["HTTP", "HTTPS"].contains(&scheme.str()) {
        report.unsupported(&scheme, &["HTTP", "HTTPS"]);
    }
    let headers = action.get("httpHeaders");
    for header in headers.items() {
        for why in name::header(header.text("name")) {
            report.invalid_as(&headers, header.text("name"), why);
        }
    }
}

fn sleep(action: &At, grace: Option<i64>, report: &mut Report) {
    let seconds = action.get("seconds").int();
    if let Some(grace) = grace
        && !(0..=grace).contains(&seconds)
    {
        let why =
            format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        report.invalid_as(action, seconds, why);
    }
}

//! `/healthz`, `/livez`, `/readyz`: each check by its name, each alone under its own path.

use crate::answer;
use crate::api::Api;
use crate::request::Query;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use teu_store::Consistency;
use teu_web::Response;

/// A check: its name, and whether it is one of readiness alone.
const CHECKS: [(&str, bool); 5] = [
    ("ping", false),
    ("log", false),
    ("etcd", false),
    ("poststarthook/start-server", true),
    ("shutdown", true),
];

/// Answers `/livez` and its like; `rest` names one check.
pub fn answer(api: &Api, which: &str, rest: &str, query: &Query) -> Response {
    let concerned = |is_readiness: bool| !is_readiness || which == "readyz";
    let mut checks: Vec<&str> = CHECKS
        .iter()
        .filter(|(_, is_readiness)| concerned(*is_readiness))
        .map(|(name, _)| *name)
        .collect();
    if !rest.is_empty() {
        checks.retain(|name| *name == rest);
        if checks.is_empty() {
            return text(404, "404 page not found\n".to_owned());
        }
    }
    let excluded: Vec<&str> = query.all("exclude").collect();
    let (mut out, mut failed) = (String::new(), 0);
    for name in checks {
        if excluded.contains(&name) {
            let _ = writeln!(out, "[+]{name} excluded: ok");
        } else if is_well(api, name) {
            let _ = writeln!(out, "[+]{name} ok");
        } else {
            failed += 1;
            let _ = writeln!(out, "[-]{name} failed: reason withheld");
        }
    }
    if failed > 0 {
        let _ = writeln!(out, "{which} check failed");
        return text(500, out);
    }
    if query.find("verbose").is_some() {
        let _ = writeln!(out, "{which} check passed");
        return text(200, out);
    }
    text(200, "ok".to_owned())
}

fn is_well(api: &Api, name: &str) -> bool {
    match name {
        // The embedded store answers from memory; a cluster's answer is waited for by requests.
        "etcd" => {
            let mut reply = Box::pin(api.store.get(b"/registry/health", Consistency::Local));
            let waker = std::task::Waker::noop();
            let polled = Future::poll(reply.as_mut(), &mut std::task::Context::from_waker(waker));
            !matches!(polled, std::task::Poll::Ready(Err(_)))
        }
        "poststarthook/start-server" => api.is_ready.load(Ordering::Acquire),
        "shutdown" => !api.shutdown.has_begun(),
        _ => true,
    }
}

fn text(code: u16, text: String) -> Response {
    answer::bytes(code, "text/plain; charset=utf-8", text.into(), false)
}

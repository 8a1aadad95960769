//! A job's spec, of a job and in the template of a cron job.

use super::super::super::field::{At, Report};
use super::super::super::{fill, name, pod_spec, workload};
use super::policy;
use serde_json::Value;

const MAX_PARALLEL: i64 = 100_000;
const MAX_FAILED: i64 = 100_000;
const MANY: i64 = 100_000;
const MANY_LIMIT: i64 = 10_000;
const INDEXED: &str = "requires indexed completion mode";

/// Fills in what the policies leave out.
pub fn fill_policies(spec: &mut Value) {
    let Some(policy) = fill::field(spec, "podFailurePolicy") else { return };
    for rule in fill::items(policy, "rules") {
        for pattern in fill::items(rule, "onPodConditions") {
            fill::zero(pattern, "status", "True");
        }
    }
}

/// Checks a spec, but for its selector.
pub fn check(spec: &At, report: &mut Report) {
    let counts = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ];
    workload::counts(spec, &counts, report);
    let by_index = spec.get("backoffLimitPerIndex");
    if spec.get("maxFailedIndexes").is_set() && !by_index.is_set() {
        report.required(&by_index, "when maxFailedIndexes is specified");
    }
    managed_by(&spec.get("managedBy"), report);
    let mode = spec.get("completionMode");
    report.maybe_one_of(&mode, &["NonIndexed", "Indexed"]);
    if mode.str() == "Indexed" {
        indexed(spec, report);
    } else {
        for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            let at = spec.get(field);
            if at.is_set() && ["", "NonIndexed"].contains(&mode.str()) {
                report.invalid(&at, INDEXED);
            }
        }
    }
    let failure = spec.get("podFailurePolicy");
    if failure.is_set() {
        policy::failure(spec, &failure, report);
    }
    let success = spec.get("successPolicy");
    if success.is_set() && mode.str() != "Indexed" {
        report.invalid(&success, INDEXED);
    } else if success.is_set() {
        policy::success(spec, &success, report);
    }
    let replacement = spec.get("podReplacementPolicy");
    let replacements: &[&str] =
        if failure.is_set() { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
    report.maybe_one_of(&replacement, replacements);
    pod_spec::template::check(&spec.get("template"), report);
    restart(spec, failure.is_set(), report);
}

fn restart(spec: &At, has_policy: bool, report: &mut Report) {
    let restart = spec.get("template.spec.restartPolicy");
    match restart.str() {
        "" | "Always" => report.required(&restart, "valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if has_policy => {
            let why = "only \"Never\" is supported when podFailurePolicy is specified";
            report.invalid(&restart, why);
        }
        "OnFailure" | "Never" => {}
        _ => report.unsupported(&restart, &["OnFailure", "Never"]),
    }
}

fn managed_by(at: &At, report: &mut Report) {
    if !at.is_set() {
        return;
    }
    if at.is_empty() {
        report.required(at, "");
    } else {
        match at.str().split_once('/') {
            Some((host, path)) if !host.is_empty() && !path.is_empty() => {
                for why in name::subdomain(host) {
                    report.invalid_as(at, host, why);
                }
            }
            _ => report.invalid(at, "must be a domain-prefixed path (such as \"acme.io/foo\")"),
        }
    }
    if at.str().len() > 63 {
        report.too_long(at, 63);
    }
}

fn indexed(spec: &At, report: &mut Report) {
    let (completions, parallelism) = (spec.get("completions"), spec.get("parallelism"));
    let failed = spec.get("maxFailedIndexes");
    if !completions.is_set() {
        report.required(&completions, "when completion mode is Indexed");
    }
    if parallelism.int() > MAX_PARALLEL {
        let why =
            format!("must be less than or equal to {MAX_PARALLEL} when completion mode is Indexed");
        report.invalid(&parallelism, why);
    }
    if completions.is_set() && failed.int() > completions.int() {
        report.invalid(&failed, "must be less than or equal to completions");
    }
    if failed.int() > MAX_FAILED {
        report.invalid(&failed, format!("must be less than or equal to {MAX_FAILED}"));
    }
    if completions.int() > MANY && spec.get("backoffLimitPerIndex").is_set() {
        if !failed.is_set() {
            let why = format!("must be specified when completions is above {MANY}");
            report.required(&failed, &why);
        }
        for at in [parallelism, failed] {
            if at.int() > MANY_LIMIT {
                let why = format!(
                    "must be less than or equal to {MANY_LIMIT} when completions are above {MANY} and used with backoff limit per index"
                );
                report.invalid(&at, why);
            }
        }
    }
}

/// The template of a cron job's jobs: their selector comes by itself.
pub fn check_template(template: &At, report: &mut Report) {
    let spec = template.get("spec");
    check(&spec, report);
    let selector = spec.get("selector");
    if selector.is_set() {
        report.invalid(&selector, "`selector` will be auto-generated");
    }
    let manual = spec.get("manualSelector");
    if manual.bool() {
        report.unsupported(&manual, &["nil", "false"]);
    }
}

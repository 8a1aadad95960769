//! What is wrong with a change of a job's status. Faults that were there before are let be, so that
//! old jobs can still be changed.

use super::super::super::field::{At, Report};
use super::super::super::workload;
use super::has_condition;
use super::indexes;
use super::policy::invalid_whole;

pub fn check(job: &At, old: &At, report: &mut Report) {
    let mut before = Report::default();
    of_itself(old, &mut before);
    let before = before.into_causes();
    let mut now = Report::default();
    of_itself(job, &mut now);
    for cause in now.into_causes() {
        if !before.contains(&cause) {
            report.add(cause);
        }
    }
    change(job, old, report);
}

fn of_itself(job: &At, report: &mut Report) {
    let status = job.get("status");
    workload::counts(&status, &["active", "succeeded", "failed", "ready", "terminating"], report);
    let mut seen: Vec<&str> = Vec::new();
    for list in ["succeeded", "failed"] {
        let uncounted = status.get("uncountedTerminatedPods");
        for uid in uncounted.get(list).items() {
            if uid.is_empty() {
                report.invalid(&uid, "must not be empty");
            } else if seen.contains(&uid.str()) {
                report.duplicate(&uid);
            }
            seen.push(uid.str());
        }
    }
    conditions(job, &status, report);
    finished(job, &status, report);
    lists(job, &status, report);
    let (ready, active) = (status.get("ready"), status.get("active").int());
    if ready.int() > active {
        report.invalid(&ready, "cannot set more ready pods than active");
    }
}

fn conditions(job: &At, status: &At, report: &mut Report) {
    let has = |kind: &str| has_condition(job, kind);
    let at = status.get("conditions");
    let mut both = |one: &str, other: &str, why: &str| {
        if has(one) && has(other) {
            invalid_whole(&at, why, report);
        }
    };
    both("Complete", "Failed", "cannot set Complete=True and Failed=true conditions");
    both("Complete", "FailureTarget", "cannot set Complete=True and FailureTarget=true conditions");
    both(
        "SuccessCriteriaMet",
        "Failed",
        "cannot set SuccessCriteriaMet=True and Failed=true conditions",
    );
    both(
        "SuccessCriteriaMet",
        "FailureTarget",
        "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions",
    );
    if has("Failed") && !has("FailureTarget") {
        let why = "cannot set Failed=True condition without the FailureTarget=true condition";
        invalid_whole(&at, why, report);
    }
    if has("Complete") && !has("SuccessCriteriaMet") {
        let why =
            "cannot set Complete=True condition without the SuccessCriteriaMet=true condition";
        invalid_whole(&at, why, report);
    }
}

fn finished(job: &At, status: &At, report: &mut Report) {
    let complete = has_condition(job, "Complete");
    let is_finished = complete || has_condition(job, "Failed");
    let (start, end) = (status.get("startTime"), status.get("completionTime"));
    if end.is_set() && !complete {
        let why = "cannot set completionTime when there is no Complete=True condition";
        report.invalid(&end, why);
    }
    if !end.is_set() && complete {
        report.required(&end, "completionTime is required for Complete jobs");
    }
    if crate::time::parse(end.str())
        .zip(crate::time::parse(start.str()))
        .is_some_and(|(end, start)| end < start)
    {
        report.invalid(&end, "completionTime cannot be set before startTime");
    }
    if !is_finished {
        return;
    }
    for count in ["active", "terminating"] {
        let at = status.get(count);
        if at.int() > 0 {
            report.invalid(&at, format!("{count}>0 is invalid for finished job"));
        }
    }
    if !start.is_set() {
        report.required(&start, "startTime is required for finished job");
    }
    let uncounted = status.get("uncountedTerminatedPods");
    if uncounted.get("failed").has_items() || uncounted.get("succeeded").has_items() {
        let why = "uncountedTerminatedPods needs to be empty for finished job";
        report.invalid(&uncounted, why);
    }
}

fn lists(job: &At, status: &At, report: &mut Report) {
    let (done, failed) = (status.get("completedIndexes"), status.get("failedIndexes"));
    let spec = job.get("spec");
    if !done.is_empty() && spec.text("completionMode") != "Indexed" {
        let why = "cannot set non-empty completedIndexes when non-indexed completion mode";
        report.invalid(&done, why);
    }
    if failed.is_set() && !spec.get("backoffLimitPerIndex").is_set() {
        let why = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
        report.invalid(&failed, why);
    }
    let Some(completions) = spec.get("completions").opt_int() else { return };
    let mut found = Vec::new();
    for (at, what) in [(done, "completedIndexes"), (failed, "failedIndexes")] {
        match indexes::intervals(at.str(), completions) {
            Ok(intervals) => found.push(intervals),
            Err(why) => report.invalid(&at, format!("error parsing {what}: {why}")),
        }
    }
    if let [done, lost] = found.as_slice()
        && let Some(index) = indexes::overlap(done, lost)
    {
        let why = format!("failedIndexes and completedIndexes overlap at index: {index}");
        report.invalid(&failed, why);
    }
}

fn change(job: &At, old: &At, report: &mut Report) {
    let (status, before) = (job.get("status"), old.get("status"));
    let conditions = status.get("conditions");
    for kind in ["Failed", "Complete", "FailureTarget"] {
        if has_condition(old, kind) && !has_condition(job, kind) {
            let why = format!("cannot disable the terminal {kind}=True condition");
            invalid_whole(&conditions, &why, report);
        }
    }
    for count in ["failed", "succeeded"] {
        let at = status.get(count);
        let may_shrink = count == "succeeded" && job.text("spec.completionMode") == "Indexed";
        if at.int() < before.get(count).int() && !may_shrink {
            report.invalid_as(&at, at.int(), format!("cannot decrease the {count} counter"));
        }
    }
    let (end, was) = (status.get("completionTime"), before.get("completionTime"));
    if end.is_set() && was.is_set() && end.value != was.value {
        report.invalid(&end, "completionTime cannot be mutated");
    }
    let (start, was) = (status.get("startTime"), before.get("startTime"));
    if was.is_set() && start.value != was.value && !job.get("spec.suspend").bool() {
        report.required(&start, "startTime cannot be removed for unsuspended job");
    }
    let met = "SuccessCriteriaMet";
    if has_condition(old, met) && !has_condition(job, met) {
        let why = "cannot disable the SuccessCriteriaMet=True condition";
        invalid_whole(&conditions, why, report);
    }
    if has_condition(old, "Complete") && !has_condition(old, met) && has_condition(job, met) {
        let why = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions";
        invalid_whole(&conditions, why, report);
    }
}

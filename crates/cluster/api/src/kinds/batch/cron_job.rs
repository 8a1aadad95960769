//! `CronJob`.

use super::super::field::{At, Report};
use super::super::kind::{Kind, empty_status};
use super::super::{equal, fill, labels, pod_spec, print, workload};
use super::job;
use super::schedule::Schedule;
use serde_json::Value;

/// A job's name has 63 bytes, eleven of which are the time.
const NAME_BYTES: usize = 52;

pub const RULES: Kind = Kind {
    default,
    status: Some(empty_status),
    check,
    check_new: |job, report| {
        let own = job.get("metadata.name");
        if own.str().len() > NAME_BYTES {
            report.invalid(&own, format!("must be no more than {NAME_BYTES} characters"));
        }
        time_zone_in_schedule(job, false, report);
        time_zone(&job.get("spec.timeZone"), report);
    },
    change: |job, old, report| {
        let had = old.text("spec.schedule").contains("TZ");
        time_zone_in_schedule(job, had, report);
        if job.get("spec.timeZone").value != old.get("spec.timeZone").value {
            time_zone(&job.get("spec.timeZone"), report);
        }
    },
    warn,
    columns: "Name,Schedule,Timezone,Suspend:boolean,Active:integer,Last Schedule,Age,+Containers,+Images,+Selector",
    cells,
    generation: true,
    ..Kind::namespaced()
};

fn default(job: &mut Value) {
    let spec = fill::child(job, "spec");
    fill::zero(spec, "concurrencyPolicy", "Allow");
    fill::missing(spec, "suspend", false);
    fill::missing(spec, "successfulJobsHistoryLimit", 3);
    fill::missing(spec, "failedJobsHistoryLimit", 1);
    let template = fill::child(spec, "jobTemplate");
    fill::missing(template, "metadata", Value::Object(serde_json::Map::new()));
    let jobs = fill::child(template, "spec");
    job::fill_policies(jobs);
    pod_spec::template::fill(jobs);
}

fn check(job: &At, report: &mut Report) {
    let spec = job.get("spec");
    let schedule = spec.get("schedule");
    if schedule.is_empty() {
        report.required(&schedule, "");
    } else if let Err(why) = Schedule::parse(schedule.str()) {
        report.invalid(&schedule, why);
    }
    let counts =
        ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"];
    workload::counts(&spec, &counts, report);
    report.one_of(&spec.get("concurrencyPolicy"), &["Allow", "Forbid", "Replace"]);
    job::check_template(&spec.get("jobTemplate"), report);
}

fn time_zone_in_schedule(job: &At, allowed: bool, report: &mut Report) {
    let schedule = job.get("spec.schedule");
    if !schedule.str().contains("TZ") {
        return;
    }
    if !allowed {
        let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        report.invalid(&schedule, why);
    } else if job.get("spec.timeZone").is_set() {
        let why = "cannot use both timeZone field and TZ or CRON_TZ in schedule";
        report.invalid(&schedule, why);
    }
}

/// A zone's name; whether there is such a zone is known where it is used.
fn time_zone(at: &At, report: &mut Report) {
    if !at.is_set() {
        return;
    }
    if at.is_empty() {
        return report.invalid(at, "timeZone must be nil or non-empty string");
    }
    let fits = at.str().split('/').all(|part| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte);
        let length = 1..=14;
        ![".", ".."].contains(&part)
            && !part.starts_with('-')
            && length.contains(&part.len())
            && part.bytes().all(plain)
    });
    if !fits {
        return report.invalid(at, format!("unknown time zone {}", at.str()));
    }
    if at.str().eq_ignore_ascii_case("local") {
        let why =
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        report.invalid(at, why);
    }
}

fn warn(job: &Value, old: Option<&Value>) -> Vec<String> {
    let at = At::root(job);
    let template = |object: &Value| At::root(object).get("spec.jobTemplate").value.clone();
    let mut warnings = Vec::new();
    if at.text("spec.schedule").contains("TZ") {
        let why = "CRON_TZ or TZ used in spec.schedule is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details";
        warnings.push(why.to_owned());
    }
    if !old.is_some_and(|old| equal::same(&template(old), &template(job))) {
        warnings.extend(pod_spec::warn::check(&at.get("spec.jobTemplate.spec.template")));
    }
    warnings
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let job = At::root(object);
    let (spec, status) = (job.get("spec"), job.get("status"));
    let suspend = match spec.get("suspend").value.as_bool() {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    let last = status.get("lastScheduleTime");
    let last = if last.is_set() { print::since(last.str(), now) } else { "<none>".to_owned() };
    let (names, images) = print::containers(&spec.get("jobTemplate.spec.template.spec"));
    vec![
        print::name(object),
        spec.text("schedule").into(),
        print::or_none(spec.text("timeZone")),
        suspend.into(),
        status.get("active").len().into(),
        last.into(),
        print::age(object, now),
        names,
        images,
        labels::shown(spec.get("jobTemplate.spec.selector").value).into(),
    ]
}

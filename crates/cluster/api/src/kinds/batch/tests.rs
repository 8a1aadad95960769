//! Jobs.

use super::super::rules;
use super::super::testing::{accepted, changed, changed_part, refused};
use serde_json::{Value, json};

fn job(mut spec: Value) -> Value {
    if spec.get("template").is_none() {
        spec["template"] = json!({"spec": {"restartPolicy": "Never",
            "containers": [{"name": "c", "image": "busybox:1"}]}});
    }
    json!({"apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "j", "namespace": "default", "uid": "u"}, "spec": spec})
}

fn cron(fields: Value) -> Value {
    let mut spec =
        json!({"schedule": "*/5 * * * *", "jobTemplate": {"spec": job(json!({}))["spec"]}});
    for (name, value) in fields.as_object().unwrap() {
        spec[name] = value.clone();
    }
    json!({"apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": {"name": "c", "namespace": "default"}, "spec": spec})
}

#[test]
fn jobs_are_filled_in() {
    let rules = rules("batch", "v1", "Job");
    let made = accepted(&*rules, &job(json!({})));
    let spec = &made["spec"];
    assert_eq!(spec["completions"], 1);
    assert_eq!(spec["parallelism"], 1);
    assert_eq!(spec["backoffLimit"], 6);
    assert_eq!(
        spec["selector"],
        json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}})
    );
    assert_eq!(
        spec["template"]["metadata"]["labels"],
        json!({"job-name": "j", "batch.kubernetes.io/job-name": "j", "controller-uid": "u",
            "batch.kubernetes.io/controller-uid": "u"})
    );
    assert_eq!(spec["podReplacementPolicy"], "TerminatingOrFailed");
    assert_eq!(accepted(&*rules, &job(json!({"parallelism": 3})))["spec"].get("completions"), None);
}

#[test]
fn faults_of_jobs() {
    let rules = rules("batch", "v1", "Job");
    let always = json!({"template": {"spec": {"containers": [{"name": "c", "image": "a"}]}}});
    refused(
        &*rules,
        &job(always),
        &[
            "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"",
        ],
    );
    refused(
        &*rules,
        &job(json!({"completions": -1, "completionMode": "x"})),
        &[
            "spec.completions: Invalid value: -1: must be greater than or equal to 0",
            "spec.completionMode: Unsupported value: \"x\": supported values: \"NonIndexed\", \"Indexed\"",
        ],
    );
    refused(
        &*rules,
        &job(
            json!({"podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [0, 0]}}, {"action": ""}]}}),
        ),
        &[
            "spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator",
            "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator",
            "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Duplicate value: 0",
            "spec.podFailurePolicy.rules[1].action: Required value: valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]",
            "spec.podFailurePolicy.rules[1]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required",
        ],
    );
    refused(
        &*rules,
        &job(json!({"successPolicy": {"rules": []}})),
        &["spec.successPolicy: Invalid value: {\"rules\":[]}: requires indexed completion mode"],
    );
    refused(
        &*rules,
        &job(
            json!({"completionMode": "Indexed", "completions": 3, "successPolicy": {"rules": [{"succeededIndexes": "0,5"}, {}]}}),
        ),
        &[
            "spec.successPolicy.rules[0].succeededIndexes: Invalid value: \"0,5\": error parsing succeededIndexes: too large index: \"5\"",
            "spec.successPolicy.rules[1]: Required value: at least one of succeededCount or succeededIndexes must be specified",
        ],
    );
}

#[test]
fn what_of_a_job_changes() {
    let rules = rules("batch", "v1", "Job");
    let old = accepted(&*rules, &job(json!({})));
    let mut new = old.clone();
    new["spec"]["parallelism"] = 5.into();
    new["spec"]["suspend"] = true.into();
    changed(&*rules, &old, &new, &[]);
    new["spec"]["completions"] = 5.into();
    changed(&*rules, &old, &new, &["spec.completions: Invalid value: 5: field is immutable"]);
    let mut ended = old.clone();
    ended["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}], "ready": 1});
    changed_part(
        &*rules,
        (&old, &ended),
        "status",
        &[
            "status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
            "status.completionTime: Required value: completionTime is required for Complete jobs",
            "status.startTime: Required value: startTime is required for finished job",
            "status.ready: Invalid value: 1: cannot set more ready pods than active",
        ],
    );
}

#[test]
fn columns_of_jobs() {
    let rules = rules("batch", "v1", "Job");
    let mut object = accepted(&*rules, &job(json!({})));
    object["metadata"]["creationTimestamp"] = "1970-01-01T00:00:00Z".into();
    object["status"] = json!({"startTime": "1970-01-01T00:00:00Z", "succeeded": 1,
        "completionTime": "1970-01-01T00:00:07Z", "conditions": [{"type": "Complete", "status": "True"}]});
    let cells = rules.cells(&object, 60);
    assert_eq!(cells[..5], ["j", "Complete", "1/1", "7s", "60s"]);
    assert_eq!(cells[7], "batch.kubernetes.io/controller-uid=u");
    assert_eq!(cells.len(), rules.columns().len());
    assert_eq!(rules.field(&object, "status.successful").as_deref(), Some("1"));
}

#[test]
fn cron_jobs() {
    let rules = rules("batch", "v1", "CronJob");
    let made = accepted(&*rules, &cron(json!({})));
    assert_eq!(made["spec"]["concurrencyPolicy"], "Allow");
    assert_eq!(made["spec"]["successfulJobsHistoryLimit"], 3);
    for (fields, reasons) in [
        (
            json!({"schedule": "x"}),
            vec!["spec.schedule: Invalid value: \"x\": expected exactly 5 fields, found 1: [x]"],
        ),
        (json!({"schedule": ""}), vec!["spec.schedule: Required value"]),
        (
            json!({"schedule": "TZ=UTC 0 * * * *"}),
            vec![
                "spec.schedule: Invalid value: \"TZ=UTC 0 * * * *\": cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
            ],
        ),
        (
            json!({"timeZone": "a b"}),
            vec!["spec.timeZone: Invalid value: \"a b\": unknown time zone a b"],
        ),
        (
            json!({"concurrencyPolicy": "x"}),
            vec![
                "spec.concurrencyPolicy: Unsupported value: \"x\": supported values: \"Allow\", \"Forbid\", \"Replace\"",
            ],
        ),
    ] {
        refused(&*rules, &cron(fields), &reasons);
    }
    let mut named = cron(json!({}));
    let name = "a".repeat(53);
    named["metadata"]["name"] = name.as_str().into();
    refused(
        &*rules,
        &named,
        &[&format!("metadata.name: Invalid value: \"{name}\": must be no more than 52 characters")],
    );
    let cells = rules.cells(&made, 0);
    assert_eq!(
        cells[..6],
        [
            json!("c"),
            json!("*/5 * * * *"),
            json!("<none>"),
            json!("False"),
            json!(0),
            json!("<none>")
        ]
    );
    assert_eq!(cells.len(), rules.columns().len());
}

//! What a job says about its pods' ends: which failures do not count, or end it, and which successes are
//! enough.

use super::indexes;
use serde_json::Value;
use std::collections::BTreeSet;
use teu_api::kinds::field::At;
use teu_api::object;

/// What a failed pod means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A failure.
    Count,
    /// Nothing.
    Ignore,
    /// The end of its index.
    FailIndex,
    /// The end of the job, for this reason.
    FailJob(String),
}

/// Judges a failed pod by the rules of `podFailurePolicy`; the first that fits counts.
pub fn judge(job: &Value, pod: &Value) -> Verdict {
    let rules = At::root(job);
    let rules = rules.get("spec.podFailurePolicy.rules");
    for (place, rule) in rules.items().enumerate() {
        let fits = by_exit_code(&rule, pod).or_else(|| by_condition(&rule, pod));
        let Some(what) = fits else { continue };
        return match rule.text("action") {
            "FailJob" => Verdict::FailJob(format!("{what} matching FailJob rule at index {place}")),
            "Ignore" => Verdict::Ignore,
            "FailIndex" => Verdict::FailIndex,
            _ => Verdict::Count,
        };
    }
    Verdict::Count
}

fn by_exit_code(rule: &At, pod: &Value) -> Option<String> {
    let codes = rule.get("onExitCodes");
    if !codes.is_set() {
        return None;
    }
    let status = At::root(pod);
    let status = status.get("status");
    for list in ["containerStatuses", "initContainerStatuses"] {
        let containers = status.get(list);
        for container in containers.items() {
            let wanted = codes.text("containerName");
            let ended = container.get("state.terminated");
            let code = ended.get("exitCode").int();
            if !ended.is_set()
                || code == 0
                || !(wanted.is_empty() || wanted == container.text("name"))
            {
                continue;
            }
            let listed = codes.get("values").items().any(|value| value.int() == code);
            if listed == (codes.text("operator") == "In") {
                let (namespace, name) = (object::namespace(pod), object::name(pod));
                let container = container.text("name");
                return Some(format!(
                    "Container {container} for pod {namespace}/{name} failed with exit code {code}"
                ));
            }
        }
    }
    None
}

fn by_condition(rule: &At, pod: &Value) -> Option<String> {
    let wanted = rule.get("onPodConditions");
    let found = wanted.items().find_map(|wanted| {
        let condition = crate::pods::condition(pod, wanted.text("type"))?;
        let status = if wanted.text("status").is_empty() { "True" } else { wanted.text("status") };
        (condition["status"] == status).then(|| wanted.text("type").to_owned())
    })?;
    let (namespace, name) = (object::namespace(pod), object::name(pod));
    Some(format!("Pod {namespace}/{name} has condition {found}"))
}

/// Whether the indexes that ended well are enough by `successPolicy`; which rule says so.
pub fn is_enough(job: &Value, completed: &BTreeSet<i64>) -> Option<String> {
    let at = At::root(job);
    let completions = at.get("spec.completions").int();
    let rules = at.get("spec.successPolicy.rules");
    let place = rules.items().position(|rule| {
        let named = rule.get("succeededIndexes");
        let named = named.is_set().then(|| indexes::read(named.str(), completions));
        let has = match &named {
            Some(named) => completed.intersection(named).count(),
            None => completed.len(),
        };
        match (rule.get("succeededCount").opt_int(), &named) {
            (Some(count), _) => i64::try_from(has).is_ok_and(|has| has >= count),
            (None, Some(named)) => !named.is_empty() && has == named.len(),
            (None, None) => false,
        }
    })?;
    Some(format!("Matched rules at index {place}"))
}

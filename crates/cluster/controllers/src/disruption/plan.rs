//! What a disruption budget allows now: pure, from the budget, its pods and how many there should be.

use serde_json::{Map, Value, json};
use teu_api::object::{at, generation, is_terminating, name};
use teu_api::time;

/// What an eviction announced has to have happened in this time, or it did not.
const EVICTION_SECONDS: i64 = 120;

/// How a budget's `status` is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The status.
    pub status: Value,
    /// When it has to be looked at again without any change: in so many seconds.
    pub again_seconds: Option<i64>,
    /// Pods that were to be evicted and are still there.
    pub not_deleted: Vec<String>,
}

/// How many pods there should be, as their controllers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// All.
    pub pods: i64,
    /// Of these, so many have to be healthy.
    pub healthy: i64,
}

/// Whether the controllers of the pods have to be asked how many there should be.
pub fn asks_controllers(budget: &Value) -> bool {
    let spec = &budget["spec"];
    !spec["maxUnavailable"].is_null() || spec["minAvailable"].is_string()
}

/// A number, or a share of a number (rounded up).
fn scaled(amount: &Value, of: i64) -> i64 {
    let percent = amount.as_str().and_then(|text| text.trim_end_matches('%').parse::<i64>().ok());
    match percent {
        Some(percent) => (percent.saturating_mul(of).saturating_add(99)).div_euclid(100),
        None => amount.as_i64().unwrap_or(0),
    }
}

/// What a budget asks for. `pods` is how many there are, `wanted` what their controllers say.
pub fn expected(budget: &Value, pods: i64, wanted: i64) -> Expected {
    let spec = &budget["spec"];
    let (least, most) = (&spec["minAvailable"], &spec["maxUnavailable"]);
    match (most.is_null(), least.is_null()) {
        (false, _) => Expected { pods: wanted, healthy: (wanted - scaled(most, wanted)).max(0) },
        (true, false) if least.is_string() => {
            Expected { pods: wanted, healthy: scaled(least, wanted) }
        }
        (true, false) => Expected { pods, healthy: scaled(least, pods) },
        (true, true) => Expected { pods, healthy: 0 },
    }
}

fn is_ready(pod: &Value) -> bool {
    let conditions = at(pod, &["status", "conditions"]).and_then(Value::as_array);
    conditions.into_iter().flatten().any(|it| it["type"] == "Ready" && it["status"] == "True")
}

/// The status of a budget with these pods at this time (seconds since 1970).
pub fn verdict<'a>(
    budget: &Value,
    pods: impl Iterator<Item = &'a Value>,
    expected: Expected,
    now: i64,
) -> Verdict {
    let announced = at(budget, &["status", "disruptedPods"]).and_then(Value::as_object);
    let (mut healthy, mut disrupted) = (0, Map::new());
    let (mut again, mut not_deleted) = (None, Vec::new());
    for pod in pods.filter(|pod| !is_terminating(pod)) {
        let since = announced.and_then(|all| all.get(name(pod)));
        let due =
            since.and_then(Value::as_str).and_then(time::parse).map(|at| at + EVICTION_SECONDS);
        match (since, due) {
            (Some(since), Some(due)) if due > now => {
                disrupted.insert(name(pod).to_owned(), since.clone());
                again = Some(again.unwrap_or(due).min(due));
                continue;
            }
            (Some(_), _) => not_deleted.push(name(pod).to_owned()),
            (None, _) => {}
        }
        healthy += i64::from(is_ready(pod));
    }
    let allowed = if expected.pods > 0 { (healthy - expected.healthy).max(0) } else { 0 };
    let (is_allowed, reason) =
        if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    let mut status = json!({
        "observedGeneration": generation(budget),
        "disruptionsAllowed": allowed, "currentHealthy": healthy,
        "desiredHealthy": expected.healthy, "expectedPods": expected.pods,
        "conditions": conditions(budget, (is_allowed, reason, ""), now),
    });
    if !disrupted.is_empty() {
        status["disruptedPods"] = disrupted.into();
    }
    Verdict { status, again_seconds: again.map(|due| due - now), not_deleted }
}

/// The status of a budget whose pods cannot be counted: nothing is allowed.
pub fn failed(budget: &Value, why: &str, now: i64) -> Value {
    let mut status = budget.get("status").cloned().unwrap_or_else(|| json!({}));
    status["disruptionsAllowed"] = 0.into();
    status["observedGeneration"] = generation(budget).into();
    status["conditions"] = conditions(budget, ("False", "SyncFailed", why), now);
    status
}

/// The conditions with ours among them; its time changes only with its status.
fn conditions(budget: &Value, (is, reason, why): (&str, &str, &str), now: i64) -> Value {
    const OURS: &str = "DisruptionAllowed";
    let list = at(budget, &["status", "conditions"]).and_then(Value::as_array);
    let mut list = list.cloned().unwrap_or_default();
    let known = list.iter().find(|it| it["type"] == OURS);
    let since = known.filter(|it| it["status"] == is).map(|it| it["lastTransitionTime"].clone());
    let condition = json!({
        "type": OURS, "status": is, "reason": reason, "message": why,
        "observedGeneration": generation(budget),
        "lastTransitionTime": since.unwrap_or_else(|| time::rfc3339(now).into()),
    });
    match list.iter_mut().find(|it| it["type"] == OURS) {
        Some(place) => *place = condition,
        None => list.push(condition),
    }
    list.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(spec: Value, status: Value) -> Value {
        json!({ "metadata": { "name": "b", "generation": 2 }, "spec": spec, "status": status })
    }

    fn pod(name: &str, is_ready: bool) -> Value {
        let ready = if is_ready { "True" } else { "False" };
        json!({
            "metadata": { "name": name },
            "status": { "conditions": [{ "type": "Ready", "status": ready }] },
        })
    }

    #[test]
    fn what_is_asked_for() {
        let check = |spec: Value, pods: i64, wanted: i64, found: (i64, i64)| {
            let Expected { pods, healthy } =
                expected(&budget(spec.clone(), json!({})), pods, wanted);
            assert_eq!((pods, healthy), found, "{spec}");
        };
        check(json!({ "minAvailable": 2 }), 3, 0, (3, 2));
        check(json!({ "minAvailable": "90%" }), 3, 10, (10, 9));
        check(json!({ "minAvailable": "1%" }), 3, 10, (10, 1));
        check(json!({ "maxUnavailable": "10%" }), 3, 10, (10, 9));
        check(json!({ "maxUnavailable": 20 }), 3, 10, (10, 0));
        check(json!({}), 3, 10, (3, 0));
    }

    #[test]
    fn what_is_allowed() {
        let expects = Expected { pods: 3, healthy: 2 };
        let pods = [pod("a", true), pod("b", true), pod("c", true)];
        let found = verdict(&budget(json!({}), json!({})), pods.iter(), expects, 0);
        assert_eq!(found.status["disruptionsAllowed"], 1);
        assert_eq!(found.status["observedGeneration"], 2);
        assert_eq!(found.status["conditions"][0]["reason"], "SufficientPods");
        let less = [pod("a", true), pod("b", false), pod("c", true)];
        let found = verdict(&budget(json!({}), found.status), less.iter(), expects, 9);
        assert_eq!(
            (&found.status["disruptionsAllowed"], &found.status["currentHealthy"]),
            (&json!(0), &json!(2))
        );
        assert_eq!(found.status["conditions"][0]["lastTransitionTime"], "1970-01-01T00:00:09Z");
        let none =
            verdict(&budget(json!({}), json!({})), [].iter(), Expected { pods: 0, healthy: 0 }, 0);
        assert_eq!(none.status["disruptionsAllowed"], 0);
    }

    #[test]
    fn announced_evictions_count_for_two_minutes() {
        let expects = Expected { pods: 2, healthy: 1 };
        let pods = [pod("a", true), pod("b", true)];
        let status = json!({ "disruptedPods": { "a": "1970-01-01T00:00:10Z", "gone": "1970-01-01T00:00:10Z" } });
        let found = verdict(&budget(json!({}), status.clone()), pods.iter(), expects, 20);
        assert_eq!(found.status["disruptionsAllowed"], 0);
        assert_eq!(found.status["disruptedPods"], json!({ "a": "1970-01-01T00:00:10Z" }));
        assert_eq!(found.again_seconds, Some(110));
        let late = verdict(&budget(json!({}), status), pods.iter(), expects, 130);
        assert_eq!(late.status["disruptionsAllowed"], 1);
        assert_eq!(late.not_deleted, ["a"]);
        assert!(late.status.get("disruptedPods").is_none());
    }
}

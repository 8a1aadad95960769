//! Runtime classes: what a new pod gets of the class it names (overhead, where it may run), and why one may
//! not have the class or the overhead it asks for.

use crate::object::{at, child_mut};
use crate::quantity::Quantity;
use serde_json::{Value, json};

const OVERHEAD: [&str; 2] = ["overhead", "podFixed"];
const DIFFERS: &str = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

/// The class that a pod names.
pub fn named(pod: &Value) -> Option<&str> {
    pod["spec"]["runtimeClassName"].as_str().filter(|name| !name.is_empty())
}

/// Gives a new pod what its class says; `class` is the object of [`named`], if there is one.
pub fn fill(pod: &mut Value, class: Option<&Value>) -> Result<(), String> {
    let Some(class) = existing(pod, class)? else { return Ok(()) };
    if let Some(overhead) = at(class, &OVERHEAD) {
        let said = &pod["spec"]["overhead"];
        if !is_empty(said) && !is_same(said, overhead) {
            return Err(DIFFERS.to_owned());
        }
        child_mut(pod, "spec").insert("overhead".to_owned(), overhead.clone());
    }
    if let Some(labels) = at(class, &["scheduling", "nodeSelector"]).and_then(Value::as_object) {
        let selector = child_mut(pod, "spec").entry("nodeSelector").or_insert_with(|| json!({}));
        for (label, value) in labels {
            let said = selector.get(label).and_then(Value::as_str).unwrap_or_default();
            let wanted = value.as_str().unwrap_or_default();
            if selector.get(label).is_some() && said != wanted {
                return Err(format!(
                    "conflict: runtimeClass.scheduling.nodeSelector[{label}] = {wanted}; pod.spec.nodeSelector[{label}] = {said}"
                ));
            }
            selector[label] = value.clone();
        }
    }
    if let Some(more) = at(class, &["scheduling", "tolerations"]).and_then(Value::as_array) {
        let spec = child_mut(pod, "spec");
        let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
        if let Some(list) = tolerations.as_array_mut() {
            let missing = more.iter().filter(|one| !list.contains(one)).cloned();
            let missing: Vec<Value> = missing.collect();
            list.extend(missing);
        }
    }
    Ok(())
}

/// Why a new pod may not be, now that everybody has changed it.
pub fn check(pod: &Value, class: Option<&Value>) -> Result<(), String> {
    let class = existing(pod, class)?;
    let said = &pod["spec"]["overhead"];
    match class.and_then(|class| at(class, &OVERHEAD)) {
        Some(overhead) if !is_same(said, overhead) => Err(DIFFERS.to_owned()),
        None if !is_empty(said) => Err(
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

fn existing<'a>(pod: &Value, class: Option<&'a Value>) -> Result<Option<&'a Value>, String> {
    match (named(pod), class) {
        (None, _) => Ok(None),
        (Some(_), Some(class)) => Ok(Some(class)),
        (Some(name), None) => Err(format!("pod rejected: RuntimeClass {name:?} not found")),
    }
}

fn is_empty(amounts: &Value) -> bool {
    amounts.as_object().is_none_or(|amounts| amounts.is_empty())
}

/// Whether both name the same amounts, however they are written.
fn is_same(one: &Value, other: &Value) -> bool {
    let of = |amounts: &Value| -> Vec<(String, Option<i64>)> {
        let amounts = amounts.as_object().into_iter().flatten();
        let milli = |amount: &Value| Quantity::from_value(amount).ok().map(Quantity::milli_value);
        let mut read: Vec<_> =
            amounts.map(|(name, amount)| (name.clone(), milli(amount))).collect();
        read.sort();
        read
    };
    of(one) == of(other)
}

#[cfg(test)]
mod tests {
    use super::{check, fill};
    use serde_json::{Value, json};

    fn class() -> Value {
        json!({
            "metadata": {"name": "kata"}, "handler": "kata",
            "overhead": {"podFixed": {"cpu": "10m", "memory": "1Mi"}},
            "scheduling": {
                "nodeSelector": {"kind": "big"},
                "tolerations": [{"key": "kata", "operator": "Exists"}],
            },
        })
    }

    #[test]
    fn a_pod_gets_what_its_class_says() {
        let mut pod =
            json!({"spec": {"runtimeClassName": "kata", "nodeSelector": {"disk": "fast"}}});
        fill(&mut pod, Some(&class())).expect("it may");
        let wanted = json!({
            "runtimeClassName": "kata",
            "nodeSelector": {"disk": "fast", "kind": "big"},
            "overhead": {"cpu": "10m", "memory": "1Mi"},
            "tolerations": [{"key": "kata", "operator": "Exists"}],
        });
        assert_eq!(pod["spec"], wanted);
        // The same again changes nothing, and is right.
        fill(&mut pod, Some(&class())).expect("it may");
        assert_eq!(pod["spec"], wanted);
        assert_eq!(check(&pod, Some(&class())), Ok(()));
    }

    #[test]
    fn a_pod_may_not_have_any_class_or_overhead() {
        let bad = |spec: Value, class: Option<&Value>, wanted: &str| {
            let mut pod = json!({ "spec": spec });
            let found = fill(&mut pod, class).and_then(|()| check(&pod, class));
            assert_eq!(found, Err(wanted.to_owned()));
        };
        let none = "pod rejected: RuntimeClass \"none\" not found";
        bad(json!({"runtimeClassName": "none"}), None, none);
        let differs = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
        let spec = json!({"runtimeClassName": "kata", "overhead": {"cpu": "1"}});
        bad(spec, Some(&class()), differs);
        let alone =
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";
        bad(json!({"overhead": {"cpu": "1"}}), None, alone);
        let conflict = "conflict: runtimeClass.scheduling.nodeSelector[kind] = big; pod.spec.nodeSelector[kind] = small";
        let spec = json!({"runtimeClassName": "kata", "nodeSelector": {"kind": "small"}});
        bad(spec, Some(&class()), conflict);
    }
}

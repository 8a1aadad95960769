//! Priority: the number behind a pod's `priorityClassName`.

use crate::object::child_mut;
use serde_json::{Value, json};

/// The two classes that are always there, with their numbers.
pub const SYSTEM: [(&str, i64); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

/// Sets a new pod's priority; why it may not have what it asks for.
pub fn resolve(pod: &mut Value, classes: &[Value]) -> Result<(), String> {
    let asked = pod["spec"]["priorityClassName"].as_str().unwrap_or_default().to_owned();
    let (name, value, policy) = if asked.is_empty() {
        match default_class(classes) {
            Some(class) => read(class),
            None => (String::new(), 0, "PreemptLowerPriority".to_owned()),
        }
    } else if let Some(class) = classes.iter().find(|class| crate::object::name(class) == asked) {
        read(class)
    } else if let Some((name, value)) = SYSTEM.iter().find(|(name, _)| *name == asked) {
        ((*name).to_owned(), *value, "PreemptLowerPriority".to_owned())
    } else {
        return Err(format!("no PriorityClass with name {asked} was found"));
    };
    if let Some(said) = pod["spec"]["priority"].as_i64().filter(|said| *said != value) {
        return Err(format!(
            "the integer value of priority ({said}) must not be provided in pod spec; priority admission controller computed {value} from the given PriorityClass name"
        ));
    }
    let said = pod["spec"]["preemptionPolicy"].as_str();
    if let Some(said) = said.filter(|said| *said != policy) {
        return Err(format!(
            "the string value of PreemptionPolicy ({said}) must not be provided in pod spec; priority admission controller computed {policy} from the given PriorityClass name"
        ));
    }
    let spec = child_mut(pod, "spec");
    if !name.is_empty() {
        spec.insert("priorityClassName".to_owned(), name.into());
    }
    spec.insert("priority".to_owned(), json!(value));
    spec.insert("preemptionPolicy".to_owned(), policy.into());
    Ok(())
}

/// Why a class may not be the default of all pods that name none: another one is.
pub fn check_class(class: &Value, classes: &[Value]) -> Result<(), String> {
    let name = crate::object::name(class);
    match default_class(classes).map(crate::object::name) {
        Some(other) if class["globalDefault"] == true && other != name => Err(format!(
            "PriorityClass {other} is already marked as default. Only one default can exist"
        )),
        _ => Ok(()),
    }
}

/// Of several default classes the one with the smallest number.
fn default_class(classes: &[Value]) -> Option<&Value> {
    let defaults = classes.iter().filter(|class| class["globalDefault"] == true);
    defaults.min_by_key(|class| class["value"].as_i64().unwrap_or(0))
}

fn read(class: &Value) -> (String, i64, String) {
    let policy = class["preemptionPolicy"].as_str().unwrap_or("PreemptLowerPriority");
    let value = class["value"].as_i64().unwrap_or(0);
    (crate::object::name(class).to_owned(), value, policy.to_owned())
}

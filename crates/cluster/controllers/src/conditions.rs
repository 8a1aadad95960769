//! Conditions of a status: set by type, with the time when their status changed.

use serde_json::{Value, json};

/// A condition to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition<'a> {
    /// Its type.
    pub kind: &'a str,
    /// `True`, `False` or `Unknown`.
    pub status: &'a str,
    /// In one word.
    pub reason: &'a str,
    /// For people.
    pub message: String,
}

/// The list in a status, made if it is not there.
fn list(status: &mut Value) -> &mut Vec<Value> {
    let conditions = &mut status["conditions"];
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    match conditions {
        Value::Array(list) => list,
        _ => unreachable!("made just above"),
    }
}

/// One of a status.
pub fn find<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status.get("conditions")?.as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// Sets it; `updates` adds `lastUpdateTime`, which some kinds have.
pub fn set(status: &mut Value, wanted: &Condition<'_>, now: &str, updates: bool) {
    let old = find(status, wanted.kind).cloned();
    let is_same = |old: &Value| old["status"] == wanted.status && old["reason"] == wanted.reason;
    if old.as_ref().is_some_and(|old| is_same(old) && old["message"] == *wanted.message) {
        return;
    }
    let since = old
        .filter(|old| old["status"] == wanted.status)
        .map_or_else(|| now.into(), |old| old["lastTransitionTime"].clone());
    let mut new = json!({ "type": wanted.kind, "status": wanted.status });
    if updates {
        new["lastUpdateTime"] = now.into();
    }
    new["lastTransitionTime"] = since;
    new["reason"] = wanted.reason.into();
    new["message"] = wanted.message.clone().into();
    let list = list(status);
    match list.iter_mut().find(|condition| condition["type"] == wanted.kind) {
        Some(place) => *place = new,
        None => list.push(new),
    }
}

/// Takes one away.
pub fn remove(status: &mut Value, kind: &str) {
    if let Some(list) = status.get_mut("conditions").and_then(Value::as_array_mut) {
        list.retain(|condition| condition["type"] != kind);
        if list.is_empty()
            && let Some(fields) = status.as_object_mut()
        {
            fields.shift_remove("conditions");
        }
    }
}

/// Sets a count; zero is left out, as the real ones do.
pub fn count(status: &mut Value, name: &str, number: i64) {
    let Some(fields) = status.as_object_mut() else { return };
    match number {
        0 => drop(fields.shift_remove(name)),
        _ => drop(fields.insert(name.to_owned(), number.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_is_a_change_of_status() {
        let mut status = json!({});
        let mut condition =
            Condition { kind: "Ready", status: "True", reason: "A", message: "one".to_owned() };
        set(&mut status, &condition, "1", false);
        condition.message = "two".to_owned();
        set(&mut status, &condition, "2", false);
        let at = |status: &Value| {
            find(status, "Ready").expect("it is set")["lastTransitionTime"].clone()
        };
        assert_eq!((at(&status), &status["conditions"][0]["message"]), ("1".into(), &"two".into()));
        condition.status = "False";
        set(&mut status, &condition, "3", false);
        assert_eq!(at(&status), "3");
        remove(&mut status, "Ready");
        assert_eq!(status, json!({}));
    }
}

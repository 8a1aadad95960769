//! What the server says of a definition: whether its names are free, whether it is served.

use crate::object::{at, text};
use crate::time::rfc3339;
use serde_json::{Map, Value, json};

/// Names that other definitions of the group have taken.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    /// Names in paths, singular and short names.
    pub resources: Vec<String>,
    /// Kinds and list kinds.
    pub kinds: Vec<String>,
}

impl Taken {
    /// Of other definitions of a group: what they have been granted.
    pub fn of(others: &[Value], group: &str, name: &str) -> Self {
        let mut taken = Self::default();
        for other in others {
            let is_other = crate::object::name(other) != name;
            if !is_other || text(other, &["spec", "group"]) != Some(group) {
                continue;
            }
            let Some(names) = at(other, &["status", "acceptedNames"]) else { continue };
            let of = |name: &str| names.get(name).and_then(Value::as_str).map(str::to_owned);
            taken.resources.extend(of("plural").into_iter().chain(of("singular")));
            let short = names.get("shortNames").and_then(Value::as_array).into_iter().flatten();
            taken.resources.extend(short.filter_map(Value::as_str).map(str::to_owned));
            taken.kinds.extend(of("kind").into_iter().chain(of("listKind")));
        }
        taken.resources.retain(|it| !it.is_empty());
        taken.kinds.retain(|it| !it.is_empty());
        taken
    }
}

/// Sets `status` of a definition: accepted names, conditions, stored versions. Answers whether it is
/// served.
pub fn settle(definition: &mut Value, taken: &Taken, now: i64) -> bool {
    let asked = at(definition, &["spec", "names"]).cloned().unwrap_or_default();
    let granted = at(definition, &["status", "acceptedNames"]).cloned().unwrap_or(json!({}));
    let (accepted, conflict) = accept(&asked, granted, taken);
    let was_established = is_established(definition);
    let status = crate::object::child_mut(definition, "status");
    status.insert("acceptedNames".to_owned(), accepted);
    let (names, established) = match conflict {
        None => (
            ("True", "NoConflicts", "no conflicts found".to_owned()),
            ("True", "InitialNamesAccepted", "the initial names have been accepted".to_owned()),
        ),
        Some((reason, message)) => (
            ("False", reason, message),
            ("False", "NotAccepted", "not all names are accepted".to_owned()),
        ),
    };
    let is_accepted = names.0 == "True";
    set(definition, "NamesAccepted", names, now);
    if is_accepted || !was_established {
        set(definition, "Established", established, now);
    }
    approve(definition, now);
    store_versions(definition);
    is_accepted || was_established
}

/// Whether it is served.
pub fn is_established(definition: &Value) -> bool {
    condition(definition, "Established").is_some_and(|it| it["status"] == "True")
}

/// A condition by its type.
pub fn condition<'a>(definition: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = at(definition, &["status", "conditions"])?.as_array()?;
    conditions.iter().find(|it| it["type"] == kind)
}

/// The names that are free, and the last conflict of those that are not.
fn accept(asked: &Value, granted: Value, taken: &Taken) -> (Value, Option<(&'static str, String)>) {
    let mut accepted = granted.as_object().cloned().unwrap_or_default();
    let mut conflict = None;
    let fields = [
        ("plural", &taken.resources, "PluralConflict"),
        ("singular", &taken.resources, "SingularConflict"),
        ("kind", &taken.kinds, "KindConflict"),
        ("listKind", &taken.kinds, "ListKindConflict"),
    ];
    for (name, taken, reason) in fields {
        let wanted = asked.get(name).and_then(Value::as_str).unwrap_or_default();
        if accepted.get(name).and_then(Value::as_str) == Some(wanted) {
            continue;
        }
        if taken.iter().any(|it| it == wanted) {
            conflict = Some((reason, format!("{wanted:?} is already in use")));
        } else if !wanted.is_empty() {
            accepted.insert(name.to_owned(), wanted.into());
        }
    }
    let short: Vec<&str> =
        asked["shortNames"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let in_use: Vec<&&str> =
        short.iter().filter(|name| taken.resources.iter().any(|it| it == **name)).collect();
    if !in_use.is_empty() {
        let list: Vec<String> =
            in_use.iter().map(|name| format!("{name:?} is already in use")).collect();
        let message = if let [one] = list.as_slice() {
            one.clone()
        } else {
            format!("[{}]", list.join(", "))
        };
        conflict = Some(("ShortNamesConflict", message));
    } else if short.is_empty() {
        accepted.shift_remove("shortNames");
    } else {
        accepted.insert("shortNames".to_owned(), json!(short));
    }
    match asked.get("categories").filter(|it| it.as_array().is_some_and(|it| !it.is_empty())) {
        Some(categories) => accepted.insert("categories".to_owned(), categories.clone()),
        None => accepted.shift_remove("categories"),
    };
    (Value::Object(accepted), conflict)
}

/// Sets a condition; its time changes with its status.
pub fn set(definition: &mut Value, kind: &str, said: (&str, &str, String), now: i64) {
    let (status, reason, message) = said;
    let status_fields = crate::object::child_mut(definition, "status");
    let conditions = status_fields.entry("conditions").or_insert_with(|| json!([]));
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let Some(conditions) = conditions.as_array_mut() else { return };
    let found = conditions.iter_mut().find(|it| it["type"] == kind);
    let time = match &found {
        Some(old) if old["status"] == status => old["lastTransitionTime"].clone(),
        _ => rfc3339(now).into(),
    };
    let new = json!({
        "type": kind, "status": status, "lastTransitionTime": time, "reason": reason, "message": message,
    });
    match found {
        Some(old) => *old = new,
        None => conditions.push(new),
    }
}

/// Groups of Kubernetes itself need its approval.
fn approve(definition: &mut Value, now: i64) {
    let group = text(definition, &["spec", "group"]).unwrap_or_default();
    if !is_protected(group) {
        return;
    }
    let path = ["metadata", "annotations", APPROVAL];
    let said = match text(definition, &path) {
        Some(url) if url.starts_with("https://") || url.starts_with("http://") => {
            ("True", "ApprovedAnnotation", format!("approved in {url}"))
        }
        Some(why) if why.starts_with("unapproved") => {
            ("False", "UnapprovedAnnotation", format!("not approved: {why:?}"))
        }
        Some(other) => (
            "False",
            "InvalidAnnotation",
            format!(
                "protected groups must have approval annotation {APPROVAL:?} with either a URL or a reason starting with \"unapproved\", see https://github.com/kubernetes/enhancements/pull/1111: {other:?}"
            ),
        ),
        None => (
            "False",
            "MissingAnnotation",
            format!(
                "protected groups must have approval annotation {APPROVAL:?}, see https://github.com/kubernetes/enhancements/pull/1111"
            ),
        ),
    };
    set(definition, "KubernetesAPIApprovalPolicyConformant", said, now);
}

/// The annotation that approves.
pub(super) const APPROVAL: &str = "api-approved.kubernetes.io";

/// Whether a group is Kubernetes' own.
pub(super) fn is_protected(group: &str) -> bool {
    ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|own| group == *own || group.strip_suffix(own).is_some_and(|rest| rest.ends_with('.')))
}

/// The storage version is one of those that objects may be stored in.
fn store_versions(definition: &mut Value) {
    let versions = at(definition, &["spec", "versions"]).and_then(Value::as_array);
    let storage = versions.into_iter().flatten().find(|it| it["storage"] == true);
    let Some(name) = storage.and_then(|it| it["name"].as_str()).map(str::to_owned) else { return };
    let status: &mut Map<String, Value> = crate::object::child_mut(definition, "status");
    let stored = status.entry("storedVersions").or_insert_with(|| json!([]));
    if !stored.is_array() {
        *stored = json!([]);
    }
    if let Some(stored) = stored.as_array_mut().filter(|it| !it.contains(&json!(name))) {
        stored.push(name.into());
    }
}

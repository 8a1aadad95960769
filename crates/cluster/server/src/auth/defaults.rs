//! The roles and bindings that every cluster has, and what keeps them.
//!
//! At each start, what is missing is added (rules and subjects too), so that a cluster that lost its
//! `view` role gets it back; an object with `rbac.authorization.kubernetes.io/autoupdate: "false"` is
//! left as it is. Roles that are made of others (`aggregationRule`) are kept by [`aggregate`].

mod namespaced;
mod table;

use super::User;
use super::rbac::RESOURCES;
use crate::api::{Api, Call, WriteOptions};
use crate::follow;
use crate::verbs::input::Input;
use namespaced::NAMESPACED;
use serde_json::{Value, json};
use std::sync::Arc;
use table::{BINDINGS, Member, ROLES, Role};
use teu_api::kinds::labels;
use teu_api::rbac::GROUP;
use teu_api::{Status, object};
use teu_store::cache::ListAt;
use tokio::task::JoinSet;

const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
const BOOTSTRAPPING: &str = "kubernetes.io/bootstrapping";
const AGGREGATE: &str = "rbac.authorization.k8s.io/aggregate-to-";
/// Two servers may mend one object at once; the second then looks again.
const TRIES: usize = 5;

/// Adds what is missing, all at once, so that the writes share the disk's time.
pub async fn ensure(api: &Arc<Api>, user: &Arc<User>) -> Result<(), Status> {
    let roles = ROLES.iter().map(|role| ("clusterroles", role_value(role), "rules"));
    let bindings = BINDINGS.iter().map(|(name, role, members)| {
        ("clusterrolebindings", binding_value(name, "ClusterRole", role, members), "subjects")
    });
    let mut tasks = JoinSet::new();
    for (plural, wanted, list) in roles.chain(bindings).chain(namespaced()) {
        let (api, user) = (Arc::clone(api), Arc::clone(user));
        tasks.spawn(async move { ensure_one(&api, &user, plural, wanted, list).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(|_| Status::internal("the server is shutting down"))??;
    }
    Ok(())
}

/// The roles and bindings of single namespaces.
fn namespaced() -> impl Iterator<Item = (&'static str, Value, &'static str)> {
    NAMESPACED.iter().flat_map(|it| {
        let rules: Vec<Value> = it.rules.iter().map(|rule| rule_value(rule)).collect();
        let role = json!({ "metadata": metadata(it.role), "rules": rules });
        let binding = binding_value(it.binding, "Role", it.role, it.members);
        let both = [("roles", role, "rules"), ("rolebindings", binding, "subjects")];
        both.map(|(plural, mut value, list)| {
            value["metadata"]["namespace"] = it.namespace.into();
            (plural, value, list)
        })
    })
}

/// About the object of this name and namespace.
fn call(api: &Api, user: &Arc<User>, plural: &str, object: &Value) -> Option<Call> {
    let rows = api.table.rows();
    let entry = rows.find(GROUP, "v1", plural)?.clone();
    let (user, name) = (Arc::clone(user), object::name(object).to_owned());
    let (namespace, subresource) = (object::namespace(object).to_owned(), String::new());
    Some(Call { user, entry, rows, namespace, name, subresource })
}

async fn ensure_one(
    api: &Api,
    user: &Arc<User>,
    plural: &str,
    wanted: Value,
    list: &str,
) -> Result<(), Status> {
    debug_assert!(RESOURCES.contains(&plural));
    let Some(call) = call(api, user, plural, &wanted) else { return Ok(()) };
    let options = WriteOptions { manager: "teu-server".to_owned(), ..WriteOptions::default() };
    for _ in 0..TRIES {
        let done = match api.current(&call).await? {
            None => api.create(&call, wanted.clone(), &options).await,
            Some(found) => {
                let old = call.entry.open(&found.stored, found.revision)?;
                let Some(new) = completed(&old, &wanted, list) else { return Ok(()) };
                api.change(&call, Input::Whole(new), &options).await
            }
        };
        match done {
            Err(status) if matches!(status.reason, "Conflict" | "AlreadyExists") => {}
            other => return other.map(|_| ()),
        }
    }
    Err(call.modified())
}

/// The old object with what it lacks; `None` if it lacks nothing, or wants to be left alone.
fn completed(old: &Value, wanted: &Value, list: &str) -> Option<Value> {
    let kept = object::text(old, &["metadata", "annotations", AUTOUPDATE]);
    if kept == Some("false") {
        return None;
    }
    let mut new = old.clone();
    // A role that is made of others has the rules that were put together.
    if wanted.get("aggregationRule").is_none() {
        let has = old.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
        let wants = wanted.get(list).and_then(Value::as_array).into_iter().flatten();
        let missing: Vec<&Value> = wants.filter(|item| !has.contains(item)).collect();
        if !missing.is_empty() {
            new[list] = has.iter().chain(missing).cloned().collect();
        }
    } else if old.get("aggregationRule").is_none() {
        new["aggregationRule"] = wanted["aggregationRule"].clone();
    }
    for (key, value) in object::at(wanted, &["metadata", "labels"])?.as_object()? {
        let labels = object::metadata_mut(&mut new);
        let labels = labels.entry("labels").or_insert_with(|| json!({}));
        if let (true, Some(labels)) = (labels.get(key).is_none(), labels.as_object_mut()) {
            labels.insert(key.clone(), value.clone());
        }
    }
    (new != *old).then_some(new)
}

fn metadata(name: &str) -> Value {
    json!({
        "name": name, "labels": { BOOTSTRAPPING: "rbac-defaults" },
        "annotations": { AUTOUPDATE: "true" },
    })
}

fn role_value(role: &Role) -> Value {
    let mut value = json!({ "metadata": metadata(role.name), "rules": [] });
    for target in role.part_of {
        value["metadata"]["labels"][format!("{AGGREGATE}{target}")] = "true".into();
    }
    if !role.made_of.is_empty() {
        let choice = json!({ "matchLabels": { format!("{AGGREGATE}{}", role.made_of): "true" } });
        value["aggregationRule"] = json!({ "clusterRoleSelectors": [choice] });
        return value;
    }
    value["rules"] = role.rules.iter().map(|rule| rule_value(rule)).collect();
    value
}

/// `verbs | groups | resources [| names]`, `core` for the group without a name, or `verbs | paths`.
fn rule_value(rule: &str) -> Value {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let parts: Vec<&str> = rule.split('|').collect();
    match parts[..] {
        [verbs, paths] => json!({ "verbs": words(verbs), "nonResourceURLs": words(paths) }),
        [verbs, groups, resources, ref names @ ..] => {
            let groups = words(groups).into_iter();
            let groups: Vec<String> =
                groups.map(|group| if group == "core" { String::new() } else { group }).collect();
            let mut value = json!({ "verbs": words(verbs), "apiGroups": groups, "resources": words(resources) });
            if let [names] = names {
                value["resourceNames"] = json!(words(names));
            }
            value
        }
        [..] => Value::Null,
    }
}

/// What every node may, whatever runs on it.
pub(super) fn node_rules() -> Vec<teu_api::rbac::Rule> {
    let role = ROLES.iter().find(|role| role.name == "system:node");
    role.map(|role| teu_api::rbac::Rule::all(&role_value(role))).unwrap_or_default()
}

fn binding_value(name: &str, kind: &str, role: &str, members: &[Member]) -> Value {
    let subject = |member: &Member| match member {
        Member::User(name) => json!({ "apiGroup": GROUP, "kind": "User", "name": name }),
        Member::Group(name) => json!({ "apiGroup": GROUP, "kind": "Group", "name": name }),
        Member::Account(namespace, name) => {
            json!({ "kind": "ServiceAccount", "namespace": namespace, "name": name })
        }
    };
    json!({
        "metadata": metadata(name),
        "roleRef": { "apiGroup": GROUP, "kind": kind, "name": role },
        "subjects": members.iter().map(subject).collect::<Vec<_>>(),
    })
}

/// Puts cluster roles together that are made of others, whenever a cluster role changes, until the
/// server stops.
pub async fn aggregate(api: Arc<Api>, user: Arc<User>) {
    follow::whenever(&api, &[(GROUP, "clusterroles")], || aggregate_all(&api, &user)).await;
}

async fn aggregate_all(api: &Api, user: &Arc<User>) -> Result<(), Status> {
    let roles = follow::all(api, (GROUP, "clusterroles"), ListAt::Any).await?;
    for role in &roles {
        let choices = object::at(role, &["aggregationRule", "clusterRoleSelectors"]);
        let Some(choices) = choices.and_then(Value::as_array) else { continue };
        let rules = put_together(choices, role, &roles);
        if role.get("rules").and_then(Value::as_array).is_some_and(|old| *old == rules) {
            continue;
        }
        let Some(call) = call(api, user, "clusterroles", role) else { continue };
        let mut new = role.clone();
        new["rules"] = rules.into();
        let manager = "clusterrole-aggregation-controller".to_owned();
        let options = WriteOptions { manager, ..WriteOptions::default() };
        match api.change(&call, Input::Whole(new), &options).await {
            // Another was faster; that change comes, too.
            Err(status) if matches!(status.reason, "Conflict" | "NotFound") => {}
            done => drop(done?),
        }
    }
    Ok(())
}

/// The rules of all roles that are chosen, each once, in the order of the roles' names.
fn put_together(choices: &[Value], own: &Value, roles: &[Value]) -> Vec<Value> {
    let mut rules: Vec<Value> = Vec::new();
    for choice in choices {
        for role in roles {
            let is_own = object::name(role) == object::name(own);
            let labels = object::at(role, &["metadata", "labels"]).unwrap_or(&Value::Null);
            if is_own || !labels::selects(choice, labels) {
                continue;
            }
            for rule in role.get("rules").and_then(Value::as_array).into_iter().flatten() {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_the_table_is_one() {
        let own = namespaced().filter(|(plural, ..)| *plural == "roles").map(|(_, role, _)| role);
        for role in ROLES.iter().map(role_value).chain(own) {
            for rule in role["rules"].as_array().expect("rules") {
                let has = |field: &str| rule[field].as_array().is_some_and(|list| !list.is_empty());
                let is_whole = has("nonResourceURLs") || (has("apiGroups") && has("resources"));
                assert!(has("verbs") && is_whole, "{}: {rule}", object::name(&role));
            }
        }
        for (name, role, _) in BINDINGS {
            assert!(ROLES.iter().any(|known| known.name == *role), "{name} binds {role}");
        }
    }

    #[test]
    fn what_is_missing_comes_back_and_what_was_added_stays() {
        let wanted = role_value(&ROLES[1]);
        let mut old = wanted.clone();
        let extra = json!({ "verbs": ["get"], "nonResourceURLs": ["/x"] });
        old["rules"] = json!([extra]);
        let new = completed(&old, &wanted, "rules").expect("a change");
        assert_eq!(new["rules"][0], extra);
        assert!(completed(&new, &wanted, "rules").is_none());
        old["metadata"]["annotations"][AUTOUPDATE] = "false".into();
        assert!(completed(&old, &wanted, "rules").is_none());
    }
}

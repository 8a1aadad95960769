//! Follows the levels and schemas: what every cluster has is made and mended, what is configured is
//! taken over as it changes, and schemas say whether their level is there.

use crate::api::Api;
use crate::auth::User;
use crate::follow;
use crate::local::Local;
use serde_json::{Value, json};
use std::sync::Arc;
use teu_api::flow::defaults::{self, is_mandatory};
use teu_api::flow::{GROUP, Level, Schema};
use teu_api::{Status, object};
use teu_client::{Client, Kind};
use teu_store::cache::ListAt;
use tokio::task::JoinSet;

/// Tells whether a schema's level is missing.
const DANGLING: &str = "Dangling";

fn kind(kind: defaults::Kind) -> Kind<'static> {
    Kind { group: GROUP, version: "v1", plural: kind.plural() }
}

fn client(api: &Arc<Api>) -> Local {
    Local::new(
        api,
        User::internal("system:apiserver"),
        "api-priority-and-fairness-config-producer-v1",
    )
}

/// Makes what is missing and mends what should be otherwise. All at once, so that they share the
/// disk's time.
pub async fn ensure(api: &Arc<Api>) -> Result<(), Status> {
    let mut tasks = JoinSet::new();
    for (of, wanted) in defaults::all() {
        let client = client(api);
        tasks.spawn(async move { ensure_one(&client, kind(of), wanted).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(|_| Status::internal("the server is shutting down"))??;
    }
    Ok(())
}

async fn ensure_one(client: &Local, kind: Kind<'_>, wanted: Value) -> Result<(), Status> {
    let done = match client.get(kind, "", object::name(&wanted)).await {
        Ok(old) => match defaults::mended(&old, &wanted) {
            Some(new) => client.update(kind, "", new).await,
            None => return Ok(()),
        },
        Err(status) if status.code == 404 => client.create(kind, "", wanted).await,
        Err(status) => Err(status),
    };
    match done {
        // Another server was faster.
        Err(status) if matches!(status.reason, "AlreadyExists" | "Conflict") => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Follows them until the server stops.
pub async fn run(api: Arc<Api>) {
    let resources = [defaults::Kind::Level, defaults::Kind::Schema].map(|it| (GROUP, it.plural()));
    follow::whenever(&api, &resources, || take_over(&api)).await;
}

async fn take_over(api: &Arc<Api>) -> Result<(), Status> {
    let all = |of: defaults::Kind| follow::all(api, (GROUP, of.plural()), ListAt::Any);
    let (levels, schemas) = (all(defaults::Kind::Level).await?, all(defaults::Kind::Schema).await?);
    let known: Vec<Level> = levels.iter().map(Level::of).collect();
    api.fairness.configure(&known, schemas.iter().map(Schema::of).collect());
    let client = client(api);
    for (of, wanted) in defaults::all().into_iter().filter(|(_, wanted)| is_mandatory(wanted)) {
        let found = if of == defaults::Kind::Level { &levels } else { &schemas };
        let old = found.iter().find(|old| object::name(old) == object::name(&wanted));
        if old.is_none_or(|old| defaults::mended(old, &wanted).is_some()) {
            ensure_one(&client, kind(of), wanted).await?;
        }
    }
    for schema in &schemas {
        let level = Schema::of(schema).level;
        let is_there = known.iter().any(|known| known.name == level);
        if let Some(told) = told(schema, &level, is_there, &client.now()) {
            match client.update(kind(defaults::Kind::Schema), "status", told).await {
                Err(status) if !matches!(status.reason, "Conflict" | "NotFound") => {
                    return Err(status);
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// A schema that says whether its level is missing; `None` if it does already.
fn told(schema: &Value, level: &str, is_there: bool, now: &str) -> Option<Value> {
    let (status, reason, message) = match is_there {
        true => (
            "False",
            "Found",
            format!(
                "This FlowSchema references the PriorityLevelConfiguration object named \"{level}\" and it exists"
            ),
        ),
        false => (
            "True",
            "NotFound",
            format!(
                "This FlowSchema references the PriorityLevelConfiguration object named \"{level}\" but there is no such object"
            ),
        ),
    };
    let old = object::at(schema, &["status", "conditions"]).and_then(Value::as_array);
    let old = old.cloned().unwrap_or_default();
    let is_own = |one: &Value| one["type"] == DANGLING;
    if old.iter().any(|one| is_own(one) && one["status"] == status && one["message"] == *message) {
        return None;
    }
    let mut conditions: Vec<Value> = old.into_iter().filter(|one| !is_own(one)).collect();
    conditions.push(json!({
        "type": DANGLING, "status": status, "lastTransitionTime": now,
        "reason": reason, "message": message,
    }));
    let mut told = schema.clone();
    object::child_mut(&mut told, "status").insert("conditions".to_owned(), conditions.into());
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_told_once_whether_its_level_is_there() {
        let schema = json!({ "status": { "conditions": [{ "type": "Other" }] } });
        let found = told(&schema, "a", false, "then").expect("news");
        assert_eq!(found["status"]["conditions"][0]["type"], "Other");
        assert_eq!(found["status"]["conditions"][1]["status"], "True");
        assert_eq!(told(&found, "a", false, "later"), None);
        let found = told(&found, "a", true, "later").expect("news");
        assert_eq!(found["status"]["conditions"][1]["status"], "False");
        assert_eq!(found["status"]["conditions"].as_array().map(Vec::len), Some(2));
    }
}

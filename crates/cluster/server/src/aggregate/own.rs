//! The `APIService`s of what this server serves itself: each group and version has one, so that whoever
//! reads them sees all that is served and by whom.
//!
//! Those of built-in groups are made and mended at each start; those of custom resources come and go with
//! their definitions. A label says which are kept so. What has none is somebody's own and is left alone,
//! also where it leads a group to another server.

use super::API_SERVICES;
use crate::api::Api;
use crate::auth::User;
use crate::follow;
use crate::local::Local;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use teu_api::{Status, object};
use teu_client::{Client, Deletion};
use teu_store::cache::ListAt;
use tokio::task::JoinSet;

const GROUP: &str = "apiregistration.k8s.io";
const SERVICES: (&str, &str) = (GROUP, "apiservices");
const DEFINITIONS: (&str, &str) = ("apiextensions.k8s.io", "customresourcedefinitions");
const KEPT: &str = "kube-aggregator.kubernetes.io/automanaged";
const ALWAYS: &str = "true";
const AT_START: &str = "onstart";

/// The versions of a group, each with its place among them.
type Versions = &'static [(&'static str, i64)];

/// Built-in groups, and their places among all groups.
const BUILTIN: &[(&str, i64, Versions)] = &[
    ("", 18_000, &[("v1", 1)]),
    ("apps", 17_800, &[("v1", 15)]),
    ("events.k8s.io", 17_750, &[("v1", 15)]),
    ("authentication.k8s.io", 17_700, &[("v1", 15)]),
    ("authorization.k8s.io", 17_600, &[("v1", 15)]),
    ("autoscaling", 17_500, &[("v2", 30), ("v1", 15)]),
    ("batch", 17_400, &[("v1", 15)]),
    ("certificates.k8s.io", 17_300, &[("v1", 15)]),
    ("networking.k8s.io", 17_200, &[("v1", 15)]),
    ("policy", 17_100, &[("v1", 15)]),
    ("rbac.authorization.k8s.io", 17_000, &[("v1", 15)]),
    ("storage.k8s.io", 16_800, &[("v1", 15)]),
    ("apiextensions.k8s.io", 16_700, &[("v1", 15)]),
    ("admissionregistration.k8s.io", 16_700, &[("v1", 15)]),
    ("scheduling.k8s.io", 16_600, &[("v1", 15)]),
    ("coordination.k8s.io", 16_500, &[("v1", 15)]),
    ("node.k8s.io", 16_300, &[("v1", 15)]),
    ("discovery.k8s.io", 16_200, &[("v1", 15)]),
    ("flowcontrol.apiserver.k8s.io", 16_100, &[("v1", 21)]),
    ("resource.k8s.io", 15_900, &[("v1", 15)]),
    ("storagemigration.k8s.io", 15_800, &[("v1", 15)]),
];
/// The places of custom resources.
const CUSTOM: (i64, i64) = (1000, 100);

/// What has to be done to have what is wanted.
#[derive(Debug, PartialEq)]
enum Step {
    Create(Value),
    Update(Value),
    Delete { name: String, uid: String },
}

fn client(api: &Arc<Api>) -> Local {
    Local::new(api, User::internal("system:apiserver"), "kube-apiserver")
}

fn service(group: &str, version: &str, places: (i64, i64), kept: &str) -> Value {
    json!({
        "metadata": { "name": format!("{version}.{group}"), "labels": { KEPT: kept } },
        "spec": {
            "group": group, "version": version,
            "groupPriorityMinimum": places.0, "versionPriority": places.1,
        },
    })
}

fn builtin() -> impl Iterator<Item = Value> {
    BUILTIN.iter().flat_map(|(group, place, versions)| {
        let of = |(version, own): &(&str, i64)| service(group, version, (*place, *own), AT_START);
        versions.iter().map(of)
    })
}

/// Makes and mends those of what is built in, all at once.
pub async fn ensure(api: &Arc<Api>) -> Result<(), Status> {
    let mut tasks = JoinSet::new();
    for wanted in builtin() {
        let client = client(api);
        tasks.spawn(async move {
            let found = match client.get(API_SERVICES, "", object::name(&wanted)).await {
                Err(status) if status.code == 404 => None,
                found => Some(found?),
            };
            match step(&wanted, found.as_ref()) {
                Some(step) => take(&client, step).await,
                None => Ok(()),
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(|_| Status::internal("the server is shutting down"))??;
    }
    Ok(())
}

/// Has those of custom resources follow the definitions until the server stops.
pub async fn run(api: Arc<Api>) {
    follow::whenever(&api, &[DEFINITIONS, SERVICES], || set_right(&api)).await;
}

async fn set_right(api: &Arc<Api>) -> Result<(), Status> {
    // The definitions last: no service is taken for left whose definition was only not seen yet.
    let there = follow::all(api, SERVICES, ListAt::Any).await?;
    let definitions = follow::all(api, DEFINITIONS, ListAt::Consistent).await?;
    let client = client(api);
    let mut done = Ok(());
    for step in plan(&of(&definitions), &there) {
        done = take(&client, step).await.and(done);
    }
    done
}

async fn take(client: &Local, step: Step) -> Result<(), Status> {
    let done = match step {
        Step::Create(service) => client.create(API_SERVICES, "", service).await,
        Step::Update(service) => client.update(API_SERVICES, "", service).await,
        Step::Delete { name, uid } => {
            let how = Deletion { uid: Some(uid), ..Deletion::default() };
            client.delete(API_SERVICES, ("", &name), &how).await
        }
    };
    match done {
        // Another was faster; what it did comes, too.
        Err(status) if matches!(status.reason, "AlreadyExists" | "Conflict" | "NotFound") => Ok(()),
        done => done.map(|_| ()),
    }
}

/// Those that definitions stand for, by name.
fn of(definitions: &[Value]) -> BTreeMap<String, Value> {
    let mut wanted = BTreeMap::new();
    for definition in definitions {
        let group = object::text(definition, &["spec", "group"]).unwrap_or_default();
        let versions = object::at(definition, &["spec", "versions"]).and_then(Value::as_array);
        for version in versions.into_iter().flatten().filter(|version| version["served"] == true) {
            let service =
                service(group, version["name"].as_str().unwrap_or_default(), CUSTOM, ALWAYS);
            wanted.insert(object::name(&service).to_owned(), service);
        }
    }
    wanted
}

fn plan(wanted: &BTreeMap<String, Value>, there: &[Value]) -> Vec<Step> {
    let found = |name: &str| there.iter().find(|service| object::name(service) == name);
    let steps = wanted.iter().filter_map(|(name, wanted)| step(wanted, found(name)));
    let left = there.iter().filter(|service| {
        kept(service) == Some(ALWAYS) && !wanted.contains_key(object::name(service))
    });
    let gone = left.map(|service| Step::Delete {
        name: object::name(service).to_owned(),
        uid: object::uid(service).to_owned(),
    });
    steps.chain(gone).collect()
}

/// How one comes to be as it is wanted, if it is not.
fn step(wanted: &Value, found: Option<&Value>) -> Option<Step> {
    let Some(found) = found else { return Some(Step::Create(wanted.clone())) };
    let is_right = wanted["spec"] == found["spec"] && kept(wanted) == kept(found);
    if kept(found).is_none() || is_right {
        return None;
    }
    let mut new = found.clone();
    new["spec"] = wanted["spec"].clone();
    new["metadata"]["labels"][KEPT] = kept(wanted).into();
    Some(Step::Update(new))
}

fn kept(service: &Value) -> Option<&str> {
    object::text(service, &["metadata", "labels", KEPT])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(group: &str, versions: &[(&str, bool)]) -> Value {
        let of = |(name, served): &(&str, bool)| json!({ "name": name, "served": served });
        let versions: Vec<Value> = versions.iter().map(of).collect();
        json!({ "spec": { "group": group, "versions": versions } })
    }

    #[test]
    fn every_group_that_is_built_in_has_its_place() {
        let known: Vec<String> =
            builtin().map(|service| object::name(&service).to_owned()).collect();
        for row in crate::rows::builtin() {
            let name = format!("{}.{}", row.resource.version, row.resource.group);
            assert!(known.contains(&name) || row.resource.group == GROUP, "{name}");
        }
    }

    #[test]
    fn services_come_and_go_with_definitions_and_others_stay() {
        let wanted = of(&[
            definition("a.example", &[("v1", true), ("v2", false)]),
            definition("a.example", &[("v1", true)]),
        ]);
        let made = plan(&wanted, &[]);
        let [Step::Create(service)] = made.as_slice() else { panic!("{made:?}") };
        assert_eq!(object::name(service), "v1.a.example");
        assert_eq!(service["spec"]["groupPriorityMinimum"], 1000);
        let mut stored = service.clone();
        stored["metadata"]["uid"] = "u".into();
        assert_eq!(plan(&wanted, &[stored.clone()]), []);
        let gone = Step::Delete { name: "v1.a.example".to_owned(), uid: "u".to_owned() };
        assert_eq!(plan(&BTreeMap::new(), &[stored.clone()]), [gone]);
        stored["spec"]["versionPriority"] = 7.into();
        let mended = plan(&wanted, &[stored.clone()]);
        assert!(matches!(mended.as_slice(), [Step::Update(new)] if new["spec"] == service["spec"]));
        // Somebody's own, and what is built in.
        stored["metadata"]["labels"] = json!({});
        assert_eq!(plan(&wanted, &[stored.clone()]), []);
        assert_eq!(plan(&BTreeMap::new(), &[stored]), []);
        assert_eq!(plan(&BTreeMap::new(), &builtin().collect::<Vec<_>>()), []);
    }
}

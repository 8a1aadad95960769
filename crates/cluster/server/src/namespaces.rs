//! Empties namespaces whose deletion has begun, and lets them go.
//!
//! First the pods: what they use stays until none is left. Then everything in every other resource,
//! again while something waits for its finalizers or its time of grace, which the namespace's status
//! tells ([`conditions`]); then the namespace's own finalizer is taken away. Each round asks whether it is still
//! that namespace: another server may have let it go, and another of its name may be there. What runs ends
//! with the future, so with the term of the leader that runs it.

mod conditions;

use self::conditions::{Left, note};
use crate::api::{Api, Call};
use crate::auth::User;
use crate::follow::Pause;
use crate::local::Local;
use crate::select::Selector;
use crate::table::Entry;
use crate::verbs::delete::{DeleteOptions, Propagation};
use crate::verbs::list::ListRequest;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use teu_api::{Status, object};
use teu_client::{Choice, Client, Event, Kind, Watch};
use teu_store::cache::ListAt;
use tokio::task::JoinSet;

const NAMESPACES: Kind<'static> = Kind { group: "", version: "v1", plural: "namespaces" };
/// The finalizer that is ours.
const FINALIZER: &str = "kubernetes";
/// Between two looks at what does not go, doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// Runs until the server stops.
pub async fn run(api: Arc<Api>) {
    let user = User::internal("system:serviceaccount:kube-system:namespace-controller");
    let client = Local::new(&api, user.clone(), "namespace-controller");
    let under_way = Arc::new(Mutex::new(HashSet::new()));
    let mut tasks = JoinSet::new();
    let mut pause = Pause::new();
    while !api.shutdown.has_begun() {
        pause.begin();
        if let Ok(mut watch) = client.watch(NAMESPACES, &Choice::default(), "").await {
            follow(&api, &user, &mut *watch, (&under_way, &mut tasks)).await;
        }
        pause.wait(&api.shutdown).await;
    }
}

async fn follow(
    api: &Arc<Api>,
    user: &User,
    watch: &mut dyn Watch,
    (under_way, tasks): (&Arc<Mutex<HashSet<String>>>, &mut JoinSet<()>),
) {
    while let Ok(event) = watch.next().await {
        let Event::Applied(namespace) = event else { continue };
        let meant =
            Meant { name: object::name(&namespace).into(), uid: object::uid(&namespace).into() };
        let is_new = object::is_terminating(&namespace)
            && is_ours(&namespace)
            && under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(meant.uid.clone());
        while tasks.try_join_next().is_some() {}
        if is_new {
            let (api, user, under_way) = (Arc::clone(api), user.clone(), Arc::clone(under_way));
            tasks.spawn(async move {
                empty(&api, &user, &meant).await;
                under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&meant.uid);
            });
        }
    }
}

fn is_ours(namespace: &Value) -> bool {
    let finalizers = object::at(namespace, &["spec", "finalizers"]).and_then(Value::as_array);
    finalizers.is_some_and(|names| names.iter().any(|name| name == FINALIZER))
}

/// The namespace that is to go; another of its name is not meant.
struct Meant {
    name: String,
    uid: String,
}

impl Meant {
    /// The namespace, while it is there and on its way out.
    async fn find(&self, client: &Local) -> Result<Option<Value>, Status> {
        match client.get(NAMESPACES, "", &self.name).await {
            Ok(found) => {
                Ok(Some(found)
                    .filter(|it| object::uid(it) == self.uid && object::is_terminating(it)))
            }
            Err(status) if status.code == 404 => Ok(None),
            Err(status) => Err(status),
        }
    }
}

/// Empties one until it can go.
async fn empty(api: &Arc<Api>, user: &User, meant: &Meant) {
    let user = Arc::new(user.clone());
    let client = Local::new(api, User::clone(&user), "namespace-controller");
    let mut pause = FIRST_PAUSE;
    loop {
        match meant.find(&client).await {
            Ok(None) => return,
            // What cannot be asked is not emptied.
            Err(_) => {}
            Ok(Some(_)) => {
                let outcome = empty_once(api, &user, &meant.name).await;
                if !matches!(&outcome, Ok(left) if left.is_empty()) {
                    // A conflict means that it changed; the next round says it again.
                    let _ = tell(api, &client, meant, &outcome).await;
                } else if finalize(api, &client, meant).await.is_ok() {
                    return;
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LAST_PAUSE),
            () = api.shutdown.begun() => return,
        }
    }
}

/// Deletes all there is, pods before anything else; says what there is still.
async fn empty_once(api: &Arc<Api>, user: &Arc<User>, name: &str) -> Result<Left, Status> {
    let rows = api.table.rows();
    let mut left = Left::default();
    let is_pod = |entry: &Entry| (entry.group(), entry.plural()) == ("", "pods");
    let (pods, others): (Vec<_>, Vec<_>) = rows
        .each_stored()
        .into_iter()
        .filter(|entry| entry.row.resource.is_namespaced())
        .partition(|entry| is_pod(entry));
    for entries in [pods, others] {
        for entry in entries {
            let call = Call {
                user: Arc::clone(user),
                entry,
                rows: Arc::clone(&rows),
                namespace: name.to_owned(),
                name: String::new(),
                subresource: String::new(),
            };
            delete_all(api, &call, &mut left).await?;
        }
        if !left.is_empty() {
            break;
        }
    }
    Ok(left)
}

/// Deletes all objects of a resource in a namespace, and counts those that are there still.
async fn delete_all(api: &Arc<Api>, call: &Call, left: &mut Left) -> Result<(), Status> {
    let options =
        DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
    // From the store, page by page: a cache for each resource would be started only for this.
    let request = ListRequest {
        selector: Selector::default(),
        at: ListAt::Consistent,
        limit: usize::MAX,
        token: None,
    };
    let found = api.list(call, &request).await.map_err(|error| error.status)?;
    if found.items.is_empty() {
        return Ok(());
    }
    api.delete_all(call, &found.items, &options).await?;
    let still = api.list(call, &request).await.map_err(|error| error.status)?;
    for item in &still.items {
        let object = call.entry.open(&item.object, item.kv.modified)?;
        left.add(call.entry.plural(), call.entry.group(), &object);
    }
    Ok(())
}

/// Has the namespace say how it went, if that is news.
async fn tell(
    api: &Arc<Api>,
    client: &Local,
    meant: &Meant,
    outcome: &Result<Left, Status>,
) -> Result<(), Status> {
    let Some(namespace) = meant.find(client).await? else { return Ok(()) };
    let mut told = namespace.clone();
    note(&mut told, outcome, &api.wall.text());
    if told == namespace {
        return Ok(());
    }
    client.update(NAMESPACES, "status", told).await.map(|_| ())
}

/// The finalizers that are not ours.
fn others(namespace: &Value) -> Vec<Value> {
    let finalizers = object::at(namespace, &["spec", "finalizers"]).and_then(Value::as_array);
    finalizers.into_iter().flatten().filter(|name| *name != FINALIZER).cloned().collect()
}

async fn finalize(api: &Arc<Api>, client: &Local, meant: &Meant) -> Result<(), Status> {
    let Some(mut next) = meant.find(client).await? else { return Ok(()) };
    let others = others(&next);
    if !others.is_empty() {
        // Others hold it still, and see that it is empty.
        tell(api, client, meant, &Ok(Left::default())).await?;
        let Some(again) = meant.find(client).await? else { return Ok(()) };
        next = again;
    }
    next["spec"]["finalizers"] = json!(others);
    client.update(NAMESPACES, "finalize", next).await.map(|_| ())
}

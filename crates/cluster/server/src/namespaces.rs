//! Empties namespaces whose deletion has begun, and lets them go.
//!
//! The simplest that is right: everything in every resource is deleted, again while something is
//! left that waits for its finalizers or its time of grace; then the namespace's own finalizer is
//! taken away.

use crate::api::{Api, Call};
use crate::auth::User;
use crate::local::Local;
use crate::select::Selector;
use crate::verbs::delete::{DeleteOptions, Propagation};
use crate::verbs::list::ListRequest;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use teu_api::{Status, object};
use teu_client::{Choice, Client, Event, Kind, Watch};
use teu_store::cache::ListAt;

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
    while !api.shutdown.has_begun() {
        if let Ok(mut watch) = client.watch(NAMESPACES, &Choice::default(), "").await {
            follow(&api, &user, &mut *watch, &under_way).await;
        }
        tokio::select! {
            () = tokio::time::sleep(LAST_PAUSE) => {}
            () = api.shutdown.begun() => return,
        }
    }
}

async fn follow(
    api: &Arc<Api>,
    user: &User,
    watch: &mut dyn Watch,
    under_way: &Arc<Mutex<HashSet<String>>>,
) {
    while let Ok(event) = watch.next().await {
        let Event::Applied(namespace) = event else { continue };
        let name = object::name(&namespace).to_owned();
        let is_new = object::is_terminating(&namespace)
            && is_ours(&namespace)
            && under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        if is_new {
            let (api, user, under_way) = (Arc::clone(api), user.clone(), Arc::clone(under_way));
            tokio::spawn(async move {
                empty(&api, &user, &name).await;
                under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
            });
        }
    }
}

fn is_ours(namespace: &Value) -> bool {
    let finalizers = object::at(namespace, &["spec", "finalizers"]).and_then(Value::as_array);
    finalizers.is_some_and(|names| names.iter().any(|name| name == FINALIZER))
}

/// Empties one until it can go.
async fn empty(api: &Arc<Api>, user: &User, name: &str) {
    let user = Arc::new(user.clone());
    let mut pause = FIRST_PAUSE;
    loop {
        let left = empty_once(api, &user, name).await;
        if matches!(left, Ok(0)) {
            match finalize(api, &user, name).await {
                Err(status) if status.code != 404 => {}
                _ => return,
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LAST_PAUSE),
            () = api.shutdown.begun() => return,
        }
    }
}

/// Deletes all there is; says how much there is still.
async fn empty_once(api: &Arc<Api>, user: &Arc<User>, name: &str) -> Result<usize, Status> {
    let rows = api.table.rows();
    let options =
        DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
    let mut left = 0;
    for entry in rows.each_stored() {
        if !entry.row.resource.is_namespaced() {
            continue;
        }
        let call = Call {
            user: Arc::clone(user),
            entry,
            rows: Arc::clone(&rows),
            namespace: name.to_owned(),
            name: String::new(),
            subresource: String::new(),
        };
        // From the store, page by page: a cache for each resource would be started only for this.
        let request = ListRequest {
            selector: Selector::default(),
            at: ListAt::Consistent,
            limit: usize::MAX,
            token: None,
        };
        let found = api.list(&call, &request).await.map_err(|error| error.status)?;
        if !found.items.is_empty() {
            api.delete_all(&call, &found.items, &options).await?;
            left += api.list(&call, &request).await.map_err(|error| error.status)?.items.len();
        }
    }
    Ok(left)
}

async fn finalize(api: &Arc<Api>, user: &Arc<User>, name: &str) -> Result<(), Status> {
    let client = Local::new(api, User::clone(user), "namespace-controller");
    let namespace = client.get(NAMESPACES, "", name).await?;
    let finalizers = object::at(&namespace, &["spec", "finalizers"]).and_then(Value::as_array);
    let others: Vec<&Value> =
        finalizers.into_iter().flatten().filter(|name| *name != FINALIZER).collect();
    let mut next = namespace.clone();
    next["spec"]["finalizers"] = json!(others);
    client.update(NAMESPACES, "finalize", next).await.map(|_| ())
}

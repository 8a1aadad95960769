//! Custom resources at run time: definitions are followed, settled, and become rows of the table
//! before anybody is told that they are established; a definition that is deleted takes its objects
//! with it.

mod convert;
mod rules;

pub use rules::Definitions;

use crate::api::{Api, Call};
use crate::auth::User;
use crate::local::Local;
use crate::select::Selector;
use crate::table::CustomRow;
use crate::verbs::delete::{DeleteOptions, Propagation};
use crate::verbs::list::ListRequest;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use teu_api::crd::conditions::{Taken, is_established, set, settle};
use teu_api::crd::{rows, storage_version};
use teu_api::{Status, object};
use teu_client::{Choice, Client, Event, Kind, Watch};
use teu_store::cache::ListAt;
use tokio::task::JoinSet;

const DEFINITIONS: Kind<'static> =
    Kind { group: "apiextensions.k8s.io", version: "v1", plural: "customresourcedefinitions" };
/// Holds a definition until its objects are gone.
pub const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";
/// After a watch broke, and between two looks at objects that do not go.
const PAUSE: Duration = Duration::from_millis(200);

/// Puts the definitions that are established into the table, before the first request.
pub async fn load(api: &Arc<Api>) -> Result<(), Status> {
    let client = client(api);
    for definition in client.list(DEFINITIONS, &Choice::default()).await?.items {
        if is_established(&definition) {
            serve(api, &definition);
        }
    }
    Ok(())
}

/// Follows the definitions until the server stops.
pub async fn run(api: Arc<Api>) {
    let client = client(&api);
    let mut cleaning = Cleaning::default();
    while !api.shutdown.has_begun() {
        if let Ok(mut watch) = client.watch(DEFINITIONS, &Choice::default(), "").await {
            follow(&api, &client, &mut *watch, &mut cleaning).await;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = api.shutdown.begun() => {}
        }
    }
}

fn client(api: &Arc<Api>) -> Local {
    Local::new(api, User::internal("system:crd-controller"), "kube-apiserver")
}

async fn follow(api: &Arc<Api>, client: &Local, watch: &mut dyn Watch, cleaning: &mut Cleaning) {
    while let Ok(event) = watch.next().await {
        match event {
            Event::Bookmark(_) => {}
            Event::Deleted(definition) => {
                let (group, plural) = names(&definition);
                api.table.set_custom(group, plural, Vec::new());
                // Names that were refused may be free now.
                settle_others(api, client, group).await;
            }
            Event::Applied(definition) if object::is_terminating(&definition) => {
                if is_established(&definition) {
                    serve(api, &definition);
                }
                cleaning.begin(api, client, definition);
            }
            Event::Applied(definition) => settle_one(api, client, definition).await,
        }
    }
}

fn names(definition: &Value) -> (&str, &str) {
    (
        object::text(definition, &["spec", "group"]).unwrap_or_default(),
        object::text(definition, &["spec", "names", "plural"]).unwrap_or_default(),
    )
}

async fn settle_others(api: &Arc<Api>, client: &Local, group: &str) {
    let Ok(all) = client.list(DEFINITIONS, &Choice::default()).await else { return };
    for definition in all.items {
        let is_waiting = names(&definition).0 == group && !is_established(&definition);
        if is_waiting && !object::is_terminating(&definition) {
            settle_one(api, client, definition).await;
        }
    }
}

/// Decides about a definition's names, serves it, and then says so.
async fn settle_one(api: &Arc<Api>, client: &Local, definition: Value) {
    let Ok(all) = client.list(DEFINITIONS, &Choice::default()).await else { return };
    let taken = Taken::of(&all.items, names(&definition).0, object::name(&definition));
    let mut settled = definition.clone();
    if settle(&mut settled, &taken, api.wall.seconds()) {
        serve(api, &settled);
    }
    if settled.get("status") != definition.get("status") {
        // A conflict means that it changed, and then it comes again.
        let _ = client.update(DEFINITIONS, "status", settled).await;
    }
}

/// Puts a definition's versions into the table.
fn serve(api: &Arc<Api>, definition: &Value) {
    let (group, plural) = names(definition);
    let versions = object::at(definition, &["spec", "versions"]).and_then(Value::as_array);
    let schema = |name: &str| {
        let all = versions.into_iter().flatten();
        let found = all.into_iter().find(|version| version["name"] == name)?;
        found.pointer("/schema/openAPIV3Schema").cloned().map(Arc::new)
    };
    let converter = convert::of(api, definition);
    let stored = format!("{group}/{}", storage_version(definition).unwrap_or_default());
    let made = rows(definition).into_iter().map(|row| CustomRow {
        schema: schema(&row.resource.version),
        stored_version: stored.clone(),
        converter: converter.clone(),
        is_going: object::is_terminating(definition),
        row,
    });
    api.table.set_custom(group, plural, made.collect());
}

/// The definitions whose objects are being deleted, by UID; each once.
#[derive(Default)]
struct Cleaning {
    under_way: Arc<Mutex<HashSet<String>>>,
    tasks: JoinSet<()>,
}

impl Cleaning {
    /// Deletes a definition's objects, then lets it go.
    fn begin(&mut self, api: &Arc<Api>, client: &Local, definition: Value) {
        let uid = object::uid(&definition).to_owned();
        while self.tasks.try_join_next().is_some() {}
        let (api, client) = (Arc::clone(api), client.clone());
        let under_way = Arc::clone(&self.under_way);
        let is_new = holds(&definition)
            && under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.clone());
        if is_new {
            self.tasks.spawn(async move {
                clean(&api, &client, &definition).await;
                under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&uid);
            });
        }
    }
}

/// Whether a definition waits for its objects to go.
fn holds(definition: &Value) -> bool {
    let held = object::at(definition, &["metadata", "finalizers"]).and_then(Value::as_array);
    object::is_terminating(definition)
        && held.is_some_and(|names| names.iter().any(|name| name == CLEANUP))
}

/// Each round asks whether it is still that definition: another server may have let it go, and another of
/// its name may be there, whose objects are not meant.
async fn clean(api: &Arc<Api>, client: &Local, meant: &Value) {
    let name = object::name(meant);
    loop {
        match client.get(DEFINITIONS, "", name).await {
            Ok(found) if object::uid(&found) == object::uid(meant) && holds(&found) => {
                // A conflict means that it changed; the next round says it again.
                if let Ok(true) = clean_once(api, client, found).await {
                    return;
                }
            }
            Ok(_) => return,
            Err(status) if status.code == 404 => return,
            // What cannot be asked is not cleaned.
            Err(_) => {}
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = api.shutdown.begun() => return,
        }
    }
}

/// Says that its objects go, deletes them, and lets it go when there are none; whether it has.
async fn clean_once(api: &Arc<Api>, client: &Local, mut definition: Value) -> Result<bool, Status> {
    let before = definition.get("status").cloned();
    let said =
        ("True", "InstanceDeletionInProgress", "CustomResource deletion is in progress".to_owned());
    set(&mut definition, "Terminating", said, api.wall.seconds());
    if definition.get("status") != before.as_ref() {
        definition = client.update(DEFINITIONS, "status", definition).await?;
    }
    let (group, plural) = names(&definition);
    if delete_objects(api, group, plural).await? > 0 {
        return Ok(false);
    }
    if let Some(Value::Array(held)) = definition.pointer_mut("/metadata/finalizers") {
        held.retain(|name| name != CLEANUP);
    }
    client.update(DEFINITIONS, "", definition).await.map(|_| true)
}

/// Deletes all objects of a custom resource; says how many are left.
async fn delete_objects(api: &Arc<Api>, group: &str, plural: &str) -> Result<usize, Status> {
    let rows = api.table.rows();
    let Some(entry) = rows.find_any(group, plural).cloned() else { return Ok(0) };
    let call = Call {
        user: Arc::new(User::internal("system:crd-controller")),
        entry,
        rows,
        namespace: String::new(),
        name: String::new(),
        subresource: String::new(),
    };
    let everything = ListRequest {
        selector: Selector::default(),
        at: ListAt::Consistent,
        limit: usize::MAX,
        token: None,
    };
    let found = api.list(&call, &everything).await.map_err(|error| error.status)?;
    let options =
        DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
    api.delete_all(&call, &found.items, &options).await?;
    Ok(api.list(&call, &everything).await.map_err(|error| error.status)?.items.len())
}

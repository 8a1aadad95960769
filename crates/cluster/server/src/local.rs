//! The API for who lives in this process: controllers use the operations without HTTP, as a user of
//! their own.

use crate::api::{Api, Call, WriteOptions};
use crate::auth::User;
use crate::select::Selector;
use crate::stored::Stored;
use crate::table::Entry;
use crate::verbs::delete::{DeleteOptions, Deleted, Propagation};
use crate::verbs::input::Input;
use crate::verbs::list::ListRequest;
use crate::verbs::watch::{Change, Changes, From, WatchOptions, revision};
use serde_json::Value;
use std::pin::Pin;
use std::sync::Arc;
use teu_api::{Status, object};
use teu_client::{Answer, Choice, Client, Deletion, Event, Kind, List, Patch, Watch};
use teu_store::Revision;
use teu_store::cache::ListAt;

/// A client in this process.
#[derive(Debug, Clone)]
pub struct Local {
    api: Arc<Api>,
    user: Arc<User>,
    manager: Arc<str>,
}

impl Local {
    /// As a user; the manager owns the fields that are written.
    pub fn new(api: &Arc<Api>, user: User, manager: &str) -> Self {
        Self { api: Arc::clone(api), user: Arc::new(user), manager: manager.into() }
    }

    /// The time of day, as it is written in objects.
    pub fn now(&self) -> String {
        self.api.wall.text()
    }

    fn call(
        &self,
        kind: Kind<'_>,
        namespace: &str,
        name: &str,
        subresource: &str,
    ) -> Result<Call, Status> {
        let rows = self.api.table.rows();
        let found = rows.find(kind.group, kind.version, kind.plural).cloned();
        let entry = found.ok_or_else(|| Status::not_found_path(kind.plural))?;
        Ok(Call {
            user: Arc::clone(&self.user),
            entry,
            rows,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
        })
    }

    fn options(&self) -> WriteOptions {
        WriteOptions { manager: self.manager.to_string(), ..WriteOptions::default() }
    }

    async fn write(
        self,
        call: Result<Call, Status>,
        input: Input,
        options: WriteOptions,
    ) -> Result<Value, Status> {
        let call = call?;
        let written = self.api.change(&call, input, &options).await?;
        call.entry.open(&written.object.stored, written.object.revision)
    }
}

impl Client for Local {
    fn get(&self, kind: Kind<'_>, namespace: &str, name: &str) -> Answer<Value> {
        let (this, call) = (self.clone(), self.call(kind, namespace, name, ""));
        Box::pin(async move {
            let call = call?;
            let found = this.api.get(&call, None).await?;
            call.entry.open(&found.stored, found.revision)
        })
    }

    fn list(&self, kind: Kind<'_>, choice: &Choice) -> Answer<List> {
        let (this, call) = (self.clone(), self.call(kind, &choice.namespace, "", ""));
        let choice = choice.clone();
        Box::pin(async move {
            let call = call?;
            let selector = Selector::parse(&call.entry, &choice.labels, &choice.fields)?;
            let request = ListRequest { selector, at: ListAt::Consistent, limit: 0, token: None };
            let listing = this.api.list(&call, &request).await.map_err(|error| error.status)?;
            let open = |item: &crate::verbs::Found| call.entry.open(&item.object, item.kv.modified);
            let items = listing.items.iter().map(open).collect::<Result<Vec<Value>, Status>>()?;
            Ok(List { resource_version: listing.revision.to_string(), items })
        })
    }

    fn watch(&self, kind: Kind<'_>, choice: &Choice, from: &str) -> Answer<Box<dyn Watch>> {
        let (this, call) = (self.clone(), self.call(kind, &choice.namespace, "", ""));
        let (choice, from) = (choice.clone(), from.to_owned());
        Box::pin(async move {
            let call = call?;
            let selector = Selector::parse(&call.entry, &choice.labels, &choice.fields)?;
            let from = match &*from {
                "" => From::Initial(ListAt::Consistent),
                "0" => From::Initial(ListAt::Any),
                text => From::After(revision(text)?),
            };
            let marks_initial_end = matches!(from, From::Initial(_));
            let mut options = WatchOptions { selector, from, bookmarks: true, marks_initial_end };
            let changes = match this.api.watch(&call, &options).await {
                // An etcd that cannot say how far its watches have come (before 3.5) leaves nothing to
                // wait for while nobody writes; what is seen then is not old, only not known to be new.
                Err(status) if status.code == 504 && marks_initial_end => {
                    options.from = From::Initial(ListAt::Any);
                    this.api.watch(&call, &options).await?
                }
                other => other?,
            };
            let watch = LocalWatch { changes, entry: call.entry, api: this.api };
            Ok(Box::new(watch) as Box<dyn Watch>)
        })
    }

    fn create(&self, kind: Kind<'_>, namespace: &str, object: Value) -> Answer<Value> {
        let (this, call) = (self.clone(), self.call(kind, namespace, "", ""));
        Box::pin(async move {
            let call = call?;
            let written = this.api.create(&call, object, &this.options()).await?;
            call.entry.open(&written.object.stored, written.object.revision)
        })
    }

    fn update(&self, kind: Kind<'_>, subresource: &str, object: Value) -> Answer<Value> {
        let (namespace, name) = (object::namespace(&object), object::name(&object));
        let call = self.call(kind, namespace, name, subresource);
        let options = self.options();
        Box::pin(self.clone().write(call, Input::Whole(object), options))
    }

    fn patch(
        &self,
        kind: Kind<'_>,
        at: (&str, &str),
        subresource: &str,
        patch: Patch,
        body: Value,
    ) -> Answer<Value> {
        let call = self.call(kind, at.0, at.1, subresource);
        let mut options = self.options();
        let input = match patch {
            Patch::Json => Input::JsonPatch(body),
            Patch::Merge => Input::MergePatch(body),
            Patch::Strategic => Input::StrategicPatch(body),
            Patch::Apply(manager) => {
                manager.clone_into(&mut options.manager);
                options.is_forced = true;
                Input::Applied(body)
            }
        };
        Box::pin(self.clone().write(call, input, options))
    }

    fn delete(&self, kind: Kind<'_>, at: (&str, &str), how: &Deletion) -> Answer<Value> {
        let (this, call) = (self.clone(), self.call(kind, at.0, at.1, ""));
        let options = DeleteOptions {
            grace_seconds: how.grace_seconds,
            uid: how.uid.clone(),
            resource_version: how.resource_version.clone(),
            propagation: how.propagation.and_then(Propagation::parse),
            is_dry_run: false,
        };
        Box::pin(async move {
            let call = call?;
            match this.api.delete(&call, &options).await? {
                Deleted::Gone(_, last) => Ok(last),
                Deleted::Begun(object) => call.entry.open(&object.stored, object.revision),
            }
        })
    }
}

struct LocalWatch {
    changes: Changes,
    entry: Arc<Entry>,
    /// Ends the watch when the server stops.
    api: Arc<Api>,
}

impl LocalWatch {
    fn open(&self, stored: &Stored, revision: Revision) -> Result<Value, Status> {
        self.entry.open(stored, revision)
    }

    async fn change(&mut self) -> Result<Change, Status> {
        tokio::select! {
            change = self.changes.next() => change,
            () = self.api.shutdown.begun() => {
                Err(Status::new(503, "ServiceUnavailable", "the server is shutting down"))
            }
        }
    }
}

impl Watch for LocalWatch {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Event, Status>> + Send + '_>> {
        Box::pin(async move {
            match self.change().await? {
                Change::Initial(item) => {
                    Ok(Event::Applied(self.open(&item.object, item.kv.modified)?))
                }
                Change::Added(event) | Change::Modified(event) => {
                    Ok(Event::Applied(self.open(&event.item.object, event.revision)?))
                }
                Change::Deleted(event, last) => {
                    Ok(Event::Deleted(self.open(&last.object, event.revision)?))
                }
                Change::InitialEnd(revision) | Change::Bookmark(revision) => {
                    Ok(Event::Bookmark(revision.to_string()))
                }
            }
        })
    }
}

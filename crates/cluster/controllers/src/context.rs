//! What a controller is given: the API as its own user, the shared mirrors, time, a recorder.
//!
//! A write is over when the mirror of its kind shows it. That is the whole guard against acting on what
//! stood before: whoever reads a mirror after a write sees at least that write, so no expectations have
//! to be kept and none can go astray. A kind that nobody mirrors is not waited for.

use crate::Timer;
use crate::mirror::{Mirror, Mirrors};
use crate::recorder::{self, Recorder};
use serde_json::Value;
use std::sync::Arc;
use teu_api::{Status, object};
use teu_client::{Client, Deletion, Kind, Patch};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// What all controllers of a term share; what it runs ends when it is dropped.
pub struct Office {
    timer: Arc<dyn Timer>,
    mirrors: Arc<Mirrors>,
    recorder: Recorder,
    _recording: Mutex<JoinSet<()>>,
}

impl Drop for Office {
    fn drop(&mut self) {
        self.mirrors.close();
    }
}

impl std::fmt::Debug for Office {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Office").finish_non_exhaustive()
    }
}

impl Office {
    /// With a client that may read everything that is mirrored, and write events.
    pub fn open(client: Arc<dyn Client>, timer: Arc<dyn Timer>) -> Self {
        let (recorder, recording) = recorder::open(Arc::clone(&client), Arc::clone(&timer));
        let mut tasks = JoinSet::new();
        tasks.spawn(recording);
        let mirrors = Arc::new(Mirrors::new(client, Arc::clone(&timer)));
        Self { timer, mirrors, recorder, _recording: Mutex::new(tasks) }
    }

    /// For a controller: its events name the component.
    pub fn context(&self, client: Arc<dyn Client>, component: &'static str) -> Context {
        Context {
            client,
            timer: Arc::clone(&self.timer),
            mirrors: Arc::clone(&self.mirrors),
            recorder: self.recorder.named(component),
        }
    }
}

/// What every controller needs.
#[derive(Clone)]
pub struct Context {
    /// The API, as the controller's own user.
    pub client: Arc<dyn Client>,
    /// Time.
    pub timer: Arc<dyn Timer>,
    /// What there is.
    pub mirrors: Arc<Mirrors>,
    /// Events for people.
    pub recorder: Recorder,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl Context {
    /// What there is of a kind.
    pub fn mirror(&self, kind: Kind<'static>) -> Arc<Mirror> {
        self.mirrors.of(kind, "")
    }

    async fn shown(&self, kind: Kind<'_>, written: Value) -> Value {
        if let Some(mirror) = self.mirrors.find(kind) {
            mirror.shows(&written).await;
        }
        written
    }

    /// Makes an object.
    pub async fn create(
        &self,
        kind: Kind<'_>,
        namespace: &str,
        object: Value,
    ) -> Result<Value, Status> {
        let written = self.client.create(kind, namespace, object).await?;
        Ok(self.shown(kind, written).await)
    }

    /// Replaces one, or a subresource of it (empty for none).
    pub async fn update(
        &self,
        kind: Kind<'_>,
        subresource: &str,
        object: Value,
    ) -> Result<Value, Status> {
        let written = self.client.update(kind, subresource, object).await?;
        Ok(self.shown(kind, written).await)
    }

    /// Changes one by a strategic merge.
    pub async fn patch(
        &self,
        kind: Kind<'_>,
        at: (&str, &str),
        subresource: &str,
        body: Value,
    ) -> Result<Value, Status> {
        let written = self.client.patch(kind, at, subresource, Patch::Strategic, body).await?;
        Ok(self.shown(kind, written).await)
    }

    /// Deletes one, if it is still the same. One that is gone already, or is another version than asked for,
    /// is no failure.
    pub async fn delete(
        &self,
        kind: Kind<'_>,
        object: &Value,
        how: Deletion,
    ) -> Result<(), Status> {
        let at = (object::namespace(object), object::name(object));
        let how = Deletion { uid: Some(object::uid(object).to_owned()), ..how };
        let answer = self.client.delete(kind, at, &how).await;
        let is_begun = match answer {
            Ok(last) => {
                let is_begun = object::is_terminating(&last);
                if is_begun {
                    self.shown(kind, last).await;
                }
                is_begun
            }
            // It has changed since: its change wakes whoever asked for this.
            Err(status) if status.reason == "Conflict" && how.resource_version.is_some() => {
                return Ok(());
            }
            Err(status) if status.code == 404 || status.reason == "Conflict" => false,
            Err(status) => return Err(status),
        };
        if let (false, Some(mirror)) = (is_begun, self.mirrors.find(kind)) {
            mirror.lacks(object).await;
        }
        Ok(())
    }

    /// Writes a status, if it would change.
    pub async fn write_status(
        &self,
        kind: Kind<'_>,
        object: &Value,
        status: Value,
    ) -> Result<bool, Status> {
        let nothing = Value::Null;
        if teu_api::kinds::equal::same(object.get("status").unwrap_or(&nothing), &status) {
            return Ok(false);
        }
        let mut new = object.clone();
        new["status"] = status;
        self.update(kind, "status", new).await.map(|_| true)
    }
}

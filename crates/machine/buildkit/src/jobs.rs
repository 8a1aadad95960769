//! Builds that clients have asked for, by the name (`ref`) the client gave each.
//!
//! A client calls `Solve`, `Status` and its frontend's calls at the same time and on streams of their
//! own, so any of them may come first: a job begins with whoever names it, and who needs what another
//! brings waits for it, within [`PATIENCE`].

use crate::build::Prepared;
use crate::outbox::Outbox;
use crate::rpc::{Code, Status};
use crate::sessions::Session;
use crate::status::StatusLog;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long one call waits for what another one brings.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a job that has ended can still be asked for its status.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Jobs at the same time, ended ones that are remembered included.
const JOB_LIMIT: usize = 1000;
/// Results that one frontend may hold.
const RESULT_LIMIT: usize = 16;

/// The file of a context that was posted.
pub const POSTED: &str = "context";

/// All jobs.
#[derive(Debug, Default)]
pub struct Jobs(Mutex<HashMap<String, Arc<Job>>>);

/// One build.
#[derive(Debug)]
pub struct Job {
    /// Its name.
    reference: String,
    /// What happens.
    pub log: StatusLog,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    begun: Option<Begun>,
    prepared: HashMap<String, Prepared>,
    returned: Option<Result<Option<String>, Status>>,
    /// The context, where the client sends it by itself.
    posted: Option<Outbox>,
    is_canceled: bool,
    ended: Option<Instant>,
}

/// What `Solve` says of the whole build.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Whose files.
    pub session: Arc<Session>,
    /// What is allowed.
    pub entitlements: Vec<String>,
}

impl Jobs {
    /// The job of this name, made if there is none.
    pub fn named(&self, reference: &str) -> Result<Arc<Job>, Status> {
        if reference.is_empty() {
            return Err(Status::new(Code::InvalidArgument, "the build has no ref"));
        }
        let mut jobs = self.lock();
        if let Some(job) = jobs.get(reference) {
            return Ok(Arc::clone(job));
        }
        jobs.retain(|_, job| job.lock().ended.is_none_or(|at| at.elapsed() < REMEMBERED));
        if jobs.len() >= JOB_LIMIT {
            let text = format!("there are {JOB_LIMIT} builds already");
            return Err(Status::new(Code::ResourceExhausted, text));
        }
        let job = Arc::new(Job {
            reference: reference.to_owned(),
            log: StatusLog::new(reference),
            state: Mutex::default(),
            changed: Notify::new(),
        });
        jobs.insert(reference.to_owned(), Arc::clone(&job));
        Ok(job)
    }

    /// The job of this name and what `Solve` said of it, once that has come.
    pub async fn begun(&self, reference: &str) -> Result<(Arc<Job>, Begun), Status> {
        let job = self.named(reference)?;
        let wait = job.wait(|state| state.begun.clone());
        if let Ok(begun) = tokio::time::timeout(PATIENCE, wait).await {
            return Ok((job, begun));
        }
        // A status was asked for something that never came.
        let mut jobs = self.lock();
        if job.lock().begun.is_none() {
            jobs.remove(reference);
        }
        Err(Status::new(Code::NotFound, format!("no such job {reference}")))
    }

    /// Gives up the build of this name, if there is one.
    pub fn cancel(&self, reference: &str) {
        let job = self.lock().get(reference).cloned();
        if let Some(job) = job {
            job.give_up();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Job>>> {
        self.0.lock().unwrap_or_else(|error| error.into_inner())
    }
}

impl Job {
    /// `Solve` has come. Ends with the guard.
    pub fn begin(self: &Arc<Self>, begun: Begun) -> Result<Running, Status> {
        let mut state = self.lock();
        if state.begun.is_some() {
            let text = format!("there is a build {} already", self.reference);
            return Err(Status::new(Code::AlreadyExists, text));
        }
        state.begun = Some(begun);
        drop(state);
        self.changed.notify_waiters();
        Ok(Running(Arc::clone(self)))
    }

    /// Keeps what a frontend has made until it is returned; gives its name.
    pub fn keep(&self, prepared: Prepared) -> Result<String, Status> {
        let mut state = self.lock();
        if state.prepared.len() >= RESULT_LIMIT {
            let text = format!("a build has at most {RESULT_LIMIT} results");
            return Err(Status::new(Code::ResourceExhausted, text));
        }
        let name = format!("{}-{}", self.reference, state.prepared.len());
        state.prepared.insert(name.clone(), prepared);
        Ok(name)
    }

    /// The frontend's last word: a result's name, nothing, or an error.
    pub fn give(&self, returned: Result<Option<String>, Status>) {
        self.lock().returned.get_or_insert(returned);
        self.changed.notify_waiters();
    }

    /// Waits for the frontend's last word.
    pub async fn returned(&self) -> Result<Option<Prepared>, Status> {
        let name = self.wait(|state| state.returned.take()).await?;
        let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
        let unknown = || Status::new(Code::NotFound, format!("no such result: {name}"));
        self.lock().prepared.remove(&name).map(Some).ok_or_else(unknown)
    }

    /// The context has come, in the file [`POSTED`].
    pub fn post(&self, outbox: Outbox) {
        let mut state = self.lock();
        if state.ended.is_none() {
            state.posted = Some(outbox);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Waits for the context that the client sends by itself.
    pub async fn posted(&self) -> Outbox {
        self.wait(|state| state.posted.take()).await
    }

    /// Nobody wants it any more.
    pub fn give_up(&self) {
        self.lock().is_canceled = true;
        self.changed.notify_waiters();
    }

    /// Waits until it has ended.
    pub async fn ended(&self) {
        self.wait(|state| state.ended.map(drop)).await;
    }

    /// Waits until the build is given up.
    pub async fn canceled(&self) {
        self.wait(|state| state.is_canceled.then_some(())).await;
    }

    async fn wait<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if let Some(found) = look(&mut self.lock()) {
                return found;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|error| error.into_inner())
    }
}

/// A build that runs; when it is dropped, the build has ended, however.
#[derive(Debug)]
pub struct Running(Arc<Job>);

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.ended = Some(Instant::now());
        state.prepared.clear();
        state.posted = None;
        drop(state);
        self.0.changed.notify_waiters();
        self.0.log.close();
    }
}

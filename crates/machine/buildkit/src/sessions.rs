//! Sessions: connections over which a client lends us its files, secrets and agents.
//!
//! A build names its session, which may be a moment away: [`Sessions::wait`] gives it that moment. A
//! session ends with its connection; who still uses it gets errors.

use crate::rpc::client::{self, Channel, Metadata, Requests, Responses};
use crate::rpc::{Code, Status};
use http::HeaderMap;
use prost::Message;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;

/// How long a build waits for the session it names.
const PATIENCE: Duration = Duration::from_secs(10);
/// Sessions at the same time.
const SESSION_LIMIT: usize = 1000;
/// Methods that one session announces.
const METHOD_LIMIT: usize = 1000;

/// The header with a session's id.
pub const ID_HEADER: &str = "x-docker-expose-session-uuid";
/// The header by which contexts that belong together are told from others.
const SHARED_KEY_HEADER: &str = "x-docker-expose-session-sharedkey";
/// The header that is repeated for every method the client answers.
const METHOD_HEADER: &str = "x-docker-expose-session-grpc-method";

/// What a client lends.
#[derive(Debug)]
pub struct Session {
    /// Contexts synchronised with the same key are versions of one another.
    pub shared_key: String,
    methods: HashSet<String>,
    channel: Channel,
}

/// All that are open.
#[derive(Debug, Default)]
pub struct Sessions {
    open: Mutex<HashMap<String, Arc<Session>>>,
    changed: Notify,
}

impl Sessions {
    /// Serves a session until its connection ends.
    pub async fn serve<I>(&self, io: I, headers: &HeaderMap) -> Result<(), Status>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let id = text(ID_HEADER).filter(|id| !id.is_empty()).ok_or_else(|| {
            Status::new(Code::InvalidArgument, format!("the header {ID_HEADER} is missing"))
        })?;
        let methods = headers.get_all(METHOD_HEADER).iter().take(METHOD_LIMIT);
        let methods = methods.filter_map(|value| value.to_str().ok());
        let methods = methods.map(str::to_ascii_lowercase).collect();
        let (channel, driven) = client::connect(io).await?;
        let session = Arc::new(Session {
            shared_key: text(SHARED_KEY_HEADER).unwrap_or_default().to_owned(),
            methods,
            channel,
        });
        {
            let mut open = self.lock();
            if open.len() >= SESSION_LIMIT {
                let text = format!("there are {SESSION_LIMIT} sessions already");
                return Err(Status::new(Code::ResourceExhausted, text));
            }
            if open.contains_key(id) {
                let text = format!("there is a session {id} already");
                return Err(Status::new(Code::AlreadyExists, text));
            }
            open.insert(id.to_owned(), Arc::clone(&session));
        }
        let _registered = Registered { sessions: self, id };
        self.changed.notify_waiters();
        driven.await;
        Ok(())
    }

    /// The session of this id, if it is there or comes soon.
    pub async fn wait(&self, id: &str) -> Result<Arc<Session>, Status> {
        let search = async {
            loop {
                let changed = self.changed.notified();
                let mut changed = std::pin::pin!(changed);
                changed.as_mut().enable();
                if let Some(session) = self.lock().get(id) {
                    return Arc::clone(session);
                }
                changed.await;
            }
        };
        let missing = |_| Status::new(Code::NotFound, format!("no active session for {id}"));
        tokio::time::timeout(PATIENCE, search).await.map_err(missing)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.open.lock().unwrap_or_else(|error| error.into_inner())
    }
}

/// Takes the session out of the list however its serving ends.
struct Registered<'a> {
    sessions: &'a Sessions,
    id: &'a str,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.sessions.lock().remove(self.id);
    }
}

impl Session {
    /// Says whether the client answers a method.
    pub fn supports(&self, path: &str) -> bool {
        self.methods.contains(&path.to_ascii_lowercase())
    }

    /// One question, one answer.
    pub async fn unary<M: Message + Default>(
        &self,
        path: &str,
        request: &impl Message,
    ) -> Result<M, Status> {
        self.channel.unary(path, request).await
    }

    /// Begins a call with streams both ways.
    pub async fn open(
        &self,
        path: &str,
        metadata: Metadata,
    ) -> Result<(Requests, Responses), Status> {
        if !self.supports(path) {
            let text = format!("the client does not offer {path}");
            return Err(Status::new(Code::Unimplemented, text));
        }
        self.channel.open(path, metadata).await
    }
}

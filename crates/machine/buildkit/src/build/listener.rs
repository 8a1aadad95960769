//! What a worker says goes into the build's status; what it asks, the client's session answers.

use crate::content;
use crate::jobs::{Begun, Job};
use crate::outbox::Outbox;
use crate::rpc::{Code, Status};
use crate::sessions::Session;
use crate::status::Dockerfile;
use crate::tunnel;
use crate::wire::Empty;
use crate::wire::session::{
    CheckAgentRequest, CredentialsRequest, CredentialsResponse, GetSecretRequest, GetSecretResponse,
};
use crate::worker::Listener;
use http::{HeaderName, HeaderValue};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use teu_builder::Event;
use teu_builder::worker::{Found, Question};
use teu_oci::Digest;
use tokio::net::UnixListener;
use tokio::task::JoinSet;

const GET_SECRET: &str = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
const CHECK_AGENT: &str = "/moby.sshforward.v1.SSH/CheckAgent";
const FORWARD_AGENT: &str = "/moby.sshforward.v1.SSH/ForwardAgent";
const CREDENTIALS: &str = "/moby.filesync.v1.Auth/Credentials";
const AGENT_ID: HeaderName = HeaderName::from_static("buildkit.ssh.id");
/// Connections to one agent at the same time.
const AGENT_CONNECTION_LIMIT: usize = 64;

/// The client of one build.
pub struct Client<'a> {
    job: &'a Job,
    session: Arc<Session>,
    dockerfile: Option<&'a Dockerfile>,
    outbox: &'a Outbox,
    /// Sockets of agents, and who serves them; they end with the build.
    agents: Mutex<Agents>,
}

#[derive(Default)]
struct Agents {
    sockets: Vec<(String, PathBuf)>,
    tasks: JoinSet<()>,
}

impl<'a> Client<'a> {
    pub fn new(
        job: &'a Job,
        begun: &Begun,
        dockerfile: Option<&'a Dockerfile>,
        outbox: &'a Outbox,
    ) -> Self {
        let session = Arc::clone(&begun.session);
        Self { job, session, dockerfile, outbox, agents: Mutex::default() }
    }

    async fn secret(&self, id: String) -> Result<Found, Status> {
        if !self.session.supports(GET_SECRET) {
            return Ok(Found::Nothing);
        }
        let answer = self.session.unary(GET_SECRET, &GetSecretRequest { id }).await;
        match answer {
            Ok(GetSecretResponse { data }) => Ok(Found::Secret(data)),
            Err(status) if status.is(Code::NotFound) => Ok(Found::Nothing),
            Err(status) => Err(status),
        }
    }

    async fn credentials(&self, registry: String) -> Result<Found, Status> {
        if !self.session.supports(CREDENTIALS) {
            return Ok(Found::Nothing);
        }
        // The name under which clients keep the login of the default registry.
        let host = match registry.as_str() {
            "docker.io" => "registry-1.docker.io".to_owned(),
            _ => registry,
        };
        let answer = self.session.unary(CREDENTIALS, &CredentialsRequest { host }).await?;
        let CredentialsResponse { username, secret } = answer;
        if username.is_empty() && secret.is_empty() {
            return Ok(Found::Nothing);
        }
        Ok(Found::Credentials { username, secret })
    }

    async fn agent(&self, id: String) -> Result<Found, Status> {
        if !self.session.supports(CHECK_AGENT) {
            return Ok(Found::Nothing);
        }
        let known = |agents: &Agents| {
            agents.sockets.iter().find(|(known, _)| *known == id).map(|(_, path)| path.clone())
        };
        if let Some(path) = known(&self.agents()) {
            return Ok(Found::Agent(path));
        }
        let request = CheckAgentRequest { id: id.clone() };
        match self.session.unary::<Empty>(CHECK_AGENT, &request).await {
            Ok(Empty {}) => {}
            Err(status) if status.is(Code::Unavailable) => return Err(status),
            // However a client says it: there is no such agent, and not every step needs one.
            Err(_) => return Ok(Found::Nothing),
        }
        let mut agents = self.agents();
        let path = self.outbox.join(&format!("agent-{}", agents.sockets.len()));
        let listener = UnixListener::bind(&path).map_err(|error| {
            Status::new(Code::Unknown, format!("cannot listen at {}: {error}", path.display()))
        })?;
        let session = Arc::clone(&self.session);
        agents.tasks.spawn(forward(listener, session, id.clone()));
        agents.sockets.push((id, path.clone()));
        Ok(Found::Agent(path))
    }

    async fn content(&self, store: &str, digest: &Digest) -> Result<Found, Status> {
        let path = self.outbox.join(&format!("content-{}", digest.hex()));
        if path.exists() || content::fetch(&self.session, store, digest, &path).await? {
            return Ok(Found::File(path));
        }
        Ok(Found::Nothing)
    }

    fn agents(&self) -> std::sync::MutexGuard<'_, Agents> {
        self.agents.lock().unwrap_or_else(|error| error.into_inner())
    }
}

impl Listener for Client<'_> {
    fn event(&self, event: Event) {
        // What is written only to be sent is shown as it is sent.
        let sent_later = ["exporting to tar", "exporting to client directory"];
        if matches!(&event, Event::Started(step) if sent_later.contains(&step.name.as_str())) {
            return;
        }
        self.job.log.event(&event, self.dockerfile);
    }

    async fn answer(&self, question: Question) -> Found {
        let found = match question {
            Question::Secret(id) => self.secret(id).await,
            Question::Agent(id) => self.agent(id).await,
            Question::Credentials(registry) => self.credentials(registry).await,
            Question::Content { store, digest } => self.content(&store, &digest).await,
        };
        found.unwrap_or_else(|status| Found::Error(status.message))
    }
}

/// Joins every connection to an agent's socket with the client's agent.
async fn forward(listener: UnixListener, session: Arc<Session>, id: String) {
    let mut connections = JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        if connections.len() >= AGENT_CONNECTION_LIMIT {
            continue;
        }
        let (session, id) = (Arc::clone(&session), id.clone());
        connections.spawn(async move {
            let Ok(value) = HeaderValue::from_str(&id) else { return };
            let call = session.open(FORWARD_AGENT, vec![(AGENT_ID, value)]).await;
            if let Ok((requests, responses)) = call {
                // A connection that breaks is the agent's client's to notice.
                let _ = tunnel::join(requests, responses, connection).await;
            }
        });
    }
}

//! One upstream: how it is spoken to, how long its word is good for, and what is known of it.

use super::{Failure, Outside, Remembered, Turns, UpstreamError};
use crate::config::UpstreamConfig;
use crate::name::Name;
use crate::problem::Problem;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use teu_images::remote::{
    Client, CredentialSource, Credentials, Fixed, Purpose, Registries, RemoteConfig, Repository,
    RetryPolicy, Timeouts, Trust,
};
use teu_oci::image::Descriptor;
use teu_oci::{Digest, Reference};

/// Before a tag is asked for again.
const TAG_LIFE: Duration = Duration::from_secs(300);
/// For which what is not there is not asked for again.
const ABSENT_LIFE: Duration = Duration::from_secs(10);
/// What nobody has asked for so long goes.
const UNUSED_AGE: Duration = Duration::from_secs(30 * 24 * 3600);
/// For which an upstream that could not be reached is not asked again.
const GONE_LIFE: Duration = Duration::from_secs(10);
/// For which a repository's session (its credentials, its token) is used.
const SESSION_LIFE: Duration = Duration::from_secs(600);
/// Between the question about a tag and that for its digest.
const PROMISE_LIFE: Duration = Duration::from_secs(60);
/// Tags, absences; repositories; lists that are remembered.
const SMALL_ENTRIES: usize = 1 << 16;
const SESSIONS: usize = 1024;
const LISTS: usize = 64;
/// Bytes of a password.
const PASSWORD_BYTES: u64 = 64 << 10;

/// Somebody waits: less patient than a command line.
const TIMEOUTS: Timeouts = Timeouts {
    resolve: Duration::from_secs(5),
    connect: Duration::from_secs(5),
    stall: Duration::from_secs(30),
};
const RETRIES: RetryPolicy = RetryPolicy {
    attempts: 2,
    first_wait: Duration::from_millis(250),
    longest_wait: Duration::from_secs(2),
    longest_asked: Duration::from_secs(5),
};

/// How long its word is good for, and how much of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Before a tag (or a list) is asked for again.
    pub tag_life: Duration,
    /// For which what is not there is not asked for again.
    pub absent_life: Duration,
    /// What nobody has asked for so long goes.
    pub unused_age: Duration,
    /// Bytes of all its content that are kept.
    pub quota_bytes: Option<u64>,
}

/// An upstream.
#[derive(Debug)]
pub struct Upstream {
    name: Name,
    registry: String,
    client: Client,
    rules: Rules,
    memory: Mutex<Memory>,
    /// One question at a time about the same thing.
    pub turns: Turns,
}

/// What need not survive: after a restart it is asked again.
#[derive(Debug)]
struct Memory {
    repositories: Remembered<Name, Repository>,
    fresh: Remembered<(Name, String), ()>,
    absent: Remembered<(Name, String), Problem>,
    /// Tags of manifests that were asked about and not fetched yet: Docker asks what a tag leads to,
    /// and then for the digest.
    promised: Remembered<(Name, Digest), String>,
    tags: Remembered<Name, Arc<Vec<String>>>,
    referrers: Remembered<(Name, Digest), Arc<Vec<Descriptor>>>,
    gone: Option<(Instant, Problem)>,
}

impl Upstream {
    /// Puts the settings together; connects to nothing.
    pub fn of(settings: &UpstreamConfig, outside: &Outside) -> Result<Self, UpstreamError> {
        let UpstreamConfig { name, registry, .. } = settings;
        let Some(prefix) = Name::parse(name) else {
            return Err(UpstreamError::Name(name.clone()));
        };
        let is_host = !registry.is_empty() && !registry.contains(['/', '@', ' ', '"', '\\']);
        if !is_host {
            let (name, registry) = (name.clone(), registry.clone());
            return Err(UpstreamError::Registry { name, registry });
        }
        let authorities = settings.authorities.as_deref();
        if let Some(path) = authorities {
            readable(name, path)?;
        }
        let bundle = authorities.map(Path::to_path_buf).or_else(|| outside.trust.bundle.clone());
        let client = Client::new(RemoteConfig {
            registries: Registries::only(registry, settings.location.as_deref(), settings.insecure),
            credentials: credentials(settings, outside)?,
            trust: Trust { bundle, directories: outside.trust.directories.clone() },
            proxies: outside.proxies.clone(),
            timeouts: TIMEOUTS,
            retries: RETRIES,
            ..RemoteConfig::default()
        });
        let seconds = |value: Option<u64>, usual| value.map_or(usual, Duration::from_secs);
        let rules = Rules {
            tag_life: seconds(settings.tag_seconds, TAG_LIFE),
            absent_life: seconds(settings.absent_seconds, ABSENT_LIFE),
            unused_age: seconds(settings.unused_seconds, UNUSED_AGE),
            quota_bytes: settings.quota_bytes,
        };
        let memory = Memory {
            repositories: Remembered::new(SESSIONS, SESSION_LIFE),
            fresh: Remembered::new(SMALL_ENTRIES, rules.tag_life),
            absent: Remembered::new(SMALL_ENTRIES, rules.absent_life),
            promised: Remembered::new(SMALL_ENTRIES, PROMISE_LIFE),
            tags: Remembered::new(LISTS, rules.tag_life),
            referrers: Remembered::new(LISTS, rules.tag_life),
            gone: None,
        };
        let (registry, memory) = (registry.clone(), Mutex::new(memory));
        Ok(Self { name: prefix, registry, client, rules, memory, turns: Turns::default() })
    }

    /// Its name here.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Whose names it has: `docker.io`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Its rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of its repositories, connected. Blocks.
    pub fn repository(&self, name: &Name, there: &str) -> Result<Repository, Failure> {
        if let Some(known) = self.memory().repositories.get(name, Instant::now()) {
            return Ok(known.clone());
        }
        let reference = Reference {
            registry: self.registry.clone(),
            repository: there.to_owned(),
            tag: Some(teu_oci::reference::DEFAULT_TAG.to_owned()),
            digest: None,
        };
        let connected = self.client.repository(&reference, Purpose::Read);
        let connected = connected.map_err(|error| self.failed(error))?;
        self.memory().repositories.put(name.clone(), connected.clone(), Instant::now());
        Ok(connected)
    }

    /// What an error of its client means; remembers where it is gone.
    pub fn failed(&self, error: teu_images::remote::RemoteError) -> Failure {
        let failure = Failure::of(&self.registry, error);
        if let Failure::Gone(problem) = &failure {
            self.memory().gone = Some((Instant::now(), problem.clone()));
        }
        failure
    }

    /// It answered.
    pub fn is_back(&self) {
        self.memory().gone = None;
    }

    /// It could not be reached a moment ago.
    pub fn gone(&self) -> Option<Problem> {
        let memory = self.memory();
        let (since, problem) = memory.gone.as_ref()?;
        (since.elapsed() < GONE_LIFE).then(|| problem.clone())
    }

    /// The tag leads where it says here, and that was asked not long ago.
    pub fn is_fresh(&self, name: &Name, tag: &str) -> bool {
        self.memory().fresh.get(&(name.clone(), tag.to_owned()), Instant::now()).is_some()
    }

    /// It was asked now.
    pub fn set_fresh(&self, name: &Name, tag: &str) {
        self.memory().fresh.put((name.clone(), tag.to_owned()), (), Instant::now());
    }

    /// It said not long ago that this is not there.
    pub fn absent(&self, name: &Name, what: &str) -> Option<Problem> {
        self.memory().absent.get(&(name.clone(), what.to_owned()), Instant::now()).cloned()
    }

    /// It says that this is not there.
    pub fn set_absent(&self, name: &Name, what: &str, problem: Problem) {
        self.memory().absent.put((name.clone(), what.to_owned()), problem, Instant::now());
    }

    /// A tag leads to a manifest that is not here yet.
    pub fn promise(&self, name: &Name, digest: &Digest, tag: &str) {
        let key = (name.clone(), digest.clone());
        self.memory().promised.put(key, tag.to_owned(), Instant::now());
    }

    /// The tag that a manifest was asked about by.
    pub fn promised(&self, name: &Name, digest: &Digest) -> Option<String> {
        self.memory().promised.get(&(name.clone(), digest.clone()), Instant::now()).cloned()
    }

    /// Its tags, if they were asked for not long ago.
    pub fn known_tags(&self, name: &Name) -> Option<Arc<Vec<String>>> {
        self.memory().tags.get(name, Instant::now()).cloned()
    }

    /// Its tags as of now.
    pub fn set_tags(&self, name: &Name, tags: Arc<Vec<String>>) {
        self.memory().tags.put(name.clone(), tags, Instant::now());
    }

    /// Who is about a digest, if that was asked not long ago.
    pub fn known_referrers(&self, name: &Name, digest: &Digest) -> Option<Arc<Vec<Descriptor>>> {
        self.memory().referrers.get(&(name.clone(), digest.clone()), Instant::now()).cloned()
    }

    /// Who is about a digest as of now.
    pub fn set_referrers(&self, name: &Name, digest: &Digest, found: Arc<Vec<Descriptor>>) {
        self.memory().referrers.put((name.clone(), digest.clone()), found, Instant::now());
    }
}

fn readable(name: &str, path: &Path) -> Result<u64, UpstreamError> {
    let found = std::fs::metadata(path);
    found.map(|found| found.len()).map_err(|source| UpstreamError::File {
        name: name.to_owned(),
        path: path.to_path_buf(),
        source,
    })
}

fn credentials(
    settings: &UpstreamConfig,
    outside: &Outside,
) -> Result<Box<dyn CredentialSource>, UpstreamError> {
    match (&settings.username, &settings.password_file) {
        (Some(username), Some(path)) => {
            let wrong = |source| {
                let (name, path) = (settings.name.clone(), path.clone());
                UpstreamError::File { name, path, source }
            };
            if readable(&settings.name, path)? > PASSWORD_BYTES {
                return Err(wrong(std::io::ErrorKind::FileTooLarge.into()));
            }
            let password = std::fs::read_to_string(path).map_err(wrong)?;
            let password = password.trim_end_matches(['\r', '\n']);
            Ok(Box::new(Fixed(Credentials::of(username, password))))
        }
        (None, None) => match &outside.logins {
            Some(logins) => Ok(Box::new(logins.clone())),
            None => Ok(Box::new(Fixed::default())),
        },
        _ => Err(UpstreamError::Password(settings.name.clone())),
    }
}

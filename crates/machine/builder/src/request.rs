//! What a person asks of a build, resolved by the command line: no environment variable, home or
//! working directory is looked up here.

use crate::solve::cancel::Cancel;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use teu_images::Store;
pub use teu_images::remote::WebFile;
use teu_images::transfer::{Sink, Source};
use teu_oci::runtime::{Resources, Rlimit};
use teu_oci::{Digest, Platform, Reference};

pub mod annotation;
pub mod attest;
pub mod cache;
pub mod output;

pub use attest::{Attest, Detail as AttestDetail};
pub use cache::{CachePlace, CacheSource, CacheTarget};
pub use output::{Destination, Output};

/// Everything one `teu build` was asked for.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildRequest {
    /// The files `COPY` and `ADD` see.
    pub context: ContextSource,
    /// The Dockerfile.
    pub dockerfile: DockerfileSource,
    /// Stage to build, by name or number; the last one when empty.
    pub target: Option<String>,
    /// The contexts' directories hold only what their `.dockerignore` lets through: whoever sent the
    /// files has applied it.
    pub contexts_are_filtered: bool,
    /// `--build-arg`, in order; a bare `NAME` has been resolved (or left out) by the caller.
    pub build_args: Vec<(String, String)>,
    /// `--secret`
    pub secrets: Vec<Secret>,
    /// `--ssh`
    pub ssh: Vec<SshAgent>,
    /// `--label`
    pub labels: BTreeMap<String, String>,
    /// `--annotation`: of the manifest, or of what stands before a colon (`index:KEY`).
    pub annotations: BTreeMap<String, String>,
    /// `--attest`, `--provenance`, `--sbom`
    pub attest: Attest,
    /// `-t`
    pub tags: Vec<Reference>,
    /// The image's tags are pushed once it is in the store.
    pub push: bool,
    /// `--output`; empty for the store.
    pub outputs: Vec<Output>,
    /// `--platform`: the host's when empty. Of several the result is an index.
    pub platforms: Vec<Platform>,
    /// `--build-context name=…`
    pub build_contexts: Vec<(String, NamedContext)>,
    /// `--cache-from`
    pub cache_from: Vec<CacheSource>,
    /// `--cache-to`
    pub cache_to: Vec<CacheTarget>,
    /// `--no-cache`: no step is taken from the cache.
    pub no_cache: bool,
    /// `--no-cache-filter`: nor are those of these stages.
    pub no_cache_filter: Vec<String>,
    /// `--network`: of `RUN` steps that do not say.
    pub network: NetworkMode,
    /// `--add-host name:address`
    pub add_hosts: Vec<(String, String)>,
    /// `--shm-size`; 0 for 64 MiB.
    pub shm_size_bytes: u64,
    /// `--ulimit`
    pub rlimits: Vec<Rlimit>,
    /// `--memory`, `--cpu-…`: of each `RUN` step.
    pub resources: Resources,
    /// `--cgroup-parent`
    pub cgroup_parent: Option<String>,
    /// `--allow`
    pub entitlements: Vec<Entitlement>,
    /// `SOURCE_DATE_EPOCH`: later times in layers become this one, and the image was created then.
    /// A build argument of that name wins.
    pub source_date_epoch: Option<i64>,
    /// `--squash`: one layer above the base.
    pub squash: bool,
    /// `--iidfile`
    pub iidfile: Option<PathBuf>,
    /// `--metadata-file`
    pub metadata_file: Option<PathBuf>,
    /// `--pull`: base images are looked up at their registry even when they are here.
    pub pull: bool,
    /// `--check`: parse, plan and warn, then stop.
    pub check_only: bool,
    /// Steps running at the same time; 0 for the number of processors, or two.
    pub parallelism: usize,
}

/// What the build works with.
#[derive(Debug)]
pub struct Environment<'a> {
    /// Base images come from here, layers and images go there.
    pub images: &'a Store,
    /// Cache records, cache mounts, stat cache: `<data>/build`. Made when missing.
    pub state: &'a Path,
    /// How a step's process is started: program and first arguments, such as
    /// `["/proc/self/exe", "build-step"]`; it must call [`crate::build_step`].
    pub step_command: Vec<String>,
    /// Joins a build's network namespace to the default network, when a step first needs it.
    /// `None` when there is no such network: steps then have loopback only.
    pub network: Option<&'a (dyn NetworkAttach + Sync)>,
    /// Name of this instance (`Home::instance`), for cgroups.
    pub instance: String,
    /// Bytes of layers the cache may keep; the least recently used go first. 0 for no limit.
    pub cache_budget_bytes: u64,
    /// Where secrets and agents are that the request itself does not bring.
    pub vault: Option<&'a (dyn Vault + Sync)>,
    /// Fetches base images that are not in the store, and files by URL. `None`: they are errors.
    pub outside: Option<&'a (dyn Outside + Sync)>,
    /// Raised by somebody else to give the build up.
    pub cancel: Option<Arc<Cancel>>,
}

/// How the builder reaches registries and web servers without knowing about either.
pub trait Outside: fmt::Debug {
    /// Brings an image into the store, or up to date there.
    fn pull(
        &self,
        name: &Reference,
        platform: &Platform,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;

    /// Sends an image of the store to its registry.
    fn push(&self, name: &Reference) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;

    /// Reads what a registry has under a name, whatever it is: a build's cache.
    fn source(
        &self,
        name: &Reference,
    ) -> Result<Box<dyn Source + Send>, Box<dyn std::error::Error + Send + Sync>>;

    /// Writes to a registry under a name.
    fn sink(
        &self,
        name: &Reference,
    ) -> Result<Box<dyn Sink>, Box<dyn std::error::Error + Send + Sync>>;

    /// Opens a file for `ADD`.
    fn get(&self, url: &str) -> Result<WebFile, Box<dyn std::error::Error + Send + Sync>>;
}

/// What a step may need and nobody has sent yet: asked for at the moment the step starts.
pub trait Vault: fmt::Debug {
    /// A secret's value; `None` if there is none of that id.
    fn secret(&self, id: &str)
    -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>>;

    /// An agent's socket; `None` if there is none of that id.
    fn agent(&self, id: &str) -> Result<Option<PathBuf>, Box<dyn std::error::Error + Send + Sync>>;

    /// A file with content of one of the client's stores, by digest, not checked; `None` if there is
    /// none.
    fn content(
        &self,
        _store: &str,
        _digest: &Digest,
    ) -> Result<Option<PathBuf>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(None)
    }
}

/// How the builder reaches a network without knowing about networks: one namespace serves all steps
/// of a build.
pub trait NetworkAttach: fmt::Debug {
    /// Connects the namespace (known to the network as `id`) and says what goes into
    /// `resolv.conf` of the steps.
    fn attach(
        &self,
        id: &str,
        netns: std::os::fd::BorrowedFd<'_>,
    ) -> Result<Attached, Box<dyn std::error::Error + Send + Sync>>;

    /// Gives everything back.
    fn detach(&self, id: &str);
}

/// What a step needs to know of its network.
#[derive(Debug, Clone, Default)]
pub struct Attached {
    /// Content of `/etc/resolv.conf`.
    pub resolv_conf: String,
}

/// Where the context's files are.
#[derive(Default, Serialize, Deserialize)]
pub enum ContextSource {
    /// None: only heredocs and other stages can be copied (`docker build - < Dockerfile`).
    #[default]
    Empty,
    /// A directory.
    Directory(PathBuf),
    /// A file with what a stream has.
    Archive(PathBuf),
    /// A tar (plain, gzip or zstd), or a Dockerfile alone: decided by its first bytes, as Docker
    /// does for `docker build -`. Cannot be sent to another process.
    #[serde(skip)]
    Stream(Box<dyn Read + Send + Sync>),
}

impl fmt::Debug for ContextSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Directory(path) => f.debug_tuple("Directory").field(path).finish(),
            Self::Archive(path) => f.debug_tuple("Archive").field(path).finish(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// Where the Dockerfile is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DockerfileSource {
    /// `Dockerfile` at the context's root.
    #[default]
    Default,
    /// Path as given to `-f`: looked up on the host first, then in the context.
    Path(PathBuf),
    /// Path in the context, and only there; links are followed within it.
    Within(PathBuf),
    /// Read by the caller (`-f -`).
    Bytes(Vec<u8>),
    /// Read by the caller, who knows what it is called.
    Named {
        /// What errors call it.
        name: String,
        /// Its bytes.
        text: Vec<u8>,
    },
}

/// `--build-context name=…`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NamedContext {
    /// A directory of the host.
    Directory(PathBuf),
    /// `docker-image://…`
    Image(String),
}

/// One `--secret`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// What `--mount=type=secret,id=` asks for.
    pub id: String,
    /// Where it is.
    pub source: SecretSource,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Where a secret is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_debug_implementations, reason = "a secret is never printed")]
pub enum SecretSource {
    /// A file, read when the step starts.
    File(PathBuf),
    /// Bytes, from a variable of the caller's environment.
    Value(Vec<u8>),
}

/// One `--ssh`: the agent's socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshAgent {
    /// `default`, or what `--mount=type=ssh,id=` asks for.
    pub id: String,
    /// Socket of an agent on the host.
    pub socket: PathBuf,
}

/// The network of a `RUN` step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkMode {
    /// The build's own namespace on the default network.
    #[default]
    Default,
    /// Loopback only.
    None,
    /// The host's.
    Host,
}

/// What steps may ask for only when the person allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entitlement {
    /// `network.host`
    NetworkHost,
    /// `security.insecure`
    SecurityInsecure,
}

impl BuildRequest {
    /// What is built for: every platform once, this machine's where none is asked for.
    pub fn targets(&self) -> Vec<Platform> {
        let mut targets: Vec<Platform> = Vec::new();
        for platform in &self.platforms {
            if !targets.contains(platform) {
                targets.push(platform.clone());
            }
        }
        if targets.is_empty() {
            targets.push(Platform::host());
        }
        targets
    }

    /// True if `entitlement` was given, or follows from the request.
    pub fn allows(&self, entitlement: Entitlement) -> bool {
        self.entitlements.contains(&entitlement)
            || (entitlement == Entitlement::NetworkHost && self.network == NetworkMode::Host)
    }
}

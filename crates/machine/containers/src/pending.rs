//! Signatures whose bodies are being written; each moves to its module when it works.

use crate::copy::{CopyOut, PathStat, TarStream};
use crate::create::{CreateRequest, Created};
use crate::events::{Event, EventOptions};
use crate::exec::{ExecRequest, ExecStreams, Execution};
use crate::lifecycle::{Attach, Remove, Session, Stop, Update, WaitFor};
use crate::list::{ListOptions, PodSummary, PortBinding, Summary};
use crate::logs::{LogLines, LogOptions};
use crate::record::network::EndpointRecord;
use crate::record::{ContainerRecord, PodRecord};
use crate::state::ContainerState;
use crate::stats::Stats;
use crate::{Containers, Error, Result};
use std::io::Read;
use std::path::{Path, PathBuf};
use teu_oci::Digest;
use teu_oci::Reference;

/// A container found by name, id or unique prefix of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its record.
    pub record: ContainerRecord,
    /// Its pod's.
    pub pod: PodRecord,
    /// Where it is.
    pub state: ContainerState,
}

/// `top`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Processes {
    /// Column heads.
    pub titles: Vec<String>,
    /// A row for each process.
    pub rows: Vec<Vec<String>>,
}

/// A path that differs from the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `A`, `C` or `D`.
    pub kind: char,
    /// Absolute.
    pub path: PathBuf,
}

/// `commit`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitRequest {
    /// Names of the new image.
    pub names: Vec<Reference>,
    /// Who made it.
    pub author: Option<String>,
    /// Why.
    pub message: Option<String>,
    /// Dockerfile instructions (`CMD …`, `ENV …`).
    pub changes: Vec<String>,
    /// The container stands still meanwhile.
    pub pause: bool,
}

/// How `cp` behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyOptions {
    /// `-L`: the source's last component may be a link that is followed.
    pub follow_link: bool,
    /// `-a`: owners are kept.
    pub archive: bool,
}

/// What was removed by a `prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Ids or names.
    pub removed: Vec<String>,
    /// Bytes given back.
    pub reclaimed_bytes: u64,
}

/// Disk use of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeUsage {
    /// Which.
    pub volume: teu_volumes::Volume,
    /// Names of the containers that use it.
    pub containers: Vec<String>,
    /// Bytes on disk.
    pub size_bytes: u64,
}

fn pending<T>() -> Result<T> {
    Err(Error::NoSuchContainer("(not written yet)".to_owned()))
}

#[expect(unused_variables, reason = "bodies follow")]
impl Containers {
    /// The container of that name, id or unique prefix of an id.
    pub fn find(&self, name: &str) -> Result<Found> {
        pending()
    }
    /// Makes a container, with a pod of its own or in one.
    pub fn create(&self, request: CreateRequest) -> Result<Created> {
        pending()
    }
    /// Starts it; with streams, they are connected before it runs. The session can wait.
    pub fn start(&self, name: &str, attach: Attach) -> Result<Session> {
        pending()
    }
    /// Connects streams to a running container.
    pub fn attach(&self, name: &str, attach: Attach) -> Result<Session> {
        pending()
    }
    /// Ends it, gently first.
    pub fn stop(&self, name: &str, stop: Stop) -> Result<()> {
        pending()
    }
    /// Stops it if it runs, and starts it.
    pub fn restart(&self, name: &str, stop: Stop) -> Result<()> {
        pending()
    }
    /// Sends a signal to its first process.
    pub fn kill(&self, name: &str, signal: i32) -> Result<()> {
        pending()
    }
    /// Freezes it.
    pub fn pause(&self, name: &str) -> Result<()> {
        pending()
    }
    /// Thaws it.
    pub fn unpause(&self, name: &str) -> Result<()> {
        pending()
    }
    /// Waits, and answers its exit code.
    pub fn wait(&self, name: &str, what: WaitFor) -> Result<i32> {
        pending()
    }
    /// Gives it another name.
    pub fn rename(&self, name: &str, new: &str) -> Result<()> {
        pending()
    }
    /// Changes limits or policy; answers warnings.
    pub fn update(&self, name: &str, update: &Update) -> Result<Vec<String>> {
        pending()
    }
    /// Removes it, and its pod if that was made for it.
    pub fn remove(&self, name: &str, remove: Remove) -> Result<()> {
        pending()
    }
    /// New size of its terminal.
    pub fn resize(&self, name: &str, rows: u16, columns: u16) -> Result<()> {
        pending()
    }
    /// Runs a further process.
    pub fn exec(
        &self,
        name: &str,
        request: &ExecRequest,
        streams: ExecStreams,
    ) -> Result<Execution> {
        pending()
    }
    /// `ps`.
    pub fn list(&self, options: &ListOptions) -> Result<Vec<Summary>> {
        pending()
    }
    /// Docker's `inspect` of a container; with `size`, `SizeRw` and `SizeRootFs`.
    pub fn inspect(&self, name: &str, size: bool) -> Result<serde_json::Value> {
        pending()
    }
    /// Published ports.
    pub fn port(&self, name: &str) -> Result<Vec<PortBinding>> {
        pending()
    }
    /// What it has written.
    pub fn logs(&self, name: &str, options: &LogOptions) -> Result<LogLines> {
        pending()
    }
    /// Its processes; `ps_args` as for ps(1), none for `-ef`.
    pub fn top(&self, name: &str, ps_args: &[String]) -> Result<Processes> {
        pending()
    }
    /// A sample of what running containers use (all when none is named).
    pub fn stats(&self, names: &[String]) -> Result<Vec<Stats>> {
        pending()
    }
    /// What it has changed in its root.
    pub fn diff(&self, name: &str) -> Result<Vec<Change>> {
        pending()
    }
    /// Its whole root as a tar.
    pub fn export(&self, name: &str) -> Result<TarStream> {
        pending()
    }
    /// An image of what it is now.
    pub fn commit(&self, name: &str, request: &CommitRequest) -> Result<Digest> {
        pending()
    }
    /// A tar of a path in it (`cp CONTAINER:PATH -`).
    pub fn copy_out(&self, name: &str, copy: &CopyOut) -> Result<(PathStat, TarStream)> {
        pending()
    }
    /// Unpacks a tar into a directory in it (`cp - CONTAINER:PATH`).
    pub fn copy_in(
        &self,
        name: &str,
        path: &str,
        tar: &mut dyn Read,
        options: CopyOptions,
    ) -> Result<()> {
        pending()
    }
    /// `cp CONTAINER:PATH LOCAL` with docker's path rules. Answers the bytes copied.
    pub fn copy_to_host(
        &self,
        name: &str,
        path: &str,
        local: &Path,
        options: CopyOptions,
    ) -> Result<u64> {
        pending()
    }
    /// `cp LOCAL CONTAINER:PATH` with docker's path rules. Answers the bytes copied.
    pub fn copy_to_container(
        &self,
        local: &Path,
        name: &str,
        path: &str,
        options: CopyOptions,
    ) -> Result<u64> {
        pending()
    }
    /// Joins a network.
    pub fn connect(&self, name: &str, endpoint: EndpointRecord) -> Result<()> {
        pending()
    }
    /// Leaves one.
    pub fn disconnect(&self, name: &str, network: &str) -> Result<()> {
        pending()
    }
    /// Removes containers that do not run; filters `until`, `label`, `label!`.
    pub fn prune(&self, filters: &[(String, String)]) -> Result<Pruned> {
        pending()
    }
    /// Makes an empty pod.
    pub fn create_pod(&self, pod: PodRecord) -> Result<Created> {
        pending()
    }
    /// Starts its containers; answers their ids.
    pub fn start_pod(&self, name: &str) -> Result<Vec<String>> {
        pending()
    }
    /// Stops them.
    pub fn stop_pod(&self, name: &str, stop: Stop) -> Result<()> {
        pending()
    }
    /// Signals them.
    pub fn kill_pod(&self, name: &str, signal: i32) -> Result<()> {
        pending()
    }
    /// Freezes them.
    pub fn pause_pod(&self, name: &str) -> Result<()> {
        pending()
    }
    /// Thaws them.
    pub fn unpause_pod(&self, name: &str) -> Result<()> {
        pending()
    }
    /// Stops and starts them.
    pub fn restart_pod(&self, name: &str, stop: Stop) -> Result<()> {
        pending()
    }
    /// Removes a pod and its containers.
    pub fn remove_pod(&self, name: &str, force: bool) -> Result<()> {
        pending()
    }
    /// `pod ps`; filters `id`, `name`, `status`, `label`.
    pub fn list_pods(&self, filters: &[(String, String)]) -> Result<Vec<PodSummary>> {
        pending()
    }
    /// podman's `pod inspect`.
    pub fn inspect_pod(&self, name: &str) -> Result<serde_json::Value> {
        pending()
    }
    /// The pod of that name, id or prefix, with the ids of its containers.
    pub fn find_pod(&self, name: &str) -> Result<(PodRecord, Vec<String>)> {
        pending()
    }
    /// Removes a volume that nobody uses.
    pub fn remove_volume(&self, name: &str) -> Result<()> {
        pending()
    }
    /// Removes anonymous volumes (with `all`, named ones too) that nobody uses.
    pub fn prune_volumes(&self, all: bool, filters: &[(String, String)]) -> Result<Pruned> {
        pending()
    }
    /// `volume ls`; filters `dangling`, `driver`, `label`, `name`.
    pub fn list_volumes(&self, filters: &[(String, String)]) -> Result<Vec<teu_volumes::Volume>> {
        pending()
    }
    /// Docker's `volume inspect`.
    pub fn inspect_volume(&self, name: &str) -> Result<serde_json::Value> {
        pending()
    }
    /// Who uses what, for `system df`.
    pub fn volume_usage(&self) -> Result<Vec<VolumeUsage>> {
        pending()
    }
    /// Images that containers were made from, with the containers' ids.
    pub fn images_in_use(&self) -> Result<Vec<(Digest, String)>> {
        pending()
    }
    /// What has happened and happens. Without `until`, `next` waits for ever.
    pub fn events(
        &self,
        options: &EventOptions,
    ) -> Result<Box<dyn Iterator<Item = Result<Event>>>> {
        pending()
    }
    /// Writes into the journal; of images and networks their commands do it.
    pub fn emit(&self, event: &Event) -> Result<()> {
        pending()
    }
    /// Finishes what killed commands and shims have left. Every command that changes something does
    /// this for what it touches; this does it for everything.
    pub fn repair(&self) -> Result<()> {
        pending()
    }
}

impl Session {
    /// Waits for the end, and answers the exit code.
    pub fn wait(self) -> Result<i32> {
        pending()
    }
}

impl Execution {
    /// Waits for the end, and answers the exit code.
    pub fn wait(self) -> Result<i32> {
        pending()
    }
}

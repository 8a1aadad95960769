//! What a container is to be, decided purely: records and facts in, an OCI specification out.
//!
//! Everything that has to be looked up (users, volumes, devices of the host, namespaces) is looked
//! up before and handed in as [`Facts`]; so Docker's rules (which capability, which mount wins, what
//! `--privileged` means) are tested as data, without a kernel. The shim acts on the result.

use crate::record::{ContainerRecord, PodRecord};
use std::collections::BTreeMap;
use std::path::PathBuf;
use teu_oci::runtime::{Spec, User};

/// What had to be looked up.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The user, resolved in the container's own files.
    pub user: User,
    /// The user's home, for `HOME`.
    pub user_home: String,
    /// Directories of the volumes that the record names.
    pub volumes: BTreeMap<String, PathBuf>,
    /// Namespaces of the pod or of other containers; absent ones are new or the host's.
    pub namespaces: Namespaces,
    /// The pod's `hosts`, `hostname`, `resolv.conf`: a folder with files of these names.
    pub files: PathBuf,
    /// The pod's `/dev/shm`, a path of a descriptor; `None` where the host's is used.
    pub shm: Option<String>,
    /// Device nodes of the host, for privileged containers.
    pub host_devices: Vec<teu_oci::runtime::Device>,
    /// Path of the container's cgroup.
    pub cgroup: String,
}

/// Paths of namespaces to join, `/proc/self/fd/N` or `/proc/<pid>/ns/…`.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "namespaces(7)")]
pub struct Namespaces {
    pub network: Option<String>,
    pub ipc: Option<String>,
    pub uts: Option<String>,
    pub pid: Option<String>,
    pub user: Option<String>,
}

/// Why a record cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither the image nor the person says what to run.
    #[error("no command specified: the image has none, give one after its name")]
    NoCommand,
}

/// Decides the whole specification of one container.
pub fn spec(_pod: &PodRecord, _container: &ContainerRecord, _facts: &Facts) -> Result<Spec, Error> {
    Err(Error::NoCommand)
}

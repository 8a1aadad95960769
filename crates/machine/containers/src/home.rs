//! Where one instance of Teu keeps what it knows: `data` outlives a reboot, `run` does not.
//!
//! Instances with different homes never see each other: not their containers, not their cgroups,
//! not their bridges (the network crate derives its names from [`Home::instance`]).

use std::path::{Path, PathBuf};

/// The two folders of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Images, volumes, records: kept.
    pub data: PathBuf,
    /// Sockets, locks, endpoints: gone with a reboot.
    pub run: PathBuf,
}

impl Home {
    /// The system's instance: `/var/lib/teu` and `/run/teu`.
    pub fn system() -> Self {
        Self { data: PathBuf::from("/var/lib/teu"), run: PathBuf::from("/run/teu") }
    }

    /// An instance wholly beneath one directory (`--root`). The path must be absolute.
    pub fn at(root: &Path) -> Self {
        Self { data: root.to_owned(), run: root.join("run") }
    }

    /// A short name that differs between homes: empty for the system's, else eight hex digits.
    pub fn instance(&self) -> String {
        if *self == Self::system() {
            return String::new();
        }
        let digest = teu_oci::Digest::sha256(self.data.as_os_str().as_encoded_bytes());
        digest.hex()[..8].to_owned()
    }

    /// The networks of this instance, wherever whoever runs it may make them.
    pub fn networks(&self) -> teu_network::Config {
        let config = teu_network::Config::new(&self.data, &self.run, &self.instance());
        teu_network::Config { site: crate::rootless::site(self), ..config }
    }

    /// Directory of a pod's lasting records.
    pub fn pod(&self, pod: &str) -> PathBuf {
        self.data.join("pods").join(pod)
    }

    /// Directory of a pod's socket and locks.
    pub fn pod_run(&self, pod: &str) -> PathBuf {
        self.run.join("pods").join(pod)
    }

    /// Directory of a container.
    pub fn container(&self, pod: &str, container: &str) -> PathBuf {
        self.pod(pod).join("containers").join(container)
    }

    /// Path of a pod's cgroup in every hierarchy. From the record alone, so that the next command
    /// finds what a killed shim left running; one level, since each costs a start its time.
    pub fn pod_cgroup(&self, pod: &crate::record::PodRecord) -> String {
        let parent = pod.cgroup_parent.as_deref().unwrap_or_default().trim_matches('/');
        match parent {
            "" => format!("/teu-{}", pod.id),
            parent => format!("/{parent}/teu-{}", pod.id),
        }
    }

    /// Path of a container's cgroup: the pod's own where the pod was made for it, else beneath.
    pub fn container_cgroup(&self, pod: &crate::record::PodRecord, container: &str) -> String {
        match pod.implicit {
            true => self.pod_cgroup(pod),
            false => format!("{}/{container}", self.pod_cgroup(pod)),
        }
    }

    /// Where directories are prepared and taken apart: published, and removed, by one rename.
    pub fn tmp(&self) -> PathBuf {
        self.data.join("tmp")
    }
}

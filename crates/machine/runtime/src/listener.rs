//! Handing the reporting descriptor of a seccomp filter to the agent that asked for it: runtime-spec,
//! "containerProcessState".

use crate::error::Error;
use crate::hooks::StateSeed;
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType,
};
use rustix::process::Pid;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::path::PathBuf;
use teu_oci::runtime::{Linux, Seccomp};

/// Where it goes, and what goes with it.
#[derive(Debug)]
pub struct Listener {
    path: PathBuf,
    metadata: String,
    seed: StateSeed,
}

impl Listener {
    /// Of a container, when its filter has one.
    pub fn new(linux: Option<&Linux>, seed: &StateSeed) -> Option<Self> {
        Self::of_filter(linux?.seccomp.as_ref()?, seed)
    }

    /// Of a process that is added to a container.
    pub fn for_exec(filter: &Seccomp) -> Option<Self> {
        let seed = StateSeed {
            id: String::new(),
            bundle: PathBuf::new(),
            annotations: std::collections::BTreeMap::new(),
        };
        Self::of_filter(filter, &seed)
    }

    fn of_filter(filter: &Seccomp, seed: &StateSeed) -> Option<Self> {
        Some(Self {
            path: filter.listener_path.as_ref()?.into(),
            metadata: filter.listener_metadata.clone().unwrap_or_default(),
            seed: seed.clone(),
        })
    }

    /// Sends the descriptor and the state of the process it reports about.
    pub fn send(&self, listener: &OwnedFd, pid: Pid) -> Result<(), Error> {
        let pid = pid.as_raw_nonzero().get();
        let state = serde_json::json!({
            "ociVersion": crate::OCI_VERSION,
            "fds": ["seccompFd"],
            "pid": pid,
            "metadata": self.metadata,
            "state": self.seed.state(pid, "creating"),
        });
        self.deliver(listener, &state.to_string()).map_err(|error| Error::Host {
            what: "cannot hand the seccomp listener to",
            path: self.path.clone(),
            source: error.into(),
        })
    }

    fn deliver(&self, listener: &OwnedFd, text: &str) -> rustix::io::Result<()> {
        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(&self.path)?)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = [listener.as_fd()];
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        let parts = [IoSlice::new(text.as_bytes())];
        rustix::net::sendmsg(&socket, &parts, &mut ancillary, SendFlags::NOSIGNAL).map(drop)
    }
}

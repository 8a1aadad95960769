//! The user's network namespace, where bridges and rules are: made when the first container wants a
//! network, held by the descriptors of those who do, gone with the last.

use super::members::Members;
use super::{Error, pasta};
use crate::Home;
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};
use teu_network::{Need, Site};
use teu_sys::process::CloneFlags;

/// What this process holds: there is one such namespace for a process, as there is one user.
static HELD: OnceLock<OwnedFd> = OnceLock::new();

/// The site of a home; `None` for root, who builds where it is.
pub(crate) fn site(home: &Home) -> Option<Arc<dyn Site>> {
    let wanted = teu_sys::namespace::is_own_user_namespace() && home.run.join("rootless").is_dir();
    wanted.then(|| Arc::new(Own { home: home.clone() }) as Arc<dyn Site>)
}

/// The user's network namespace, where this process has come to hold it.
pub(crate) fn here() -> Option<BorrowedFd<'static>> {
    HELD.get().map(AsFd::as_fd)
}

#[derive(Debug)]
struct Own {
    home: Home,
}

impl Site for Own {
    fn namespace(&self, need: Need) -> io::Result<OwnedFd> {
        if let Some(held) = HELD.get() {
            return held.try_clone();
        }
        let members = Members::lock(&self.home).map_err(io::Error::other)?;
        let found = members.find(super::members::Member::network);
        let namespace = match (found, need) {
            (Some(found), _) => found,
            // It went with its last holder, and all that was in it.
            (None, Need::Undo) => return make(),
            (None, Need::Build) => {
                let made = make()?;
                pasta::start(&members.folder, made.as_fd()).map_err(io::Error::other)?;
                made
            }
        };
        if need == Need::Undo {
            return Ok(namespace);
        }
        members.add(Some(namespace.as_raw_fd())).map_err(io::Error::other)?;
        // The lock keeps others out: nobody has been quicker.
        HELD.get_or_init(|| namespace).try_clone()
    }
}

fn make() -> io::Result<OwnedFd> {
    let namespace = teu_sys::namespace::aside(|| {
        teu_sys::namespace::unshare(CloneFlags::NEW_NET)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::open("/proc/thread-self/ns/net", flags, Mode::empty())
    })?;
    teu_network::loopback_up(namespace.as_fd()).map_err(io::Error::other)?;
    Ok(namespace)
}

/// Whether containers of this home find a way out of the user's network.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

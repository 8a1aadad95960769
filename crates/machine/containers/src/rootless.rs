//! Everything an ordinary user's Teu has in place of the machine's root.
//!
//! * **A user namespace**, in which the user is root and has the subordinate ids of `/etc/subuid` and
//!   `/etc/subgid` for all others. All processes of one home share one: a command joins that of
//!   whoever is there already ([`members`]), or makes it. No process stays only to hold it.
//! * **A mount namespace** of each process's own, so that it may mount at all.
//! * **A network namespace** of the user ([`site`]), where bridges, links and rules are made as root
//!   makes them on the machine. The processes themselves stay on the machine's network: ports are
//!   published from there (the shim relays them), and names are looked up there. `pasta`, where it is
//!   installed, is the way out.
//!
//! What differs below this is decided by `teu_sys::namespace::is_own_user_namespace` alone: overlays
//! with `userxattr`, control groups only where delegated. Everything else is what root does.
//!
//! The manual is `docs/rootless.md`.

mod enter;
mod ids;
mod members;
mod pasta;
mod site;

pub use enter::enter;
pub use ids::{Ids, Range};
pub use members::Membership;
pub(crate) use site::{here, site};

use std::path::PathBuf;

/// Why containers of this user reach nothing beyond the machine, where they do not.
pub(crate) fn no_way_out(home: &crate::Home) -> Option<String> {
    teu_sys::namespace::is_own_user_namespace().then(|| pasta::problem(&home.run)).flatten()
}

/// Why an ordinary user's instance cannot be entered.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("user {user} has no subordinate ids in {}: as root, run `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}` (with a range that nobody else has)", path.display())]
    NoIds { user: String, path: PathBuf },
    #[error("uid {uid} has no entry in /etc/passwd, so its subordinate ids cannot be found")]
    NoUser { uid: u32 },
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot {what} {}", path.display())]
    Folder {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "cannot make a user namespace (does the machine allow them to ordinary users? see user.max_user_namespaces and kernel.unprivileged_userns_clone in sysctl)"
    )]
    Namespace(#[source] rustix::io::Errno),
    #[error("cannot {what}")]
    System {
        what: &'static str,
        #[source]
        source: rustix::io::Errno,
    },
    #[error(
        "cannot map the subordinate ids with {program} (Debian's package uidmap has it): {problem}"
    )]
    Map { program: &'static str, problem: String },
}

//! Becoming root of a user namespace, in place: no second program, no process that stays.
//!
//! Maps of ids are written from outside, so a copy of this process waits there until the namespace is
//! made, runs `newuidmap` and `newgidmap`, and ends.

use super::members::{Members, Membership};
use super::{Error, Ids, ids};
use crate::Home;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, WaitId, WaitIdOptions};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use teu_sys::process::{CloneFlags, Forked, clone3, exit_now};

/// Longest message of a helper that is passed on.
const MESSAGE_LIMIT_BYTES: usize = 2048;

/// Brings the calling process, which has one thread, into the user's namespaces: those of another
/// process of this home, or new ones. The membership is kept as long as the process needs them.
///
/// # Errors
/// No subordinate ids, no helpers, or a machine that does not allow it.
pub fn enter(home: &Home) -> Result<Membership, Error> {
    let ids = Ids::of_caller()?;
    let members = Members::lock(home)?;
    match members.find(super::members::Member::user_namespace) {
        Some(namespace) => {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User))
                .map_err(|source| Error::System { what: "join the user's namespace", source })?;
        }
        None => {
            // Whoever made it was killed, and what it led to is gone.
            super::pasta::end(&members.folder);
            make(&ids)?;
        }
    }
    teu_sys::namespace::entered_user_namespace();
    teu_sys::namespace::unshare(CloneFlags::NEW_MOUNT)
        .map_err(|source| Error::System { what: "make a mount namespace", source })?;
    members.add(None)?;
    Ok(Membership::new(home))
}

fn make(ids: &Ids) -> Result<(), Error> {
    let system = |what| move |source| Error::System { what, source };
    let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(system("make a pipe"));
    let ((go, going), (told, tell)) = (pipe()?, pipe()?);
    let parent = rustix::process::getpid();
    let forked = clone3(CloneFlags::NONE, None).map_err(system("start a process"))?;
    let pidfd = match forked {
        Forked::Child => {
            drop((going, told));
            exit_now(helper(&go, &tell, parent, ids));
        }
        Forked::Parent { pidfd, .. } => pidfd,
    };
    drop((go, tell));
    let made = teu_sys::namespace::unshare(CloneFlags::NEW_USER);
    if made.is_ok() {
        let _ = rustix::io::write(&going, b"!");
    }
    // Without a word the helper does nothing, and ends.
    drop(going);
    let mut text = vec![0; MESSAGE_LIMIT_BYTES];
    let length = read(&told, &mut text);
    let _ = rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
    made.map_err(Error::Namespace)?;
    match text[..length].split_first() {
        Some((b'+', _)) => Ok(()),
        Some((kind, problem)) => Err(Error::Map {
            program: if *kind == b'u' { "newuidmap" } else { "newgidmap" },
            problem: String::from_utf8_lossy(problem).trim().to_owned(),
        }),
        None => Err(Error::Map { program: "newuidmap", problem: "it was ended".to_owned() }),
    }
}

/// Outside: waits for the namespace, maps its ids, says how that went.
fn helper(go: &OwnedFd, tell: &OwnedFd, parent: Pid, ids: &Ids) -> i32 {
    if read(go, &mut [0; 1]) != 1 {
        return 0;
    }
    let pid = parent.as_raw_nonzero().to_string();
    let run = |program: &'static str, words: Vec<String>| {
        let output = Command::new(program).arg(&pid).args(words).output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Err(error.to_string()),
        }
    };
    let outcome = run("newgidmap", ids::map(ids.gid, &ids.groups))
        .map_err(|problem| format!("g{problem}"))
        .and_then(|()| {
            run("newuidmap", ids::map(ids.uid, &ids.users)).map_err(|problem| format!("u{problem}"))
        });
    let text = outcome.map_or_else(|problem| problem, |()| "+".to_owned());
    let end = text.len().min(MESSAGE_LIMIT_BYTES);
    let _ = rustix::io::write(tell, &text.as_bytes()[..end]);
    0
}

fn read(from: &OwnedFd, into: &mut [u8]) -> usize {
    loop {
        match rustix::io::read(from, &mut *into) {
            Ok(length) => return length,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return 0,
        }
    }
}

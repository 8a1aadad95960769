//! Namespaces of the calling thread: left by `unshare(2)`, visited by a thread of their own, and which
//! user namespace this is. Joining them is in `rustix` (`rustix::thread`).

use crate::checked;
use crate::process::CloneFlags;
use rustix::io::Result;
use std::sync::atomic::{AtomicU8, Ordering};

/// Moves the calling thread into new namespaces (`SIBLING` is ignored; `NEW_PID` is for children).
///
/// # Errors
/// The kernel's: `EPERM`, or `ENOSPC` when there are too many.
pub fn unshare(flags: CloneFlags) -> Result<()> {
    // SAFETY: namespaces only. CLONE_FILES, which could take descriptors from other threads, cannot
    // be expressed by the type.
    checked(unsafe {
        libc::syscall(libc::SYS_unshare, flags.without(CloneFlags::SIBLING).bits())
    })?;
    Ok(())
}

/// Makes a new time namespace for the children of the calling thread; it may itself be joined
/// through `/proc/self/ns/time_for_children` once its offsets are written.
///
/// # Errors
/// As above.
pub fn unshare_time() -> Result<()> {
    const CLONE_NEWTIME: libc::c_int = 0x80;
    // SAFETY: numbers only.
    checked(unsafe { libc::syscall(libc::SYS_unshare, CLONE_NEWTIME) })?;
    Ok(())
}

/// Runs `work` in a thread of its own and waits for its end: what it enters, nobody has to leave.
pub fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| match scope.spawn(work).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// 0: not looked yet; 1: the machine's; 2: one of its own.
static USER_NAMESPACE: AtomicU8 = AtomicU8::new(0);

/// Whether this process is in another user namespace than the machine's first one: root there is
/// root of what was made there, and of nothing else. Looked up once, since it costs a file.
pub fn is_own_user_namespace() -> bool {
    match USER_NAMESPACE.load(Ordering::Relaxed) {
        0 => {
            let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
            let own = !is_whole(&map);
            USER_NAMESPACE.store(1 + u8::from(own), Ordering::Relaxed);
            own
        }
        known => known == 2,
    }
}

/// This process has just entered a user namespace.
pub fn entered_user_namespace() {
    USER_NAMESPACE.store(2, Ordering::Relaxed);
}

/// Every id stands for itself, which only the first namespace may say. Without `/proc` nobody can
/// tell, and nothing else works either.
fn is_whole(map: &str) -> bool {
    let words: Vec<&str> = map.split_whitespace().collect();
    words.is_empty() || words == ["0", "0", "4294967295"]
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_the_first_namespace_maps_everything_to_itself() {
        assert!(super::is_whole("         0          0 4294967295\n"));
        assert!(!super::is_whole("         0       1000          1\n1 100000 65536\n"));
    }
}

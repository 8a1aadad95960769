//! Visiting a network namespace.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Runs `visit` in a network namespace and comes back, whatever happened there. Only this thread
/// moves; sockets opened by `visit` belong to the namespace for ever.
///
/// An ordinary user's process, in a user namespace of its own, may enter namespaces that were made
/// there but not come back to the machine's: a thread of its own goes then, and ends there.
///
/// Coming back cannot fail short of a kernel that has lost its mind; then the process is in a place
/// where nothing it does is right, and it panics.
pub fn within<T: Send>(
    netns: BorrowedFd<'_>,
    visit: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    let home = own()?;
    let enter = |namespace: BorrowedFd<'_>| {
        move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))
    };
    if crate::namespace::is_own_user_namespace() && enter(home.as_fd()).is_err() {
        return crate::namespace::aside(|| {
            enter(netns)?;
            visit()
        });
    }
    enter(netns)?;
    let result = visit();
    enter(home.as_fd()).expect("a namespace that a thread came from takes it back");
    result
}

/// The calling thread's network namespace.
///
/// # Errors
/// No `/proc`.
pub fn own() -> io::Result<OwnedFd> {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    let mode = rustix::fs::Mode::empty();
    Ok(rustix::fs::open("/proc/thread-self/ns/net", flags, mode)?)
}

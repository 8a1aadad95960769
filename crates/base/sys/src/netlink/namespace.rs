//! Visiting a network namespace.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Runs `visit` in a network namespace and comes back, whatever happened there. Only this thread
/// moves; sockets opened by `visit` belong to the namespace for ever.
///
/// Coming back cannot fail short of a kernel that has lost its mind; then the process is in a place
/// where nothing it does is right, and it panics.
pub fn within<T>(netns: BorrowedFd<'_>, visit: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let home = rustix::fs::open(
        "/proc/thread-self/ns/net",
        rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )?;
    move_into_link_name_space(netns, Some(LinkNameSpaceType::Network))?;
    let result = visit();
    move_into_link_name_space(home.as_fd(), Some(LinkNameSpaceType::Network))
        .expect("a namespace that a thread came from takes it back");
    result
}

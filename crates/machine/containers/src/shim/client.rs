//! The command's end: starts a shim or finds one, and talks to it.

use super::protocol::{Reply, Request};
use super::{Error, channel};
use crate::Home;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect as join,
    socket_with, socketpair,
};
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// A conversation with a shim. Closing it ends waits and attachments, not what they wait for.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
    /// The shim, where this process is its parent: reaped if it has ended by then.
    child: Option<Child>,
}

/// Starts the shim of a pod that has none, from `program`, and returns its first connection. Errors
/// of the shim's own start come as [`Reply::Failed`] to the first request.
///
/// `/proc/self/exe` stands for this binary, executed from a file that cannot be written (B2 row 1);
/// a shim started from any other path sees to that itself, at the price of a second exec.
///
/// The caller holds the pod's lock, and its records are written.
pub fn spawn(home: &Home, pod: &str, program: &Path) -> Result<Connection, Error> {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(Error::Socket)?;
    let child = execute(home, &[], &[pod.as_ref()], program, theirs)?;
    Ok(Connection { socket: ours, child: Some(child) })
}

/// Executes `teu shim FIRST… DATA RUN THEN… PROGRAM` with its end of a connection.
pub(super) fn execute(
    home: &Home,
    first: &[&OsStr],
    then: &[&OsStr],
    program: &Path,
    connection: OwnedFd,
) -> Result<Child, Error> {
    let protected = (program == Path::new("/proc/self/exe"))
        .then(teu_sys::reexec::protected_self)
        .transpose()
        .map_err(|errno| Error::Spawn { program: program.to_owned(), source: errno.into() })?;
    let (executable, on_disk) = match &protected {
        Some(file) => {
            let on_disk = rustix::fs::readlink(program, Vec::new()).map(CString::into_bytes);
            let on_disk = on_disk.map(|path| PathBuf::from(OsString::from_vec(path)));
            let executable = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
            (executable, on_disk.unwrap_or_default())
        }
        None => (program.to_owned(), program.to_owned()),
    };
    Command::new(&executable)
        .arg0("teu")
        .arg("shim")
        .args(first)
        .arg(&home.data)
        .arg(&home.run)
        .args(then)
        .arg(&on_disk)
        .stdin(connection)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .spawn()
        .map_err(|source| Error::Spawn { program: program.to_owned(), source })
}

/// Connects to the shim of a pod; `None` when it has none that listens.
pub fn connect(home: &Home, pod: &str) -> Result<Option<Connection>, Error> {
    let folder = home.pod_run(pod);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let directory = match rustix::fs::open(&folder, flags, Mode::empty()) {
        Ok(directory) => directory,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(source) => return Err(Error::Folder { path: folder, source }),
    };
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(Error::Socket)?;
    let address = address(directory.as_fd()).map_err(Error::Socket)?;
    match join(&socket, &address) {
        Ok(()) => Ok(Some(Connection { socket, child: None })),
        Err(Errno::NOENT | Errno::CONNREFUSED) => Ok(None),
        Err(errno) => Err(Error::from_socket(errno)),
    }
}

/// Name of the socket, short however deep the home is: through the folder's descriptor.
pub(super) fn address(folder: BorrowedFd<'_>) -> Result<SocketAddrUnix, Errno> {
    SocketAddrUnix::new(format!("/proc/self/fd/{}/shim.sock", folder.as_raw_fd()))
}

// === impl Connection ===

impl Connection {
    /// With a shim that is no child of this process.
    pub(super) fn of(socket: OwnedFd) -> Self {
        Self { socket, child: None }
    }

    /// Becomes readable when the shim's process has ended, and every lock it held is free. (The
    /// connection hangs up a moment earlier: a dying process closes its descriptors one by one.)
    pub fn end_of_shim(&self) -> Option<OwnedFd> {
        let peer = rustix::net::sockopt::socket_peercred(&self.socket).ok()?;
        rustix::process::pidfd_open(peer.pid, rustix::process::PidfdFlags::empty()).ok()
    }

    /// Sends a request with its descriptors.
    pub fn send(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> Result<(), Error> {
        channel::send(self.socket.as_fd(), request, descriptors, SendFlags::empty())
    }

    /// Waits for a reply and the descriptors that come with it. [`Error::Gone`] when the shim ended.
    pub fn receive(&self) -> Result<(Reply, Vec<OwnedFd>), Error> {
        channel::receive(self.socket.as_fd(), RecvFlags::empty())?.ok_or(Error::Gone)
    }

    /// Likewise, [`Error::Silent`] when none comes within `limit`.
    pub fn receive_within(&self, limit: Duration) -> Result<(Reply, Vec<OwnedFd>), Error> {
        let timeout = limit.try_into().map_err(|_| Error::Silent)?;
        loop {
            let mut wanted = [PollFd::new(&self.socket, PollFlags::IN)];
            match poll(&mut wanted, Some(&timeout)) {
                Ok(0) => return Err(Error::Silent),
                Ok(_) => return self.receive(),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::Socket(errno)),
            }
        }
    }

    /// Sends a request and waits for its first reply.
    pub fn call(
        &self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(Reply, Vec<OwnedFd>), Error> {
        self.send(request, descriptors)?;
        self.receive()
    }
}

impl AsFd for Connection {
    /// Readable when a reply is there, for callers with a loop of their own.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take()
            && matches!(child.try_wait(), Ok(None))
        {
            remember(child);
        }
    }
}

/// Has a child reaped when it has ended.
pub(super) fn remember(child: Child) {
    if let Ok(mut children) = CHILDREN.lock() {
        children.push(child);
    }
}

/// Shims that this process has started and that have not ended yet. A command leaves them to init;
/// a server outlives them, and they would stay its zombies.
static CHILDREN: Mutex<Vec<Child>> = Mutex::new(Vec::new());

/// Reaps shims of this process that have ended: for a server, at each SIGCHLD.
pub fn reap() {
    if let Ok(mut children) = CHILDREN.lock() {
        children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }
}

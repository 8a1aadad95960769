//! Where connections come from: a TCP address, a unix socket, or a socket somebody else opened.

use crate::error::{Error, Result};
use crate::stream::Transport;
use crate::tls::Tls;
use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, UnixListener};

/// Connections that wait to be accepted; the kernel's own bound is `net.core.somaxconn`.
const BACKLOG: i32 = 65_535;

/// A socket that listens, with TLS or without.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    tls: Option<Tls>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, Option<Place>),
}

/// A unix socket's name, removed when its listener ends.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    inode: u64,
}

/// Who may connect to a unix socket.
#[derive(Debug, Clone, Copy)]
pub struct UnixOptions {
    /// Its mode.
    pub mode: u32,
    /// Its group, where it shall not be the process's.
    pub group: Option<u32>,
}

impl Default for UnixOptions {
    fn default() -> Self {
        Self { mode: 0o600, group: None }
    }
}

impl Listener {
    /// Listens on an address (`127.0.0.1:0`: any free port; see [`Listener::address`]).
    pub async fn tcp(address: &str) -> Result<Self> {
        let listen = |source| Error::Listen { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        // The runtime asks for 1,024. Whoever finds the queue full tries again after a whole second.
        rustix::net::listen(&listener, BACKLOG).map_err(|e| listen(e.into()))?;
        Ok(Self { socket: Socket::Tcp(listener), tls: None })
    }

    /// Listens on a unix socket. The socket appears with its mode and group, never without; a dead
    /// one of the same name is replaced, a live one is an error.
    pub async fn unix(path: &Path, options: UnixOptions) -> Result<Self> {
        let listen = |source| Error::Listen { address: path.display().to_string(), source };
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(Error::NotASocket { path: path.to_path_buf() });
            }
            Ok(_) if tokio::net::UnixStream::connect(path).await.is_ok() => {
                return Err(Error::InUse { path: path.to_path_buf() });
            }
            _ => {}
        }
        let (listener, inode) = bind(path, options).map_err(listen)?;
        let place = Place { path: path.to_path_buf(), inode };
        Ok(Self { socket: Socket::Unix(listener, Some(place)), tls: None })
    }

    /// Takes over a listening socket, TCP or unix, as systemd hands it on. A unix socket's name
    /// stays when it ends: it is its opener's.
    pub fn inherited(socket: OwnedFd) -> Result<Self> {
        let inherited = |source| Error::Inherited { source };
        let is_listening = rustix::net::sockopt::socket_acceptconn(&socket);
        if !is_listening.map_err(|e| inherited(e.into()))? {
            return Err(inherited(io::ErrorKind::InvalidInput.into()));
        }
        rustix::io::ioctl_fionbio(&socket, true).map_err(|e| inherited(e.into()))?;
        let family = rustix::net::sockopt::socket_domain(&socket);
        let socket = match family.map_err(|e| inherited(e.into()))? {
            rustix::net::AddressFamily::UNIX => {
                Socket::Unix(UnixListener::from_std(socket.into()).map_err(inherited)?, None)
            }
            _ => Socket::Tcp(TcpListener::from_std(socket.into()).map_err(inherited)?),
        };
        Ok(Self { socket, tls: None })
    }

    /// Speaks TLS on it.
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Where it listens: `127.0.0.1:5000`, or the path of a unix socket.
    pub fn address(&self) -> String {
        match &self.socket {
            Socket::Tcp(listener) => {
                listener.local_addr().map(|address| address.to_string()).unwrap_or_default()
            }
            Socket::Unix(_, Some(place)) => place.path.display().to_string(),
            Socket::Unix(listener, None) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                path.map(|path| path.display().to_string()).unwrap_or_default()
            }
        }
    }

    /// The TCP address, if it is one.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            Socket::Unix(..) => None,
        }
    }

    pub(crate) fn tls(&self) -> Option<Tls> {
        self.tls.clone()
    }

    pub(crate) async fn accept(&self) -> io::Result<Transport> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Frames shall leave when they are flushed; a peer that is gone refuses this.
                let _ = stream.set_nodelay(true);
                Ok(Transport::Tcp(stream))
            }
            Socket::Unix(listener, _) => Ok(Transport::Unix(listener.accept().await?.0)),
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address())
    }
}

/// Binds under another name of the same directory, gives mode and group, and renames. The way through
/// the directory's descriptor also spares the 107 bytes a socket's address has.
fn bind(path: &Path, options: UnixOptions) -> io::Result<(UnixListener, u64)> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let dir = fs::File::open(parent.unwrap_or_else(|| Path::new(".")))?;
    let beside = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd()))
        .join(format!(".listen-{}", std::process::id()));
    let _ = fs::remove_file(&beside);
    let listener = UnixListener::bind(&beside)?;
    let ready = fs::set_permissions(&beside, fs::Permissions::from_mode(options.mode))
        .and_then(|()| match options.group {
            Some(group) => std::os::unix::fs::chown(&beside, None, Some(group)),
            None => Ok(()),
        })
        .and_then(|()| fs::rename(&beside, path))
        .and_then(|()| fs::symlink_metadata(path));
    match ready {
        Ok(found) => Ok((listener, found.ino())),
        Err(error) => {
            let _ = fs::remove_file(&beside);
            Err(error)
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Another server may have taken the name over.
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

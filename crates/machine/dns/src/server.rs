//! The server: descriptors in, answers out.

use crate::zone::Zone;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Sockets that a server listens on.
#[derive(Debug)]
pub struct Sockets {
    /// Datagrams.
    pub udp: OwnedFd,
    /// Connections.
    pub tcp: OwnedFd,
}

/// Binds both sockets inside a network namespace, which need not have its loopback up yet. The
/// calling thread visits the namespace and comes back.
pub fn bind_in(_netns: BorrowedFd<'_>, _address: SocketAddr) -> io::Result<Sockets> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A name server. Poll [`Server::as_fd`] for reading, then call [`Server::handle`].
#[derive(Debug)]
pub struct Server {
    sockets: Sockets,
    upstreams: Vec<SocketAddr>,
}

impl Server {
    /// Takes the sockets; `upstreams` are asked in their order, from the namespace that the process
    /// is in.
    pub fn new(sockets: Sockets, upstreams: Vec<SocketAddr>) -> io::Result<Self> {
        Ok(Self { sockets, upstreams })
    }

    /// Does all that can be done without waiting. An error means the server is of no use any more.
    pub fn handle(&mut self, _zone: &dyn Zone) -> io::Result<()> {
        let _ = &self.upstreams;
        Ok(())
    }
}

impl AsFd for Server {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.sockets.udp.as_fd()
    }
}

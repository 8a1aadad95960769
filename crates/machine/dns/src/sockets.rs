//! The sockets that a server listens on, made inside the pod's namespace.

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use teu_sys::netlink::{Batch, Socket, within};

/// Number of the loopback interface in every namespace.
const LOOPBACK: u32 = 1;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 16;
/// Datagrams that wait to be read, in bytes of the kernel's: a pod whose programs all ask at once
/// while the machine is busy must not see questions dropped, for a resolver waits five seconds
/// before it asks again. The kernel's usual buffer holds fewer than 300.
const WAITING_BYTES: usize = 1 << 20;

/// Sockets that a server listens on; they belong to the namespace they were made in.
#[derive(Debug)]
pub struct Sockets {
    /// Datagrams.
    pub udp: OwnedFd,
    /// Connections.
    pub tcp: OwnedFd,
}

/// Binds both sockets inside a network namespace, bringing its loopback up: a socket that is bound
/// before that answers from another address. The calling thread visits the namespace and comes
/// back.
pub fn bind_in(netns: BorrowedFd<'_>, address: SocketAddr) -> io::Result<Sockets> {
    within(netns, || {
        let mut up = Batch::default();
        up.up(LOOPBACK);
        Socket::route()?.apply(up)?;
        let udp = bind(SocketType::DGRAM, address)?;
        let tcp = bind(SocketType::STREAM, address)?;
        rustix::net::listen(&tcp, BACKLOG)?;
        Ok(Sockets { udp, tcp })
    })
}

fn bind(kind: SocketType, address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = open(kind, address)?;
    if kind == SocketType::STREAM {
        sockopt::set_socket_reuseaddr(&socket, true)?;
    } else if sockopt::set_socket_recv_buffer_size_force(&socket, WAITING_BYTES).is_err() {
        // Without the privilege: as much as this machine gives to everybody.
        let _ = sockopt::set_socket_recv_buffer_size(&socket, WAITING_BYTES);
    }
    rustix::net::bind(&socket, &address)?;
    Ok(socket)
}

/// A socket that never blocks.
pub fn open(kind: SocketType, address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(family, kind, flags, None)?)
}

//! Who is at the other end of a connection, as far as the kernel or TLS vouches for it.

use crate::stream::Transport;
use std::net::SocketAddr;
use std::sync::Arc;

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where it is.
    pub address: PeerAddress,
    /// The connection is encrypted.
    pub is_tls: bool,
    /// The certificate it showed, verified.
    pub certificate: Option<ClientCertificate>,
}

/// Where a peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerAddress {
    /// Across a network.
    Tcp(SocketAddr),
    /// A process of this machine, as the kernel knows it; ids are those of our namespaces.
    Unix {
        /// Its user.
        uid: u32,
        /// Its group.
        gid: u32,
        /// Its process, if it is visible from here.
        pid: Option<i32>,
    },
    /// A stream that is no socket of ours.
    Unknown,
}

impl std::fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix { uid, .. } => write!(f, "unix:uid={uid}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// A client's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Whom it names.
    pub subject: teu_pki::Subject,
    /// All of it, DER.
    pub der: Vec<u8>,
}

impl Peer {
    /// A peer of which nothing is known.
    pub fn unknown() -> Self {
        Self { address: PeerAddress::Unknown, is_tls: false, certificate: None }
    }

    pub(crate) fn of(transport: &Transport) -> Self {
        match transport {
            Transport::Tcp(tcp) => Self {
                address: tcp.peer_addr().map_or(PeerAddress::Unknown, PeerAddress::Tcp),
                ..Self::unknown()
            },
            Transport::Unix(unix) => {
                Self {
                    address: unix.peer_cred().map_or(PeerAddress::Unknown, |found| {
                        PeerAddress::Unix { uid: found.uid(), gid: found.gid(), pid: found.pid() }
                    }),
                    ..Self::unknown()
                }
            }
            Transport::Tls(tls) => {
                let (plain, session) = tls.get_ref();
                let shown = session.peer_certificates().and_then(|chain| chain.first());
                let certificate = shown.map(|certificate| ClientCertificate {
                    subject: teu_pki::Subject::of(certificate),
                    der: certificate.to_vec(),
                });
                Self { is_tls: true, certificate, ..Self::of(plain) }
            }
            Transport::Other(_) => Self::unknown(),
        }
    }
}

/// The peer a request came from.
pub fn peer<B>(request: &http::Request<B>) -> Arc<Peer> {
    let known = request.extensions().get::<Arc<Peer>>();
    known.cloned().unwrap_or_else(|| Arc::new(Peer::unknown()))
}

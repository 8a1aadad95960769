//! Netlink, synchronously: messages built into one buffer, sent with one call, answered at once.
//!
//! Why our own: the need is some twenty message kinds, each a few bytes; the crates that exist bring
//! an async runtime or shell out. The kernel handles a request within `send`, so answers are read
//! without ever waiting: a missing answer is an error, not a hang.
//!
//! [`route`] speaks of links, addresses and routes (`NETLINK_ROUTE`), [`nft`] of tables, sets and
//! rules (`NETLINK_NETFILTER`). Both build a [`Batch`] and give it to a [`Socket`].
//! Errors carry the kernel's own words (extended acks).

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

mod batch;
mod namespace;
pub mod nft;
mod read;
pub mod route;

pub use batch::{Batch, Body};
pub use namespace::{own as own_namespace, within};
pub use read::{Attributes, Message, Messages};

/// Wants an answer.
pub(crate) const NLM_F_REQUEST: u16 = 0x1;
/// Wants an acknowledgement.
pub(crate) const NLM_F_ACK: u16 = 0x4;
/// All objects, not one.
pub(crate) const NLM_F_DUMP: u16 = 0x300;
/// Takes the place of one that exists.
pub(crate) const NLM_F_REPLACE: u16 = 0x100;
/// Fails when there is one already.
pub(crate) const NLM_F_EXCL: u16 = 0x200;
/// Makes one when there is none.
pub(crate) const NLM_F_CREATE: u16 = 0x400;
/// Adds at the end.
pub(crate) const NLM_F_APPEND: u16 = 0x800;
/// An error message carries attributes.
const NLM_F_ACK_TLVS: u16 = 0x200;
/// An error message carries only the head of the request.
const NLM_F_CAPPED: u16 = 0x100;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSGERR_ATTR_MSG: u16 = 1;
const HEADER_BYTES: usize = 16;
const NETLINK_ROUTE: u32 = 0;
const NETLINK_NETFILTER: u32 = 12;
const NETLINK_CAP_ACK: libc::c_int = 10;
const NETLINK_EXT_ACK: libc::c_int = 11;
const NETLINK_GET_STRICT_CHK: libc::c_int = 12;
/// The kernel never sends more at once than it is given room for, and prefers this much.
const RECEIVE_BYTES: usize = 32 * 1024;

/// What the kernel refused, in its words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{text}", io::Error::from(*errno), if text.is_empty() { "" } else { ": " })]
pub struct Refusal {
    /// Why.
    pub errno: Errno,
    /// Which message of the batch.
    pub index: usize,
    /// The extended acknowledgement, where there is one.
    pub text: String,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self { errno, index: 0, text: String::new() }
    }
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        if refusal.text.is_empty() {
            refusal.errno.into()
        } else {
            Self::new(Self::from(refusal.errno).kind(), refusal)
        }
    }
}

/// A netlink socket of the namespace it was opened in.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// For links, addresses and routes.
    pub fn route() -> io::Result<Self> {
        Self::open(NETLINK_ROUTE)
    }

    /// For nftables and connection tracking.
    pub fn netfilter() -> io::Result<Self> {
        Self::open(NETLINK_NETFILTER)
    }

    fn open(protocol: u32) -> io::Result<Self> {
        let fd = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            std::num::NonZeroU32::new(protocol).map(rustix::net::Protocol::from_raw),
        )?;
        for option in [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK] {
            // An old kernel without one of them gives fewer words, no wrong answers.
            let _ = enable(fd.as_fd(), option);
        }
        Ok(Self { fd, sequence: 1, buffer: vec![0; RECEIVE_BYTES] })
    }

    /// Sends all messages at once and reads their acknowledgements. The first refusal is returned;
    /// what was accepted before it stays (an nftables batch is all or nothing).
    pub fn apply(&mut self, batch: Batch) -> Result<(), Refusal> {
        if batch.is_empty() {
            return Ok(());
        }
        let (first, mut awaited) = self.transmit(batch)?;
        let mut outcome = Ok(());
        while awaited > 0 {
            let length = self.receive()?;
            for message in Messages::new(&self.buffer[..length]) {
                let Some(index) = message.sequence.checked_sub(first) else { continue };
                if message.kind != NLMSG_ERROR {
                    continue;
                }
                match refusal(&message, index as usize) {
                    None => awaited = awaited.saturating_sub(1),
                    Some(refused) => {
                        awaited = awaited.saturating_sub(1);
                        outcome = outcome.and(Err(refused));
                    }
                }
            }
            if outcome.is_err() {
                self.drain();
                break;
            }
        }
        outcome
    }

    /// Sends a request for one object (to be acknowledged, which ends the answer) or a dump, and
    /// hands over each message of the answer.
    pub fn query(
        &mut self,
        batch: Batch,
        each: &mut dyn FnMut(&Message<'_>),
    ) -> Result<(), Refusal> {
        let (first, _) = self.transmit(batch)?;
        loop {
            let length = self.receive()?;
            for message in Messages::new(&self.buffer[..length]) {
                if message.sequence < first {
                    continue;
                }
                match message.kind {
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => return refusal(&message, 0).map_or(Ok(()), Err),
                    _ => each(&message),
                }
            }
        }
    }

    fn transmit(&mut self, batch: Batch) -> Result<(u32, usize), Refusal> {
        // What an earlier request left unread would be taken for an answer to this one.
        self.drain();
        let first = self.sequence;
        let (bytes, count, awaited) = batch.finish(first);
        self.sequence = self.sequence.wrapping_add(count).max(1);
        rustix::net::send(&self.fd, &bytes, SendFlags::empty())?;
        Ok((first, awaited))
    }

    fn receive(&mut self) -> Result<usize, Refusal> {
        loop {
            match rustix::net::recv(&self.fd, &mut *self.buffer, RecvFlags::DONTWAIT) {
                Ok((length, _)) => return Ok(length),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    return Err(Refusal {
                        errno: Errno::PROTO,
                        index: 0,
                        text: "the kernel gave no answer".to_owned(),
                    });
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn drain(&mut self) {
        while rustix::net::recv(&self.fd, &mut *self.buffer, RecvFlags::DONTWAIT).is_ok() {}
    }
}

fn refusal(message: &Message<'_>, index: usize) -> Option<Refusal> {
    let code = message.payload.get(..4).map_or(-libc::EPROTO, |bytes| {
        i32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    });
    if code == 0 {
        return None;
    }
    let attributes = if message.flags & NLM_F_ACK_TLVS == 0 {
        &[][..]
    } else if message.flags & NLM_F_CAPPED == 0 {
        let echoed = message.payload.get(4..8).map_or(0, |bytes| {
            u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize
        });
        message.payload.get(4 + echoed.next_multiple_of(4)..).unwrap_or_default()
    } else {
        message.payload.get(4 + HEADER_BYTES..).unwrap_or_default()
    };
    let text = Attributes::new(attributes)
        .find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG)
        .map(|(_, text)| String::from_utf8_lossy(text).trim_end_matches('\0').to_owned())
        .unwrap_or_default();
    Some(Refusal { errno: Errno::from_raw_os_error(code.saturating_neg()), index, text })
}

fn enable(fd: BorrowedFd<'_>, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: `on` outlives the call, which reads exactly its size; the descriptor is borrowed.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_NETLINK,
            option,
            std::ptr::from_ref(&on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests;

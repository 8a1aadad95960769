//! One JSON document a message over `SOCK_SEQPACKET`, with descriptors beside it.
//!
//! Used by both ends. It refuses messages longer than [`MESSAGE_LIMIT_BYTES`] and truncated
//! descriptor lists; the buffer of a message lives only as long as the message.

use super::Error;
use super::protocol::{DESCRIPTOR_LIMIT, MESSAGE_LIMIT_BYTES};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Sends a message; never raises SIGPIPE. With `DONTWAIT` a full socket is `Error::Io(AGAIN)`.
pub(super) fn send<T: Serialize>(
    socket: BorrowedFd<'_>,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> Result<(), Error> {
    let bytes = serde_json::to_vec(message).map_err(Error::Encode)?;
    if bytes.len() > MESSAGE_LIMIT_BYTES {
        return Err(Error::TooLong { bytes: bytes.len() });
    }
    if descriptors.len() > DESCRIPTOR_LIMIT {
        return Err(Error::TooManyDescriptors);
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTOR_LIMIT))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Error::TooManyDescriptors);
    }
    let slices = [IoSlice::new(&bytes)];
    retry(|| sendmsg(socket, &slices, &mut control, flags | SendFlags::NOSIGNAL))
        .map(drop)
        .map_err(Error::from_socket)
}

/// Receives a message, `None` when the other end has gone.
pub(super) fn receive<T: DeserializeOwned>(
    socket: BorrowedFd<'_>,
    flags: RecvFlags,
) -> Result<Option<(T, Vec<OwnedFd>)>, Error> {
    // The length first, so that a small message costs a small buffer.
    let mut probe = [MaybeUninit::<u8>::uninit(); 1];
    let peek = flags | RecvFlags::PEEK | RecvFlags::TRUNC;
    let length = retry(|| rustix::net::recv(socket, &mut probe, peek).map(|(_, length)| length))
        .map_err(Error::from_socket)?;
    if length == 0 {
        return Ok(None);
    }
    if length > MESSAGE_LIMIT_BYTES {
        return Err(Error::TooLong { bytes: length });
    }
    let mut bytes = vec![0; length];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTOR_LIMIT))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = retry(|| {
        let mut slices = [IoSliceMut::new(&mut bytes)];
        recvmsg(socket, &mut slices, &mut control, flags | RecvFlags::CMSG_CLOEXEC)
    })
    .map_err(Error::from_socket)?;
    let descriptors: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(rights) => Some(rights),
            _ => None,
        })
        .flatten()
        .collect();
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(Error::TooManyDescriptors);
    }
    bytes.truncate(received.bytes);
    let message = serde_json::from_slice(&bytes).map_err(Error::Decode)?;
    Ok(Some((message, descriptors)))
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

//! Where a process that serves an image hands out its mount: a socket beside the store's content.
//!
//! Whoever connects gets a descriptor of the mount, which is nowhere else, and no question is asked.
//! A socket that nobody listens at is as good as none.

use crate::error::{Error, Result};
use crate::store::Store;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use std::fs::{self, File};
use std::io::{IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use teu_oci::ChainId;

const FOLDER: &str = "lazy";
const FAILED: &str = "failed";
const REASON_LIMIT_BYTES: u64 = 4096;
/// Hex digits of a socket's name.
const NAME_DIGITS: usize = 32;

/// The socket of an image, by the chain that its layers make.
#[derive(Debug)]
pub(super) struct Door {
    listener: UnixListener,
    path: PathBuf,
}

impl Door {
    /// Opens it, in place of one of a process that has gone.
    pub(super) fn open(store: &Store, top: &ChainId) -> Result<Self> {
        let folder = store.path(FOLDER);
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|e| Error::io("create directory", &folder, e))?;
        let path = folder.join(name(top));
        for old in [path.clone(), path.with_extension(FAILED)] {
            let _ = fs::remove_file(old);
        }
        let listener = beside(&folder, &name(top), UnixListener::bind)
            .map_err(|e| Error::io("listen at", &path, e))?;
        Ok(Self { listener, path })
    }

    /// Hands the mount to everybody who comes, until the door is closed.
    pub(super) fn serve(&self, mount: BorrowedFd<'_>) {
        while let Ok((visitor, _)) = self.listener.accept() {
            // Who has gone again needs nothing.
            let _ = give(&visitor, mount);
        }
    }

    /// Leaves a word for the next command. The disk may be the very reason.
    pub(super) fn fail(&self, reason: &str) {
        let _ = fs::write(self.path.with_extension(FAILED), reason);
    }

    /// Nobody finds it any more; who serves it comes back.
    pub(super) fn close(&self) {
        let _ = fs::remove_file(&self.path);
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
    }
}

/// The mount of whoever serves an image, if anybody does.
pub(super) fn knock(store: &Store, top: &ChainId) -> Option<OwnedFd> {
    let folder = store.path(FOLDER);
    let socket = beside(&folder, &name(top), UnixStream::connect).ok()?;
    take(&socket)
}

/// The word that the last one has left.
pub(super) fn failure(store: &Store, top: &ChainId) -> Option<String> {
    let path = store.path(FOLDER).join(name(top)).with_extension(FAILED);
    let mut text = String::new();
    File::open(path).ok()?.take(REASON_LIMIT_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// A socket's address is short: the folder goes by a descriptor.
fn beside<T>(
    folder: &std::path::Path,
    name: &str,
    work: impl FnOnce(PathBuf) -> std::io::Result<T>,
) -> std::io::Result<T> {
    let folder = File::open(folder)?;
    work(PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd())))
}

fn name(top: &ChainId) -> String {
    let hex = top.hex();
    hex[..NAME_DIGITS.min(hex.len())].to_owned()
}

fn give(visitor: &UnixStream, mount: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [mount];
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(visitor, &[IoSlice::new(b"m")], &mut control, SendFlags::NOSIGNAL).map(drop)
}

fn take(socket: &UnixStream) -> Option<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut slices = [IoSliceMut::new(&mut byte)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    loop {
        match recvmsg(socket, &mut slices, &mut control, flags) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(message) if message.bytes == 1 => break,
            _ => return None,
        }
    }
    control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    })
}

//! A container's terminal: handed to a socket, or relayed to our own.

use super::wait::{Signals, exit_code};
use super::{Doing, Outcome};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType,
};
use rustix::termios::{OptionalActions, Termios};
use std::io::IoSlice;
use std::mem::MaybeUninit;

/// Sends a master to the socket at a path, as `--console-socket` wants it.
pub fn send(path: &str, master: &OwnedFd) -> Outcome<()> {
    let doing = || format!("console socket {path}");
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .doing(doing())?;
    let address = SocketAddrUnix::new(path).doing(doing())?;
    rustix::net::connect(&socket, &address).doing(doing())?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [master.as_fd()];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let parts = [IoSlice::new(b"/dev/ptmx")];
    rustix::net::sendmsg(&socket, &parts, &mut ancillary, SendFlags::NOSIGNAL)
        .map(drop)
        .doing(doing())
}

/// Our own terminal, raw until this is dropped.
struct Raw(Option<Termios>);

impl Raw {
    fn enter() -> Self {
        let input = rustix::stdio::stdin();
        let before = rustix::termios::tcgetattr(input).ok();
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.make_raw();
            let _ = rustix::termios::tcsetattr(input, OptionalActions::Now, &raw);
        }
        Self(before)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let input = rustix::stdio::stdin();
            let _ = rustix::termios::tcsetattr(input, OptionalActions::Now, before);
        }
    }
}

/// Relays between our standard streams and a container's terminal until its process ends.
pub fn relay(master: OwnedFd, child: &OwnedFd, signals: &Signals) -> Outcome {
    let raw = Raw::enter();
    resize(&master);
    let (mut reads_input, mut reads_master) = (true, true);
    loop {
        let watch = |fd, wanted: bool| {
            PollFd::from_borrowed_fd(fd, if wanted { PollFlags::IN } else { PollFlags::empty() })
        };
        let mut waited = [
            PollFd::new(child, PollFlags::IN),
            PollFd::new(signals, PollFlags::IN),
            watch(master.as_fd(), reads_master),
            watch(rustix::stdio::stdin(), reads_input),
        ];
        match poll(&mut waited, None) {
            Err(Errno::INTR) => continue,
            result => result.doing("waiting for the terminal")?,
        };
        let ready = waited.each_ref().map(|fd| !fd.revents().is_empty());
        if ready[1] && signals.pass_on(child.as_fd())? {
            resize(&master);
        }
        if ready[2] && reads_master {
            reads_master = copy(master.as_fd(), rustix::stdio::stdout());
        }
        if ready[3] && reads_input {
            reads_input = copy(rustix::stdio::stdin(), master.as_fd());
        }
        if ready[0] && (!reads_master || !ready[2]) {
            drop(raw);
            return exit_code(child);
        }
    }
}

fn resize(master: &OwnedFd) {
    if let Ok(size) = rustix::termios::tcgetwinsize(rustix::stdio::stdin()) {
        let _ = rustix::termios::tcsetwinsize(master, size);
    }
}

/// Copies what is there; false when there will be no more.
fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> bool {
    let mut buffer = [0; 16 << 10];
    let length = match rustix::io::read(from, &mut buffer[..]) {
        Err(Errno::INTR | Errno::AGAIN) => return true,
        Err(_) | Ok(0) => return false,
        Ok(length) => length,
    };
    let mut left = &buffer[..length];
    while !left.is_empty() {
        match rustix::io::write(to, left) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::from_borrowed_fd(to, PollFlags::OUT)], None);
            }
            Err(_) => return false,
            Ok(written) => left = &left[written..],
        }
    }
    true
}

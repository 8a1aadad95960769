//! What the first process and its parent say to each other: short datagrams over a socketpair that
//! exec closes. The end of the stream without a failure is the good news.

use crate::error::{Error, Stage};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;

/// Longest message, in bytes; texts are cut.
const LIMIT_BYTES: usize = 4096;

/// From the child.
#[derive(Debug)]
pub enum Report {
    /// An intermediate process has made the real one: its pid.
    Pid(i32),
    /// All is done but the program.
    Ready,
    /// Hooks of the runtime's namespaces are due.
    Hooks,
    /// The terminal's master.
    Terminal(OwnedFd),
    /// The descriptor through which a filter reports.
    Listener(OwnedFd),
    /// Something was left out.
    Warning(String),
    /// It failed, and has ended.
    Failed(Failure),
}

/// To the child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The user namespace has its mappings.
    Mapped,
    /// Hooks have run; the child's pid as the host sees it.
    Continue(i32),
    /// Run the program.
    Start,
}

/// A step of the child's that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which.
    pub stage: Stage,
    /// On what.
    pub subject: String,
    /// Why.
    pub errno: Errno,
}

impl Failure {
    /// As the caller's error. Those of the program itself get their own kind.
    pub fn into_error(self) -> Error {
        let source = self.errno.into();
        let Self { stage, subject: command, errno } = self;
        match (stage, errno) {
            (Stage::Lookup | Stage::Exec, Errno::NOENT | Errno::NOTDIR) => {
                Error::CommandNotFound { command }
            }
            (Stage::Lookup | Stage::Exec, _) => Error::CommandNotExecutable { command, source },
            (Stage::Hook, _) => Error::HookInside { problem: command },
            _ => Error::Inside { stage, subject: command, source },
        }
    }
}

/// The result of a step.
pub type Step<T = ()> = Result<T, Failure>;

/// Puts stage and subject to an errno.
pub trait At<T> {
    /// The subject is looked at only when it failed.
    fn at(self, stage: Stage, subject: impl AsRef<[u8]>) -> Step<T>;
}

impl<T> At<T> for rustix::io::Result<T> {
    fn at(self, stage: Stage, subject: impl AsRef<[u8]>) -> Step<T> {
        self.map_err(|errno| Failure {
            stage,
            subject: String::from_utf8_lossy(subject.as_ref()).into_owned(),
            errno,
        })
    }
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, stage: Stage, subject: impl AsRef<[u8]>) -> Step<T> {
        self.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO)).at(stage, subject)
    }
}

/// One end.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
    /// Came while another report was waited for.
    early: RefCell<VecDeque<Report>>,
}

/// The parent's end and the child's.
///
/// # Errors
/// Too many descriptors.
pub fn pair() -> rustix::io::Result<(Channel, Channel)> {
    let (parent, child) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let end = |socket| Channel { socket, early: RefCell::default() };
    Ok((end(parent), end(child)))
}

impl Channel {
    /// Moves the descriptor to a number of at least `minimum`.
    pub fn raise_above(&mut self, minimum: i32) -> rustix::io::Result<()> {
        self.socket = rustix::io::fcntl_dupfd_cloexec(&self.socket, minimum)?;
        Ok(())
    }

    fn send(&self, tag: u8, body: &[u8], fd: Option<BorrowedFd<'_>>) -> rustix::io::Result<()> {
        let parts = [IoSlice::new(std::slice::from_ref(&tag)), IoSlice::new(body)];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors;
        if let Some(fd) = fd {
            descriptors = [fd];
            ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        rustix::net::sendmsg(&self.socket, &parts, &mut ancillary, SendFlags::NOSIGNAL).map(drop)
    }

    /// The child's side: reports. A parent that is gone is not an error: `create` has ended.
    pub fn report(&self, report: &Report) -> rustix::io::Result<()> {
        let sent = match report {
            Report::Pid(pid) => self.send(b'p', &pid.to_ne_bytes(), None),
            Report::Ready => self.send(b'r', &[], None),
            Report::Hooks => self.send(b'h', &[], None),
            Report::Terminal(fd) => self.send(b't', &[], Some(fd.as_fd())),
            Report::Listener(fd) => self.send(b'l', &[], Some(fd.as_fd())),
            Report::Warning(text) => {
                self.send(b'w', &text.as_bytes()[..text.len().min(LIMIT_BYTES - 1)], None)
            }
            Report::Failed(failure) => {
                let mut body = vec![failure.stage as u8];
                body.extend_from_slice(&failure.errno.raw_os_error().to_ne_bytes());
                body.extend_from_slice(failure.subject.as_bytes());
                body.truncate(LIMIT_BYTES - 1);
                self.send(b'f', &body, None)
            }
        };
        match sent {
            Err(Errno::PIPE | Errno::CONNRESET) if !matches!(report, Report::Failed(_)) => Ok(()),
            result => result,
        }
    }

    /// The parent's side: the next report; `None` when the child has executed its program or ended.
    pub fn next(&self) -> rustix::io::Result<Option<Report>> {
        if let Some(report) = self.early.borrow_mut().pop_front() {
            return Ok(Some(report));
        }
        self.receive()
    }

    /// The parent's side: keeps a report for those who will ask for the next one.
    pub fn keep(&self, report: Report) {
        self.early.borrow_mut().push_back(report);
    }

    /// The parent's side: what comes next, whatever was kept.
    pub fn receive(&self) -> rustix::io::Result<Option<Report>> {
        let mut buffer = [0; LIMIT_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let length = loop {
            let mut parts = [IoSliceMut::new(&mut buffer)];
            match rustix::net::recvmsg(
                &self.socket,
                &mut parts,
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            ) {
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => break 0,
                result => break result?.bytes,
            }
        };
        let Some((tag, body)) = buffer[..length].split_first() else { return Ok(None) };
        let descriptor = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        let report = match (tag, descriptor) {
            (b'p', _) => body.try_into().ok().map(|bytes| Report::Pid(i32::from_ne_bytes(bytes))),
            (b'r', _) => Some(Report::Ready),
            (b'h', _) => Some(Report::Hooks),
            (b't', Some(fd)) => Some(Report::Terminal(fd)),
            (b'l', Some(fd)) => Some(Report::Listener(fd)),
            (b'w', _) => Some(Report::Warning(String::from_utf8_lossy(body).into_owned())),
            (b'f', _) => parse_failure(body).map(Report::Failed),
            _ => None,
        };
        report.map(Some).ok_or(Errno::PROTO)
    }

    /// The parent's side: orders. A child that has ended is not an error here; its report says why.
    pub fn order(&self, order: Order) -> rustix::io::Result<()> {
        let sent = match order {
            Order::Mapped => self.send(b'm', &[], None),
            Order::Continue(pid) => self.send(b'c', &pid.to_ne_bytes(), None),
            Order::Start => self.send(b's', &[], None),
        };
        match sent {
            Err(Errno::PIPE | Errno::CONNRESET) => Ok(()),
            result => result,
        }
    }

    /// The child's side: the next order; `None` when the parent has gone.
    pub fn wait(&self) -> rustix::io::Result<Option<Order>> {
        let mut buffer = [0; 8];
        let length = loop {
            match rustix::net::recv(&self.socket, &mut buffer[..], RecvFlags::empty()) {
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => break 0,
                result => break result?.1,
            }
        };
        match buffer[..length].split_first() {
            None => Ok(None),
            Some((b'm', _)) => Ok(Some(Order::Mapped)),
            Some((b's', _)) => Ok(Some(Order::Start)),
            Some((b'c', pid)) => match pid.try_into() {
                Ok(pid) => Ok(Some(Order::Continue(i32::from_ne_bytes(pid)))),
                Err(_) => Err(Errno::PROTO),
            },
            Some(_) => Err(Errno::PROTO),
        }
    }
}

fn parse_failure(body: &[u8]) -> Option<Failure> {
    let (stage, rest) = body.split_first()?;
    let (errno, subject) = rest.split_first_chunk::<4>()?;
    Some(Failure {
        stage: Stage::from_number(*stage)?,
        subject: String::from_utf8_lossy(subject).into_owned(),
        errno: Errno::from_raw_os_error(i32::from_ne_bytes(*errno)),
    })
}

//! The hidden command `teu shim DATA RUN POD PROGRAM`: what [`super::spawn`] executes. (With the word
//! `nursery` in front and no pod it is a [`super::nursery`].)
//!
//! It becomes a session of its own, takes its lock and its socket, and serves until its pod has
//! ended. Whatever fails on the way is the answer to the first request.

use super::aftermath::Aftermath;
use super::failure::Failure;
use super::protocol::Request;
use super::service::{Setup, Shim};
use super::{channel, client, nursery};
use crate::Home;
use crate::rootless::Membership;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, listen};
use rustix::process::Signal;
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use teu_sys::exec::CStrings;
use teu_sys::signal::{SignalFd, SignalSet};

/// What a wrong command line ends with.
pub(super) const EXIT_USAGE: i32 = 125;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// Runs a shim until its pod has ended; the first connection is standard input.
/// `arguments` are those after `shim`. Returns the exit code.
pub fn main(arguments: impl Iterator<Item = OsString>) -> i32 {
    let all: Vec<OsString> = arguments.collect();
    // A home's path is absolute: no folder of it is the word.
    let nursery = all.first().is_some_and(|word| word == nursery::WORD);
    let (data, run, pod, program) = match all.as_slice() {
        [_, data, run, program] if nursery => (data, run, None, program),
        [data, run, pod, program] => (data, run, pod.to_str(), program),
        _ => return EXIT_USAGE,
    };
    if !teu_sys::reexec::is_protected().unwrap_or(false) && protect(&all).is_err() {
        return EXIT_USAGE;
    }
    let home = Home { data: PathBuf::from(data), run: PathBuf::from(run) };
    let Ok(first) = detach() else { return EXIT_USAGE };
    match pod {
        Some(pod) => live(&home, pod, Path::new(program), first),
        None if nursery => nursery::run(&home, Path::new(program), first),
        None => EXIT_USAGE,
    }
}

/// A shim's life, from its first connection on; its exit code.
pub(super) fn live(home: &Home, pod: &str, program: &Path, first: OwnedFd) -> i32 {
    let (aftermath, membership) = match serve(home, pod, program, &first) {
        Ok(done) => done,
        Err(failure) => {
            refuse(&first, &failure);
            return failure.exit_code();
        }
    };
    drop(first);
    aftermath.outlive(membership);
    0
}

/// Executes this again from a file that nobody can write to. Returns only when that failed.
fn protect(arguments: &[OsString]) -> Result<(), Errno> {
    let words = ["teu", "shim"].into_iter().map(OsString::from).chain(arguments.iter().cloned());
    let arguments = CStrings::from_text(words.map(OsString::into_encoded_bytes));
    let none = CStrings::from_text(std::iter::empty::<Vec<u8>>());
    let (Ok(arguments), Ok(environment)) = (arguments, none) else { return Err(Errno::INVAL) };
    teu_sys::reexec::ensure_protected(&arguments, &environment)
}

/// Leaves the terminal, the session and the descriptors of whoever started us.
fn detach() -> Result<OwnedFd, Errno> {
    let first = rustix::io::fcntl_dupfd_cloexec(std::io::stdin().as_fd(), 3)?;
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    let null = rustix::fs::open("/dev/null", flags, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    enter();
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let _ = rustix::process::chdir("/");
    Ok(first)
}

/// Becomes a session with a name of its own.
pub(super) fn enter() {
    // What `ps` shows; the kernel would take the number of the descriptor we were executed from.
    let _ = rustix::thread::set_name(c"teu-shim");
    // A session leader already, where somebody else started us so.
    let _ = rustix::process::setsid();
}

/// What is left to do, and the namespaces to do it in.
type Done = (Aftermath, Option<Membership>);

/// Answers what is left to do once nobody waits any more.
fn serve(home: &Home, pod: &str, program: &Path, first: &OwnedFd) -> Result<Done, Failure> {
    let folder = home.pod_run(pod);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(Failure::io("create", &folder))?;
    let lock = lock(&folder)?;
    let membership = Membership::inherited(home)?;
    let directory = super::pod::open(&folder, OFlags::PATH | OFlags::DIRECTORY)?;
    let listener = listener(&directory)?;
    let wanted = SignalSet::of(&[Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT]);
    teu_sys::signal::set_mask(wanted).map_err(Failure::system("block signals"))?;
    let signals = SignalFd::new(wanted).map_err(Failure::system("watch for signals"))?;
    let first =
        rustix::io::fcntl_dupfd_cloexec(first, 3).map_err(Failure::system("copy a descriptor"))?;
    let mut shim = Shim::new(Setup {
        home: home.clone(),
        pod_id: pod.to_owned(),
        program: program.to_owned(),
        listener,
        signals,
        first,
    })?;
    let result = shim.run();
    // Nobody finds us any more; then, still under the lock, nothing of us is left to be found.
    let _ = rustix::fs::unlinkat(&directory, "shim.sock", AtFlags::empty());
    let aftermath = shim.aftermath();
    drop(shim);
    let _ = std::fs::remove_dir_all(&folder);
    drop(lock);
    result.map(|()| (aftermath, membership))
}

/// Takes the lock that says that this pod has a shim; a predecessor that is just leaving is waited
/// for, and its file, which it removes, is not mistaken for ours.
fn lock(folder: &Path) -> Result<OwnedFd, Failure> {
    let path = folder.join("shim.lock");
    loop {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = match rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => file,
            Err(Errno::NOENT) => {
                std::fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(folder)
                    .map_err(Failure::io("create", folder))?;
                continue;
            }
            Err(errno) => return Err(Failure::errno("open", &path)(errno)),
        };
        rustix::fs::flock(&file, FlockOperation::LockExclusive)
            .map_err(Failure::errno("lock", &path))?;
        let (held, named) = (rustix::fs::fstat(&file), rustix::fs::lstat(&path));
        if let (Ok(held), Ok(named)) = (held, named)
            && (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)
        {
            return Ok(file);
        }
    }
}

/// Listens on `shim.sock`, which only its owner may connect to.
fn listener(directory: &OwnedFd) -> Result<OwnedFd, Failure> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let make = || {
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        match rustix::fs::unlinkat(directory, "shim.sock", AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
        let before = rustix::process::umask(Mode::from_raw_mode(0o177));
        let bound = bind(&socket, &client::address(directory.as_fd())?);
        rustix::process::umask(before);
        bound?;
        listen(&socket, BACKLOG)?;
        Ok(socket)
    };
    make().map_err(Failure::system("listen on the pod's socket"))
}

/// The shim cannot serve: the first request is told why.
fn refuse(first: &OwnedFd, failure: &Failure) {
    if let Ok(Some(_)) = channel::receive::<Request>(first.as_fd(), RecvFlags::empty()) {
        let _ = channel::send(first.as_fd(), &failure.reply(), &[], SendFlags::DONTWAIT);
    }
}

//! The standard streams, and a terminal of the container's own.
//!
//! The terminal is made in the container's `devpts`, through the descriptor of that mount or one
//! whose file system is checked, so that an image cannot put its own `/dev/pts` or `/dev/ptmx` in
//! its place (CVE-2025-52565).

use super::Init;
use super::mounts::attach;
use super::root::Root;
use crate::beneath;
use crate::channel::{At, Channel, Report, Step};
use crate::error::Stage;
use crate::launch::Stdio;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::OpenTreeFlags;
use rustix::pty::OpenptFlags;
use std::path::Path;

/// Makes the terminal, sends its master to the parent, and puts the other side at `/dev/console`.
pub fn open(init: &Init<'_>, root: &Root) -> Step<OwnedFd> {
    let slave = make(init, root)?;
    let dev = beneath::handle(&root.fd, "/dev").at(Stage::Console, "/dev")?;
    let mode = Mode::from_raw_mode(0o620);
    match rustix::fs::mknodat(&dev, c"console", FileType::RegularFile, mode, 0) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error).at(Stage::Console, "/dev/console"),
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = rustix::fs::openat(&dev, c"console", flags, Mode::empty())
        .at(Stage::Console, "/dev/console")?;
    if beneath::kind(&place).at(Stage::Console, "/dev/console")? == FileType::Symlink {
        return Err(Errno::LOOP).at(Stage::Console, "/dev/console");
    }
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    rustix::mount::open_tree(&slave, c"", flags)
        .and_then(|tree| attach(&tree, place.as_fd()))
        .at(Stage::Console, "/dev/console")?;
    Ok(slave)
}

/// A terminal of the mounted `devpts`; its master goes to the parent.
fn make(init: &Init<'_>, root: &Root) -> Step<OwnedFd> {
    let master = match &root.devpts {
        Some(devpts) => beneath::open_on_mount(devpts, Path::new("ptmx"), FLAGS),
        None => beneath::open(&root.fd, Path::new("/dev/pts/ptmx"), FLAGS),
    };
    hand_over(master, init.plan.process.console_size, &init.channel)
}

/// A terminal of the container whose root is this process's.
pub fn make_in_own_root(size: Option<(u16, u16)>, channel: &Channel) -> Step<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(c"/", flags, Mode::empty()).at(Stage::Console, "/")?;
    let master = beneath::open(&root, Path::new("/dev/pts/ptmx"), FLAGS);
    hand_over(master, size, channel)
}

const FLAGS: OFlags = OFlags::RDWR.union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

fn hand_over(
    master: rustix::io::Result<OwnedFd>,
    size: Option<(u16, u16)>,
    channel: &Channel,
) -> Step<OwnedFd> {
    let name = "/dev/ptmx";
    let pair = master.and_then(|master| from_master(&master).map(|slave| (master, slave)));
    let (master, slave) = pair.at(Stage::Console, name)?;
    if let Some((rows, columns)) = size {
        resize(&master, rows, columns).at(Stage::Console, "size")?;
    }
    channel.report(&Report::Terminal(master)).at(Stage::Console, name)?;
    Ok(slave)
}

/// The other side of a master, which must be of a real `devpts`.
fn from_master(master: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    /// `DEVPTS_SUPER_MAGIC`
    const DEVPTS: i64 = 0x1cd1;
    /// Major number and minor of every `ptmx`.
    const PTMX: (u32, u32) = (5, 2);
    let status = rustix::fs::fstat(master)?;
    let number = (rustix::fs::major(status.st_rdev), rustix::fs::minor(status.st_rdev));
    if rustix::fs::fstatfs(master)?.f_type as i64 != DEVPTS
        || FileType::from_raw_mode(status.st_mode) != FileType::CharacterDevice
        || number != PTMX
    {
        return Err(Errno::NODEV);
    }
    rustix::pty::unlockpt(master)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    rustix::pty::ioctl_tiocgptpeer(master, flags)
}

/// Sets a terminal's size.
pub fn resize(terminal: impl AsFd, rows: u16, columns: u16) -> rustix::io::Result<()> {
    if (rows, columns) == (0, 0) {
        return Ok(());
    }
    let size =
        rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(terminal, size)
}

/// Puts the standard streams in their places. A terminal becomes the controlling one.
pub fn set_stdio(stdio: &Stdio, terminal: Option<&OwnedFd>, uid: u32) -> Step {
    let set = |input: &OwnedFd, output: &OwnedFd, error: &OwnedFd| {
        rustix::stdio::dup2_stdin(input)?;
        rustix::stdio::dup2_stdout(output)?;
        rustix::stdio::dup2_stderr(error)
    };
    match (stdio, terminal) {
        (Stdio::Terminal, Some(slave)) => {
            if uid != 0 {
                let owner = rustix::fs::Uid::from_raw(uid);
                rustix::fs::fchown(slave, Some(owner), None).at(Stage::Console, "owner")?;
            }
            rustix::process::ioctl_tiocsctty(slave).at(Stage::Console, "controlling terminal")?;
            set(slave, slave, slave).at(Stage::Stdio, "")
        }
        (Stdio::Descriptors([input, output, error]), _) => {
            set(input, output, error).at(Stage::Stdio, "")
        }
        (Stdio::Inherit | Stdio::Null | Stdio::Terminal, _) => Ok(()),
    }
}

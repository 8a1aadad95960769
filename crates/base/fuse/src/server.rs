//! The device, the mount, and the threads that answer.

use crate::answer::answer;
use crate::wire::{Request, WRITE_LIMIT_BYTES, head};
use crate::{ROOT, Tree};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, IoSlice, Result};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

/// Room for the largest request: nothing is written, but the kernel wants room for it.
const BUFFER_BYTES: usize = WRITE_LIMIT_BYTES as usize + 4096;

/// One file system.
#[derive(Debug)]
pub struct Server {
    device: OwnedFd,
}

impl Server {
    /// A new file system: the server, and a mount of it that is nowhere. It answers nothing, and
    /// nobody should look at it, until [`Server::serve`] runs.
    ///
    /// # Errors
    /// `ENOENT` without `/dev/fuse`, `EPERM` without the right to mount.
    pub fn new(source: &str) -> Result<(Self, OwnedFd)> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let device = rustix::fs::open(c"/dev/fuse", flags, Mode::empty())?;
        let context = rustix::mount::fsopen(c"fuse", FsOpenFlags::FSOPEN_CLOEXEC)?;
        let set = |key: &str, value: &str| rustix::mount::fsconfig_set_string(&context, key, value);
        set("source", source)?;
        set("fd", &device.as_raw_fd().to_string())?;
        set("rootmode", "40755")?;
        set("user_id", &rustix::process::geteuid().as_raw().to_string())?;
        set("group_id", &rustix::process::getegid().as_raw().to_string())?;
        for flag in ["default_permissions", "allow_other"] {
            rustix::mount::fsconfig_set_flag(&context, flag)?;
        }
        rustix::mount::fsconfig_create(&context)?;
        let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY;
        let mount = rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
        Ok((Self { device }, mount))
    }

    /// Answers by this many threads until the last mount has gone.
    pub fn serve(&self, tree: &dyn Tree, threads: usize) {
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| self.answer_all(tree));
            }
            self.answer_all(tree);
        });
    }

    fn answer_all(&self, tree: &dyn Tree) {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let length = match rustix::io::read(&self.device, &mut buffer[..]) {
                Ok(length) => length,
                // A request that was taken back before it was read.
                Err(Errno::NOENT | Errno::INTR | Errno::AGAIN) => continue,
                // The last mount has gone, or the connection was cut.
                Err(_) => return,
            };
            if let Some(request) = Request::parse(&buffer[..length]) {
                let Some(answer) = answer(tree, &request) else { continue };
                self.write(request.unique, answer);
            }
        }
    }

    /// An answer that nobody waits for any more is refused, which is as good.
    fn write(&self, unique: u64, answer: Result<Vec<u8>>) {
        let (error, bytes) = match answer {
            Ok(bytes) => (0, bytes),
            Err(errno) => (errno.raw_os_error(), Vec::new()),
        };
        let head = head(unique, error, bytes.len());
        let parts = [IoSlice::new(&head), IoSlice::new(&bytes)];
        let parts = if bytes.is_empty() { &parts[..1] } else { &parts[..] };
        let _ = rustix::io::writev(&self.device, parts);
    }
}

const _: () = assert!(ROOT == 1, "the kernel's own number");

//! Mount points that the image does not have.
//!
//! They lie in a layer of their own below all others, so that mounting makes nothing in the upper
//! directory and nothing has to be taken away afterwards. Only where the image hides that layer (a
//! directory that was removed and made again) the runtime makes a point itself; that one is taken
//! away if it is still empty, beneath a descriptor and without following anything.

use crate::beneath;
use crate::error::Cause;
use crate::step::Bind;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Links on the way to a mount point.
const LINK_LIMIT: u32 = 40;
/// Mount points of every container.
const ALWAYS: [&str; 3] = ["/proc", "/dev", "/sys"];

/// The layer of mount points.
#[derive(Debug)]
pub struct Stubs {
    /// Its directory.
    pub dir: PathBuf,
    made: Vec<PathBuf>,
}

/// Makes points for what the image does not have.
pub fn make(view: &OwnedFd, binds: &[Bind], dir: &Path, mtime: i64) -> Result<Stubs, Cause> {
    let mut made = Vec::new();
    let points = ALWAYS
        .iter()
        .map(|path| (*path, true))
        .chain(binds.iter().map(|bind| (bind.target.as_str(), bind.directory)));
    for (target, directory) in points {
        let path = Path::new(target);
        // Below /dev, /proc and /sys there are mounts already.
        let below = ALWAYS.iter().any(|outer| path != Path::new(outer) && path.starts_with(outer));
        if below || super::exists(view, path) {
            continue;
        }
        let path = resolve(view, path);
        put(dir, &path, directory, mtime)
            .map_err(|source| Cause::io("make a mount point in", dir, source))?;
        made.push(path);
    }
    Ok(Stubs { dir: dir.to_owned(), made })
}

/// The path that a container comes to, links of the image followed.
fn resolve(view: &OwnedFd, path: &Path) -> PathBuf {
    let mut pending: Vec<Vec<u8>> = parts(path);
    let mut done = PathBuf::from("/");
    let mut links = 0;
    while let Some(part) = pending.pop() {
        if part == b".." {
            done.pop();
            continue;
        }
        let next = done.join(OsStr::from_bytes(&part));
        let link = beneath::open_plain(view, &next, OFlags::PATH)
            .ok()
            .and_then(|handle| rustix::fs::readlinkat(&handle, "", Vec::new()).ok());
        match link {
            Some(target) if links < LINK_LIMIT => {
                links += 1;
                let target = Path::new(OsStr::from_bytes(target.as_bytes()));
                if target.is_absolute() {
                    done = PathBuf::from("/");
                }
                pending.extend(parts(target));
            }
            _ => done = next,
        }
    }
    done
}

/// Components, last first.
fn parts(path: &Path) -> Vec<Vec<u8>> {
    let part = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.as_bytes().to_vec()),
        Component::ParentDir => Some(b"..".to_vec()),
        _ => None,
    };
    let mut parts: Vec<_> = path.components().filter_map(part).collect();
    parts.reverse();
    parts
}

/// The directory is ours and empty but for what this function made: paths are safe in it.
fn put(dir: &Path, path: &Path, directory: bool, mtime: i64) -> std::io::Result<()> {
    let relative = path.strip_prefix("/").unwrap_or(path);
    let full = dir.join(relative);
    if directory {
        std::fs::create_dir_all(&full)?;
    } else {
        if let Some(parent) = full.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::OpenOptions::new().create(true).append(true).open(&full)?;
    }
    let time =
        std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(mtime.unsigned_abs());
    for path in full.ancestors().take_while(|path| path.starts_with(dir)) {
        std::fs::File::open(path)?.set_modified(time)?;
    }
    Ok(())
}

impl Stubs {
    /// Takes away points that had to be made in the upper directory.
    pub fn clean(&self, upper: &Path) -> Result<(), Cause> {
        let fail = |errno| Cause::io("clean", upper, errno);
        let root = rustix::fs::openat(
            rustix::fs::CWD,
            upper,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )
        .map_err(fail)?;
        for path in &self.made {
            let parent = path.parent().unwrap_or_else(|| Path::new("/"));
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            let Ok(parent) = beneath::open_plain(&root, parent, flags) else { continue };
            let Some(name) = path.file_name() else { continue };
            let Ok(stat) = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            let before = rustix::fs::fstat(&parent).map_err(fail)?;
            let removed = match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR),
                FileType::RegularFile if stat.st_size == 0 => {
                    rustix::fs::unlinkat(&parent, name, AtFlags::empty())
                }
                _ => continue,
            };
            match removed {
                Ok(()) => beneath::restore_times(&parent, &before).map_err(fail)?,
                Err(Errno::NOTEMPTY | Errno::EXIST) => {}
                Err(errno) => return Err(fail(errno)),
            }
        }
        Ok(())
    }
}

//! Users and groups by name, looked up in the container's own files.
//!
//! `/etc/passwd` and `/etc/group` belong to the image, so they are hostile: opened beneath a
//! descriptor of the root (no link leads out, CVE-2024-9676), only as regular files, read up to a
//! bound, and ids are accepted only from 0 to 2147483647 (a larger one would wrap around to root in
//! tools that use 32 signed bits, CVE-2024-40635). Which line wins is what Docker does: the first;
//! a number is an id even where a user has that name.

use rustix::fs::{FileType, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

mod lookup;
#[cfg(test)]
mod tests;

/// Largest file read, in bytes.
const MAX_FILE_BYTES: u64 = 8 << 20;

/// Largest id accepted.
pub const MAX_ID: u32 = i32::MAX.cast_unsigned();

/// Who runs, by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Supplementary groups, the primary one first.
    pub additional_gids: Vec<u32>,
    /// Home directory, `/` when nobody says.
    pub home: String,
    /// Name, where the id has one.
    pub name: Option<String>,
}

impl From<User> for teu_oci::runtime::process::User {
    fn from(user: User) -> Self {
        Self { uid: user.uid, gid: user.gid, umask: None, additional_gids: user.additional_gids }
    }
}

/// Why a user could not be found.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("unable to find user {0}: no matching entries in passwd file")]
    NoUser(String),
    #[error("unable to find group {0}: no matching entries in group file")]
    NoGroup(String),
    #[error("{0}: uids and gids must be in range 0-2147483647")]
    Range(String),
    #[error("the entry of {name:?} in {file} has no valid numbers")]
    Malformed { name: String, file: &'static str },
    #[error("{0} of the container is not a regular file")]
    NotRegular(&'static str),
    #[error("{0} of the container is larger than 8 MiB")]
    TooLarge(&'static str),
    #[error("reading {file} of the container")]
    Read { file: &'static str, source: std::io::Error },
}

/// Looks up `user[:group]` and further groups beneath a root; an empty `user` is root.
pub fn resolve(root: impl AsFd, user: &str, additional: &[String]) -> Result<User, Error> {
    let passwd = read(&root, "etc/passwd", "/etc/passwd")?;
    // Nobody asks for groups: plain numbers need no second file unless the user has a name.
    let group = read(&root, "etc/group", "/etc/group")?;
    lookup::user(passwd.as_deref(), group.as_deref(), user, additional)
}

/// Owner of copied files, `user[:group]`: without a group, its number is that of the user.
pub fn owner(root: impl AsFd, owner: &str) -> Result<(u32, u32), Error> {
    let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
    let uid = match lookup::number(user)? {
        Some(uid) => uid,
        None => {
            let passwd = read(&root, "etc/passwd", "/etc/passwd")?;
            lookup::user(passwd.as_deref(), None, user, &[])?.uid
        }
    };
    if group.is_empty() {
        return Ok((uid, uid));
    }
    let gid = match lookup::number(group)? {
        Some(gid) => gid,
        None => lookup::group(read(&root, "etc/group", "/etc/group")?.as_deref(), group)?,
    };
    Ok((uid, gid))
}

/// The text of a file beneath the root; none where it does not exist. Bytes that are no UTF-8 are
/// replaced: a name with them cannot be asked for.
fn read(root: impl AsFd, path: &str, file: &'static str) -> Result<Option<String>, Error> {
    let failed = |errno: Errno| Error::Read { file, source: errno.into() };
    // Not to be stopped by a fifo, nor given a terminal.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let opened = match teu_sys::beneath::openat2(&root, path, flags, resolve) {
        Ok(opened) => opened,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(errno) => return Err(failed(errno)),
    };
    let stat = rustix::fs::fstat(&opened).map_err(failed)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Error::NotRegular(file));
    }
    let mut bytes = Vec::new();
    File::from(opened)
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::Read { file, source })?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Error::TooLarge(file));
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

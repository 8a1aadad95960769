//! Names: unique because a name is a link that can be made only once.
//!
//! `data/names/<name>` is a symbolic link whose text is `<pod>` or `<pod>/<container>`. A name is
//! taken together with the rename that publishes its bearer, under the lock of the directory; a
//! link whose bearer does not exist was left by a killed command and is free.

use crate::disk::{self, DirLock};
use crate::{Containers, Error, Result};
use rustix::io::Errno;
use std::fs;
use std::path::PathBuf;

mod words;

/// Longest name; Docker has no bound, file systems have this one.
const NAME_LIMIT_BYTES: usize = 255;
/// Names that are tried before a number is put behind one.
const GENERATED_TRIES: usize = 10;

/// Who bears a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bearer {
    /// The pod.
    pub pod: String,
    /// The container, unless it is the pod's own name.
    pub container: Option<String>,
}

impl Bearer {
    fn parse(text: &str) -> Option<Self> {
        let (pod, container) = match text.split_once('/') {
            Some((pod, container)) => (pod, Some(container)),
            None => (text, None),
        };
        let fits = disk::is_id(pod) && container.is_none_or(disk::is_id);
        fits.then(|| Self { pod: pod.to_owned(), container: container.map(str::to_owned) })
    }

    fn id(&self) -> &str {
        self.container.as_deref().unwrap_or(&self.pod)
    }
}

impl std::fmt::Display for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.container {
            Some(container) => write!(f, "{}/{container}", self.pod),
            None => f.write_str(&self.pod),
        }
    }
}

/// A container's name in Docker's grammar: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, with a leading slash
/// forgiven.
pub(crate) fn check(name: &str) -> Result<&str> {
    let bare = check_pod(name).ok().filter(|bare| bare.len() > 1);
    bare.ok_or_else(|| Error::InvalidName(name.to_owned()))
}

/// A pod's name in Podman's grammar, and Kubernetes': one letter is enough.
pub(crate) fn check_pod(name: &str) -> Result<&str> {
    let bare = name.strip_prefix('/').unwrap_or(name);
    let word = |b: u8| b.is_ascii_alphanumeric();
    let fits = (1..=NAME_LIMIT_BYTES).contains(&bare.len())
        && bare.bytes().next().is_some_and(word)
        && bare.bytes().all(|b| word(b) || matches!(b, b'_' | b'.' | b'-'));
    if fits { Ok(bare) } else { Err(Error::InvalidPodName(name.to_owned())) }
}

/// `adjective_surname`, with a number when a plain one seems hard to find.
fn generate(attempt: usize) -> String {
    let mut bytes = [0_u8; 6];
    disk::random(&mut bytes);
    let pick = |list: &[&'static str], at: usize| {
        list[usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]])) % list.len()]
    };
    let mut name = format!("{}_{}", pick(words::ADJECTIVES, 0), pick(words::SURNAMES, 2));
    if attempt >= GENERATED_TRIES {
        name.push_str(&(u16::from_le_bytes([bytes[4], bytes[5]]) % 1000).to_string());
    }
    name
}

/// The directory of names, locked: names do not change while this lives.
pub(crate) struct Names<'a> {
    containers: &'a Containers,
    _lock: Option<DirLock>,
}

impl Containers {
    /// Waits until nobody else changes names.
    pub(crate) fn lock_names(&self) -> Result<Names<'_>> {
        let lock = DirLock::wait(&self.home.data.join("names"))?;
        Ok(Names { containers: self, _lock: lock })
    }

    fn name_path(&self, name: &str) -> PathBuf {
        self.home.data.join("names").join(name)
    }

    /// Who bears the name, if somebody does who exists.
    pub(crate) fn bearer(&self, name: &str) -> Result<Option<Bearer>> {
        let Ok(name) = check_pod(name) else { return Ok(None) };
        let path = self.name_path(name);
        let text = match rustix::fs::readlink(&path, Vec::new()) {
            Ok(text) => text,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(Error::sys("read", &path)(errno)),
        };
        let bearer = text.to_str().ok().and_then(Bearer::parse);
        Ok(bearer.filter(|bearer| self.exists(bearer)))
    }

    fn exists(&self, bearer: &Bearer) -> bool {
        match &bearer.container {
            Some(container) => self.home.container(&bearer.pod, container).is_dir(),
            None => self.home.pod(&bearer.pod).is_dir(),
        }
    }
}

impl Names<'_> {
    /// Gives a name to somebody who may not exist yet; `None` for one that is made up.
    pub(crate) fn take(&self, name: Option<&str>, bearer: &Bearer) -> Result<String> {
        let Some(name) = name else { return self.take_generated(bearer) };
        let name = match bearer.container {
            Some(_) => check(name)?,
            None => check_pod(name)?,
        };
        if let Some(other) = self.containers.bearer(name)? {
            return Err(Error::NameInUse { name: name.to_owned(), id: other.id().to_owned() });
        }
        self.link(name, bearer)?;
        Ok(name.to_owned())
    }

    fn take_generated(&self, bearer: &Bearer) -> Result<String> {
        let mut attempt = 0;
        loop {
            let name = generate(attempt);
            if self.containers.bearer(&name)?.is_none() {
                self.link(&name, bearer)?;
                return Ok(name);
            }
            attempt += 1;
        }
    }

    fn link(&self, name: &str, bearer: &Bearer) -> Result<()> {
        let path = self.containers.name_path(name);
        loop {
            match rustix::fs::symlink(bearer.to_string().as_str(), &path) {
                Ok(()) => return Ok(()),
                Err(Errno::EXIST) => {
                    fs::remove_file(&path).map_err(Error::io("replace", &path))?;
                }
                Err(errno) => return Err(Error::sys("create", &path)(errno)),
            }
        }
    }

    /// Frees a name, if it is the bearer's.
    pub(crate) fn free(&self, name: &str, bearer: &Bearer) {
        let path = self.containers.name_path(name);
        let text = rustix::fs::readlink(&path, Vec::new()).ok();
        if text.is_some_and(|text| text.to_bytes() == bearer.to_string().as_bytes()) {
            let _ = fs::remove_file(&path);
        }
    }

    /// Frees every name whose bearer does not exist.
    pub(crate) fn sweep(&self) -> Result<()> {
        let dir = self.containers.home.data.join("names");
        for entry in fs::read_dir(&dir).map_err(Error::io("list", &dir))?.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if self.containers.bearer(&name)?.is_none() {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

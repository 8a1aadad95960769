//! The words of a mount's options, runtime-spec "Linux mount options": attributes, propagation,
//! flags of the super block, and data for the file system.

use std::path::{Component, Path, PathBuf};
use teu_sys::mount::{MountAttributes as A, Propagation};

/// What the words of one mount mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Attributes of the mount itself.
    pub set: A,
    /// Cleared first.
    pub clear: A,
    /// Attributes of it and all beneath.
    pub set_recursive: A,
    /// Cleared first.
    pub clear_recursive: A,
    /// In order, and whether recursively.
    pub propagation: Vec<(Propagation, bool)>,
    /// A bind; true when recursive.
    pub bind: Option<bool>,
    /// Changes what is mounted there.
    pub remount: bool,
    /// A tmpfs starts with what it covers.
    pub copy_up: bool,
    /// Id-mapped; true when recursive.
    pub idmap: Option<bool>,
    /// Keys of the file system or super block, with their values.
    pub data: Vec<(String, Option<String>)>,
}

/// A path without `.` and `..`, absolute: what it means in a container, links aside.
#[must_use]
pub fn clean(path: &str) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            _ => {}
        }
    }
    clean
}

/// The words of propagation.
#[must_use]
pub fn propagation(word: &str) -> Option<(Propagation, bool)> {
    Some(match word {
        "shared" => (Propagation::Shared, false),
        "rshared" => (Propagation::Shared, true),
        "slave" => (Propagation::Slave, false),
        "rslave" => (Propagation::Slave, true),
        "private" => (Propagation::Private, false),
        "rprivate" => (Propagation::Private, true),
        "unbindable" => (Propagation::Unbindable, false),
        "runbindable" => (Propagation::Unbindable, true),
        _ => return None,
    })
}

/// What an attribute's word sets and clears.
fn attribute(word: &str) -> Option<(A, A)> {
    Some(match word {
        "ro" => (A::RDONLY, A::NONE),
        "rw" => (A::NONE, A::RDONLY),
        "nosuid" => (A::NOSUID, A::NONE),
        "suid" => (A::NONE, A::NOSUID),
        "nodev" => (A::NODEV, A::NONE),
        "dev" => (A::NONE, A::NODEV),
        "noexec" => (A::NOEXEC, A::NONE),
        "exec" => (A::NONE, A::NOEXEC),
        "nodiratime" => (A::NODIRATIME, A::NONE),
        "diratime" => (A::NONE, A::NODIRATIME),
        "nosymfollow" => (A::NOSYMFOLLOW, A::NONE),
        "symfollow" => (A::NONE, A::NOSYMFOLLOW),
        "noatime" => (A::NOATIME, A::ATIME),
        "strictatime" => (A::STRICTATIME, A::ATIME),
        "relatime" | "atime" | "norelatime" | "nostrictatime" => (A::RELATIME, A::ATIME),
        _ => return None,
    })
}

impl Options {
    /// Reads the words in order; later ones win.
    #[must_use]
    pub fn parse(words: &[String]) -> Self {
        let mut options = Self::default();
        for word in words {
            options.take(word);
        }
        options
    }

    fn take(&mut self, word: &str) {
        if let Some((set, clear)) = attribute(word) {
            change(&mut self.set, &mut self.clear, set, clear);
            return;
        }
        if let Some((set, clear)) = word.strip_prefix('r').and_then(attribute) {
            change(&mut self.set_recursive, &mut self.clear_recursive, set, clear);
            return;
        }
        if let Some(propagation) = propagation(word) {
            self.propagation.push(propagation);
            return;
        }
        match word {
            "bind" => self.bind = Some(self.bind.unwrap_or(false)),
            "rbind" => self.bind = Some(true),
            "remount" => self.remount = true,
            "tmpcopyup" => self.copy_up = true,
            "idmap" => self.idmap = Some(false),
            "ridmap" => self.idmap = Some(true),
            // Defaults of the kernel, and words for other programs.
            "" | "defaults" | "async" | "nomand" | "noiversion" | "nolazytime" | "loud"
            | "silent" | "auto" | "noauto" | "user" | "nouser" | "_netdev" | "nofail" => {}
            _ => match word.split_once('=') {
                Some((key, value)) => self.data.push((key.to_owned(), Some(value.to_owned()))),
                None => self.data.push((word.to_owned(), None)),
            },
        }
    }
}

fn change(all_set: &mut A, all_clear: &mut A, set: A, clear: A) {
    *all_clear |= clear;
    *all_set = all_set.without(clear) | set;
    // What is set need not be cleared, but for the field of access times, which is cleared whole.
    if clear.is_empty() {
        *all_clear = all_clear.without(set.without(A::ATIME));
    }
}

#[cfg(test)]
mod tests;

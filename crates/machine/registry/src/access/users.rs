//! Users and passwords: an htpasswd file, read again when it changes.
//!
//! Only bcrypt is taken: what else htpasswd can write is guessed in no time. A password that was
//! found right is remembered for a while by its mark under a key of this process, for bcrypt is slow
//! on purpose and clients come often.

use super::token::Tokens;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Bytes of the file.
const FILE_BYTES: u64 = 16 << 20;
/// How long a password that was right is believed without asking bcrypt.
const REMEMBERED: Duration = Duration::from_secs(300);
/// Passwords that are remembered.
const REMEMBERED_MOST: usize = 4096;
/// Bytes of a password beyond which bcrypt would not look.
const PASSWORD_BYTES: usize = 72;
/// Of a password that nobody has, so that names that do not exist take as long as others.
const NOBODY: &str = "$2b$10$7EqJtq98hPqEX7fNZaFWoOhi5B0dYV8RAnfQ0qnEHFXrmbC5KQfZe";

/// Why the users cannot be known.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A line is no user.
    #[error(
        "{}:{line}: expected NAME:HASH with a bcrypt hash ($2y$…), as `htpasswd -B` writes it",
        path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// The users of a file.
#[derive(Debug)]
pub struct Users {
    path: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    changed: Option<SystemTime>,
    hashes: HashMap<String, String>,
    right: HashMap<Vec<u8>, Instant>,
}

impl Users {
    /// Reads the file.
    pub fn open(path: &Path) -> Result<Self, UsersError> {
        let users = Self { path: path.to_path_buf(), known: Mutex::default() };
        users.refresh()?;
        Ok(users)
    }

    fn refresh(&self) -> Result<(), UsersError> {
        let io = |source| UsersError::Io { path: self.path.clone(), source };
        let found = std::fs::metadata(&self.path).map_err(io)?;
        let changed = found.modified().ok();
        if found.len() > FILE_BYTES {
            return Err(io(std::io::ErrorKind::FileTooLarge.into()));
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.changed.is_some() && known.changed == changed {
            return Ok(());
        }
        let text = std::fs::read_to_string(&self.path).map_err(io)?;
        let hashes =
            parse(&text).map_err(|line| UsersError::Line { path: self.path.clone(), line })?;
        *known = Known { changed, hashes, right: HashMap::new() };
        Ok(())
    }

    /// Says whether this is the user's password. Slow on purpose; blocks.
    pub fn verify(&self, user: &str, password: &str, marks: &Tokens) -> Result<bool, UsersError> {
        self.refresh()?;
        let hash = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.hashes.get(user).cloned()
        };
        let hash_text = hash.as_deref().unwrap_or(NOBODY);
        let mark = marks.mark(format!("{user}\0{password}\0{hash_text}").as_bytes());
        if hash.is_some() && self.is_remembered(&mark) {
            return Ok(true);
        }
        let is_right = password.len() <= PASSWORD_BYTES
            && bcrypt::verify(password, hash_text).unwrap_or(false)
            && hash.is_some();
        if is_right {
            self.remember(mark);
        }
        Ok(is_right)
    }

    fn is_remembered(&self, mark: &[u8]) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.right.get(mark).is_some_and(|at| at.elapsed() < REMEMBERED)
    }

    fn remember(&self, mark: Vec<u8>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.right.retain(|_, at| at.elapsed() < REMEMBERED);
        if known.right.len() >= REMEMBERED_MOST {
            known.right.clear();
        }
        known.right.insert(mark, Instant::now());
    }
}

/// Reads the lines; the number of the first that is wrong.
fn parse(text: &str) -> Result<HashMap<String, String>, usize> {
    let mut users = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, hash) = line.split_once(':').ok_or(number + 1)?;
        let is_bcrypt = ["$2y$", "$2b$", "$2a$"].iter().any(|start| hash.starts_with(start));
        if name.is_empty() || !is_bcrypt || hash.len() != NOBODY.len() {
            return Err(number + 1);
        }
        users.insert(name.to_owned(), hash.to_owned());
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_right_or_wrong_and_the_file_is_read_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("users");
        let hash = |password: &str| bcrypt::hash(password, 4).expect("a hash");
        std::fs::write(&path, format!("# ours\nann:{}\n", hash("secret"))).expect("written");
        let users = Users::open(&path).expect("users");
        let marks = Tokens::new();
        let check = |user: &str, password: &str, expected: bool| {
            for _ in 0..2 {
                let found = users.verify(user, password, &marks).expect("read");
                assert_eq!(found, expected, "{user} {password}");
            }
        };
        check("ann", "secret", true);
        check("ann", "Secret", false);
        check("ann", "", false);
        check("bob", "secret", false);
        check("ann", &"s".repeat(1000), false);
        std::fs::write(&path, format!("ann:{}\n", hash("other"))).expect("written");
        let later = SystemTime::now() + Duration::from_secs(5);
        let file = std::fs::File::options().write(true).open(&path).expect("opened");
        file.set_modified(later).expect("touched");
        check("ann", "secret", false);
        check("ann", "other", true);
    }

    #[test]
    fn weak_hashes_and_nonsense_are_refused_by_line() {
        let check = |text: &str, expected: usize| assert_eq!(parse(text), Err(expected), "{text}");
        check("ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", 1);
        check("\n# x\nann", 3);
        check("ann:$apr1$x$y", 1);
        check(&format!(":{NOBODY}"), 1);
        assert!(parse(&format!("a:{NOBODY}\n")).is_ok());
    }
}

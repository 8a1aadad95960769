//! Who may do what.
//!
//! Users and passwords come from an htpasswd file (bcrypt only); they prove themselves with each
//! request (`basic`), or fetch a short-lived token from the registry itself first (`token`, Docker's
//! flow). What a user may do follows from rules, which only ever add rights. Without a file of users,
//! everybody may do everything: that is for the loopback.

use crate::config::{Auth, ConfigError};
use crate::name::Name;
use serde::Deserialize;
use std::path::PathBuf;

mod gate;
mod token;
mod users;

pub(crate) use gate::Door;
pub use gate::{Gate, Who};
pub use token::{Claim, Tokens};
pub use users::{Users, UsersError};

/// How users prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Name and password with each request.
    Basic,
    /// A token, for which name and password are shown once in a while.
    Token,
}

/// What can be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Read.
    Pull,
    /// Write.
    Push,
    /// Delete.
    Delete,
}

impl Right {
    /// As tokens name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        }
    }
}

const ALL: [Right; 3] = [Right::Pull, Right::Push, Right::Delete];

/// Some users may do something in some repositories.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// Patterns: `*` stands for any part of a component, `**` for anything.
    pub repositories: Vec<String>,
    /// Names; `*` for all who have one, `anonymous` for all who have none.
    pub users: Vec<String>,
    /// What they may.
    pub rights: Vec<Right>,
}

/// Name of those without one, in rules.
const ANONYMOUS: &str = "anonymous";

impl Rule {
    fn is_about(&self, user: Option<&str>, repository: &Name) -> bool {
        let is_user = |wanted: &String| match user {
            Some(user) => wanted == "*" || wanted == user,
            None => wanted == ANONYMOUS,
        };
        self.users.iter().any(is_user)
            && self.repositories.iter().any(|p| fits(p.as_bytes(), repository.as_str().as_bytes()))
    }
}

/// Matches a pattern; the time is bounded by the product of the lengths.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    // Which positions of the text the pattern can have come to so far.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut rest = pattern;
    while let Some((&first, after)) = rest.split_first() {
        if first == b'*' {
            let is_any = after.first() == Some(&b'*');
            for at in 0..text.len() {
                if reached[at] && (is_any || text[at] != b'/') {
                    reached[at + 1] = true;
                }
            }
            rest = if is_any { &after[1..] } else { after };
            continue;
        }
        for at in (0..text.len()).rev() {
            reached[at + 1] = reached[at] && text[at] == first;
        }
        reached[0] = false;
        rest = after;
    }
    reached[text.len()]
}

/// The rights of users.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    rules: Vec<Rule>,
    anonymous_read: bool,
}

impl Rights {
    /// What a user (none: anonymous) may do in a repository.
    pub fn of(&self, user: Option<&str>, repository: &Name) -> Vec<Right> {
        let mut rights: Vec<Right> = match user {
            Some(_) if self.rules.is_empty() => ALL.to_vec(),
            _ => {
                let about = self.rules.iter().filter(|rule| rule.is_about(user, repository));
                about.flat_map(|rule| rule.rights.iter().copied()).collect()
            }
        };
        if self.anonymous_read {
            rights.push(Right::Pull);
        }
        rights.sort_unstable();
        rights.dedup();
        rights
    }

    /// Says whether there is anything for those without a name.
    pub fn welcomes_anonymous(&self) -> bool {
        let names = |rule: &Rule| rule.users.iter().any(|user| user == ANONYMOUS);
        self.anonymous_read || self.rules.iter().any(names)
    }
}

/// What access control needs to know.
#[derive(Debug, Clone)]
pub struct Access {
    /// The file of users.
    pub htpasswd: PathBuf,
    /// How they prove themselves.
    pub mode: Mode,
    /// What they may do.
    pub rights: Rights,
}

impl Access {
    /// Puts the settings together.
    pub fn of(auth: &Auth, rules: &[Rule]) -> Result<Self, ConfigError> {
        let rights = Rights { rules: rules.to_vec(), anonymous_read: auth.anonymous_read };
        let is_open = rights.welcomes_anonymous();
        let mode = auth.mode.unwrap_or(if is_open { Mode::Token } else { Mode::Basic });
        if is_open && mode == Mode::Basic {
            // Clients log in only where they are asked to at first, and then always.
            return Err(ConfigError::Together(
                "anonymous access needs auth.mode = \"token\": with \"basic\", clients would never \
                 show a name where they can come without",
            ));
        }
        Ok(Self { htpasswd: auth.htpasswd.clone(), mode, rights })
    }
}

#[cfg(test)]
mod tests;

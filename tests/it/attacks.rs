//! The security checklist (`docs/security.md`), row by row: each test performs the attack on the
//! real binary and sees it fail. A row that needs a finer hand is attacked inside its crate.

mod content;
mod exhaustion;
mod host;
mod mounts;
mod privilege;

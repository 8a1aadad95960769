//! Behaviour of the OCI runtime, field by field, through its command line and as root; of control
//! groups and filters also through the library. They touch only what they made.
//!
//! The subject is chosen by `SUBJECT=teu|runc` (teu without it): every expectation here is met by
//! runc, too, which `oracle` sees to, but for those marked as newer than Debian's.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test stops and says where")]

mod attacks;
mod cgroups;
mod exec;
mod filters;
mod hierarchies;
mod lifecycle;
mod mounts;
mod namespaces;
mod oracle;
mod overlay;
mod process;
mod world;

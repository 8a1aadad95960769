//! A bundle becomes a process: Teu's own implementation of the OCI runtime-spec.
//!
//! The caller is single-threaded and decides everything before the fork: a launch is first turned
//! into a plan of plain data, then a child made by `clone3` walks through it with system calls only.

#![forbid(unsafe_code)]

pub mod cgroup;
pub mod defaults;
pub mod seccomp;
pub mod users;

//! Tests against the kernel; they need root, and touch only what they made.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test stops and says where")]

mod cgroups;
mod filters;

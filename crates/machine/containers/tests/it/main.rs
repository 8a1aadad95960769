//! Containers on a real kernel: needs root, busybox, and nothing of the network outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod neck;
mod shim;

//! Containers on a real kernel: needs root, busybox, and nothing of the network outside.

mod neck;
mod shim;

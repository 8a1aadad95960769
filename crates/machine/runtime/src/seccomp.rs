//! Profiles of allowed system calls, compiled to the BPF program the kernel takes.

//! Suites of real clients against the real binary; see `it/main.rs`.

#![forbid(unsafe_code)]

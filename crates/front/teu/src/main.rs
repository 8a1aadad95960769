//! The `teu` binary.
fn main() {}

//! Shims spoken to directly: records written by hand, requests over their socket.

mod lives;
mod streams;
mod world;

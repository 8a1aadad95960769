//! Shims spoken to directly: records written by hand, requests over their socket.

mod health;
mod lives;
mod network;
mod pods;
mod streams;
mod world;

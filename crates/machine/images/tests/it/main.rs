//! The store on a real disk, as root, against the tools of others.

#![forbid(unsafe_code)]

mod archives;
mod collection;
mod crash;
mod hostile;
mod layers;
mod store;
mod support;

//! The neck as commands use it: images, containers, shims, all real, in a home of its own.

mod copies;
mod creation;
mod faults;
mod life;
mod pods;
mod volumes;
mod world;

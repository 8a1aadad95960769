//! `teu registry` in use: other people's clients, and faults. Issue 3, must show 1 and section 3.

mod access;
mod cache;
mod cache_faults;
mod clients;
mod faults;
mod local;
mod objects;
mod page;

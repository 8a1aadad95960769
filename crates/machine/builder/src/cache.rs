//! A cache that travels: steps of a build, and the layers they became, for the next machine.
//!
//! It has the field's own form ([`document`]), so that registries, and tools that list or copy it,
//! know it. A step's name in it is the key that this builder has for it, which no other builder
//! makes: BuildKit reads such a cache and finds nothing of its own in it, and the other way round.
//!
//! What is imported is believed as far as a base image of the same place is: its layers are hashed,
//! checked against their diffIDs, and unpacked as those of any image.

pub mod document;
pub mod export;
pub mod import;

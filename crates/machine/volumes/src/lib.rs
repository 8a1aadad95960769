//! Named and anonymous volumes: directories that outlive containers.
//!
//! A volume is `volumes/<name>/` with `_data` (what is mounted) and `volume.json` (what was asked
//! for). It appears by one rename, so half a volume is never seen; it goes by a rename to a name
//! that no volume can have, so half a removal is finished by the next command. Who uses a volume is
//! written in the records of containers, not here.
//!
//! Paths below `_data` belong to containers: they are only ever walked beneath a descriptor
//! ([`Volume::subpath`], CVE-2017-1002101, CVE-2021-25741).

#![forbid(unsafe_code)]

mod copy_up;
mod error;
mod options;
mod store;
mod subpath;

pub use copy_up::CopyReport;
pub use error::{Error, Result};
pub use options::Backing;
pub use store::{Volume, VolumeRecord, VolumeSpec, Volumes, disk_bytes};

#[cfg(test)]
mod tests;

//! Names as they were called while this crate was being written; use them from the crate's root.

pub use crate::commit::CommitRequest;
pub use crate::copy::CopyOptions;
pub use crate::diff::Change;
pub use crate::remove::Pruned;
pub use crate::shelf::Found;
pub use crate::top::Processes;
pub use crate::volume::VolumeUsage;

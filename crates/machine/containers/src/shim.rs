//! The shim: parent of one pod's processes. See [`protocol`] for what it is asked.

pub mod protocol;

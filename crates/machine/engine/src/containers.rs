//! `/containers` and `/exec`.

pub mod archive;
pub mod attach;
pub mod commit;
pub mod create;
pub mod exec;
pub mod inspect;
pub mod lifecycle;
pub mod list;
pub mod logs;
pub(crate) mod pump;
pub mod stats;
pub mod update;
pub mod wait;
pub mod websocket;

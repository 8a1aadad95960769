//! What leads elsewhere: pods, services and nodes behind the server, a node's part in a pod's log,
//! exec and ports; and what somebody could try with that.

mod attacks;
mod behind;
mod nodes;
mod pods;

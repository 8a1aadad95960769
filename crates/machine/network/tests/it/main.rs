//! Networks on a real kernel. Every test makes its thread a "host" of its own by leaving for a new
//! network namespace, so that the machine's network is never touched, tests run side by side, and
//! what they forget goes with the thread. Needs root.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod connect;
mod isolation;
mod leaving;
mod life;
mod publish;
mod support;

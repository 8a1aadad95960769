//! Suites of the store: every backend against the contract, and against faults.

mod embedded;
mod kill;
mod power;

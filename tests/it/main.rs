//! One integration-test binary; one module per subject. Every test drives the real `teu` binary in
//! a home of its own ([`world::World`]) and leaves nothing behind.
//!
//! `TEU` names the binary (default: the debug build beside this test), `TEU_TEST_IMAGES` the folder
//! with the archives that `scripts/images` makes. Everything runs as root, or says that it cannot.

mod apps;
mod attacks;
mod attest;
mod auto_update;
mod browser;
mod builds;
mod buildx;
mod cli_formats;
mod cli_life;
mod cli_streams;
mod cli_usage;
mod compose;
mod conformance;
mod copy;
mod distribution;
mod doctor;
mod engine;
mod exchange;
mod faulty;
mod go_client;
mod helm;
mod kube_play;
mod kube_rs;
mod lazy;
mod networks;
mod peers;
mod podman;
mod pods;
mod registry;
mod registry_server;
mod remote;
mod remote_access;
mod remote_faults;
mod remote_own;
mod remote_trust;
mod remote_ways;
mod rootless;
mod units;
mod world;

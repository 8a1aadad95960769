//! `teu registry` against Debian's `docker-registry`: pushes and pulls of large and of many blobs,
//! many readers of one manifest, and what it takes in memory.
//!
//! Both serve from a folder on the same disk, to the same client, in turns. The client does what
//! real ones do: four connections, `POST`, `PATCH`, `PUT` for each blob, then the manifest.

use super::super::measure::Samples;
use super::super::{Row, World};
use super::rows;
use anyhow::Result;
use std::time::Instant;

mod client;
mod server;

use client::{Blob, Client};
use server::Server;

/// Bytes of a large image, in so many blobs.
const LARGE: (usize, usize) = (120 << 20, 8);
/// Bytes of a small layer, and how many.
const SMALL: (usize, usize) = (10 << 10, 500);
/// Readers of one manifest at a time.
const READERS: usize = 1000;
/// A round of the large ones moves a quarter of a gigabyte for each.
const ROUNDS_MAX: usize = 6;

pub fn run(world: &World<'_>) -> Result<Vec<Row>> {
    let mut servers = vec![("teu registry", Server::teu(world)?)];
    if world.options.has("docker-registry") {
        servers.push(("docker-registry", Server::docker(world)?));
    }
    let large: Vec<Blob> = (0..LARGE.1).map(|n| Blob::new(LARGE.0 / LARGE.1, n)).collect();
    let small: Vec<Blob> = (0..SMALL.1).map(|n| Blob::new(SMALL.0, n)).collect();
    let cases = [
        "push 120 MB in 8 blobs",
        "pull 120 MB in 8 blobs",
        "push 500 layers of 10 KiB",
        "pull 500 layers of 10 KiB",
        "1000 manifests to 1000 connections",
    ];
    let mut samples = vec![vec![Samples::default(); servers.len()]; cases.len()];
    for round in 0..world.options.rounds.min(ROUNDS_MAX) + 1 {
        for (at, (_, server)) in servers.iter().enumerate() {
            let client = Client::new(&server.address);
            let mut time = |case: usize, work: &dyn Fn() -> Result<()>| -> Result<()> {
                let begun = Instant::now();
                work()?;
                // The first round warms up.
                if round > 0 {
                    samples[case][at].add(begun.elapsed());
                }
                Ok(())
            };
            let (first, second) = (format!("large{round}"), format!("small{round}"));
            time(0, &|| client.push(&first, &large))?;
            time(1, &|| client.pull(&first, &large))?;
            time(2, &|| client.push(&second, &small))?;
            time(3, &|| client.pull(&second, &small))?;
            time(4, &|| client.read_manifest(&second, READERS))?;
        }
    }
    let mut found = Vec::new();
    for (case, samples) in cases.into_iter().zip(samples) {
        let names = servers.iter().map(|(name, _)| (*name).to_owned());
        found.extend(rows(case, names.zip(samples).collect()));
    }
    for (name, server) in &servers {
        let case = "memory of the registry at its most, all of the above done";
        found.push(Row::of_kib(case, name, 1, server.peak_kib()?));
    }
    Ok(found)
}

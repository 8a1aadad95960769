//! How long a person waits: `TEU_MEASURE_LAZY=1 cargo test -p teu-tests measures -- --nocapture`. It
//! prints, and asserts only that each byte came about once; what is slow on a busy machine is no fault.

use super::proxy::Proxy;
use super::{is_coming, through, wait_until};
use crate::registry::Registry;
use crate::world::World;
use std::time::{Duration, Instant};

const RATE_BYTES_S: u64 = 20 << 20;
const ROUNDS: usize = 5;
const WORK: &str = "import json, ssl, sqlite3, email; print('first output')";

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

#[test]
fn measures() {
    if std::env::var_os("TEU_MEASURE_LAZY").is_none() {
        println!("skipped: TEU_MEASURE_LAZY is not set");
        return;
    }
    let registry = Registry::start();
    let maker = World::empty();
    maker.load("python");
    let name = format!("{}/python:1", registry.host());
    maker.teu(["tag", "python", &name]).ok();
    maker.teu(["push", "-q", "--compression", "estargz", &name]).ok();
    for way in ["missing", "lazy"] {
        let (mut first, mut whole, mut bytes) = (Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            let proxy = Proxy::start(&registry.host(), RATE_BYTES_S);
            let world = World::empty();
            let slow = through(&proxy, &name);
            let begun = Instant::now();
            let run = ["run", "--rm", "--network=none", "--pull", way, &slow];
            let said = world.teu([&run[..], &["python3", "-c", WORK]].concat());
            first.push(begun.elapsed());
            assert_eq!(said.ok(), "first output");
            wait_until("the image is whole", || !is_coming(&world));
            whole.push(begun.elapsed());
            bytes = proxy.passed();
        }
        println!(
            "{way}: first output after {:.2} s, whole after {:.2} s (medians of {ROUNDS}), {bytes} bytes",
            median(first),
            median(whole)
        );
    }
}

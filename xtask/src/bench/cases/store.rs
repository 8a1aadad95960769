//! The cluster's store against Debian's etcd: durable writes, a long range, many watchers, and how
//! long a start takes. A program of the store's own does it (`examples/bench.rs`), so that both are
//! driven through the same trait, in turns, on the disk of the scratch folder.

use super::super::{Row, World};
use anyhow::{Context, Result, ensure};
use std::process::Command;

/// Rounds at most: each writes for eight seconds.
const MAX_ROUNDS: usize = 5;

pub fn run(world: &World<'_>) -> Result<Vec<Row>> {
    if !world.options.has("etcd") {
        return Ok(Vec::new());
    }
    let rounds = world.options.rounds.clamp(1, MAX_ROUNDS);
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--release", "--quiet", "--package", "teu-store", "--example", "bench"]);
    cargo.arg("--").arg(world.scratch.join("store")).arg(rounds.to_string());
    let output = cargo.output().context("cargo does not start")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the store's bench failed: {}", errors.trim());
    let lines = String::from_utf8(output.stdout)?;
    lines.lines().map(|line| row("store", line, rounds)).collect()
}

/// A row of a line of the program.
pub(super) fn row(case: &str, line: &str, count: usize) -> Result<Row> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [figure, who, value, unit] = fields[..] else {
        anyhow::bail!("not a figure: {line:?}");
    };
    let number: f64 = value.parse().with_context(|| format!("not a number: {line:?}"))?;
    // Where more is better, the ratio is of the time for one.
    let (p50, value) = match unit {
        "ms" | "MiB" => (format!("{number:.2} {unit}"), number),
        "KiB" | "bytes" | "times" => (format!("{number:.0} {unit}"), number),
        _ => (format!("{number:.0} {unit}"), 1.0 / number),
    };
    let (p99, max) = (String::new(), String::new());
    Ok(Row { case: format!("{case}: {figure}"), who: who.to_owned(), count, p50, p99, max, value })
}

#[cfg(test)]
mod tests {
    use super::row;

    #[test]
    fn lines() {
        let rate = row("store", "writes\tetcd\t2000.4\twrites/s", 3).expect("a row");
        assert_eq!(
            (&*rate.case, &*rate.who, &*rate.p50),
            ("store: writes", "etcd", "2000 writes/s")
        );
        assert!((rate.value - 1.0 / 2000.4).abs() < 1e-12);
        let none = row("api", "woke\tteu\t0.000\ttimes", 1).expect("a row");
        assert_eq!((&*none.p50, none.value.to_bits()), ("0 times", 0));
        assert_eq!(row("store", "range\tteu\t1.5\tms", 3).expect("a row").p50, "1.50 ms");
        assert!(row("store", "nonsense", 3).is_err() && row("store", "a\tb\tc\td", 3).is_err());
    }
}

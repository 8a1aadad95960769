//! Samples and their order statistics; contestants in turns.

use super::shell::Shell;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// Times of one contestant.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Adds one.
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The value below which the given hundredths lie (nearest rank).
    pub fn percentile(&self, hundredths: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        let rank = (sorted.len() * hundredths).div_ceil(100).clamp(1, sorted.len().max(1));
        sorted.get(rank - 1).copied().unwrap_or_default()
    }

    /// The largest.
    pub fn max(&self) -> Duration {
        self.0.iter().max().copied().unwrap_or_default()
    }

    /// A part of them, in the order of measuring.
    pub fn part(&self, range: std::ops::Range<usize>) -> Self {
        Self(self.0.get(range).unwrap_or_default().to_vec())
    }
}

/// Who takes part: a command, and what has to be done before and after each time, untimed.
pub struct Contestant {
    /// For the table.
    pub name: String,
    /// Runs the commands.
    pub shell: Shell,
    /// Before each round.
    pub before: Option<String>,
    /// What is timed; `{n}` is the number of the round.
    pub command: String,
    /// After each round.
    pub after: Option<String>,
}

impl Contestant {
    /// Only a command.
    pub fn new(name: &str, shell: Shell, command: String) -> Self {
        Self { name: name.to_owned(), shell, before: None, command, after: None }
    }

    fn round(&mut self, number: usize) -> Result<Duration> {
        let fill = |text: &str| text.replace("{n}", &number.to_string());
        if let Some(before) = &self.before {
            self.shell.run(&fill(before))?;
        }
        std::thread::sleep(SETTLE);
        let time = self.shell.run(&fill(&self.command));
        if let Some(after) = &self.after {
            self.shell.run(&fill(after))?;
        }
        time.with_context(|| format!("{} failed", self.name))
    }
}

/// What one leaves behind (namespaces and links that the kernel takes apart, daemons that tidy up) is
/// not to be paid by the next.
const SETTLE: Duration = Duration::from_millis(100);

/// A case ends after the round in which it has taken so long; the table says how many it had.
const CASE_LIMIT: Duration = Duration::from_secs(240);

/// Two rounds to warm up, then `rounds` that count, all contestants in turn. One that fails leaves
/// with a message.
pub fn in_turns(rounds: usize, mut contestants: Vec<Contestant>) -> Vec<(String, Samples)> {
    const WARM_UP: usize = 2;
    let begun = Instant::now();
    let mut samples = vec![Samples::default(); contestants.len()];
    let mut failed = vec![false; contestants.len()];
    for number in 0..rounds + WARM_UP {
        if begun.elapsed() > CASE_LIMIT && number > WARM_UP {
            eprintln!("{} of {rounds} rounds: the case has had its time", number - WARM_UP);
            break;
        }
        for (at, contestant) in contestants.iter_mut().enumerate() {
            if failed[at] {
                continue;
            }
            match contestant.round(number) {
                Ok(time) if number >= WARM_UP => samples[at].add(time),
                Ok(_) => {}
                Err(error) => {
                    eprintln!("{}: left out: {error:#}", contestant.name);
                    failed[at] = true;
                }
            }
        }
    }
    let names = contestants.into_iter().map(|contestant| contestant.name);
    let done = names.zip(samples).zip(failed).filter(|(_, failed)| !failed);
    done.map(|(pair, _)| pair).collect()
}

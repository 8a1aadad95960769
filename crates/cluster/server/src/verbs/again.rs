//! A change that names no version is made anew on what somebody else wrote meanwhile, for as long as a client
//! waits, and not for a number of times: of many writers one is always the first, and the slowest of them could
//! be last any number of times in a row. So who was late some times takes turns with others who were, in this
//! process; servers that share a store are told apart by the store. Invariant: it ends.

use crate::api::{Api, Call};
use crate::turns::Turns;
use std::time::Duration;
use tokio::sync::MutexGuard;
use tokio::time::{Instant, timeout};

/// How long it is tried. Clients wait a little longer.
const LIMIT: Duration = Duration::from_secs(30);
/// Tries without a turn.
const EAGER: u64 = 3;
/// How long a turn is waited for: who has it may be asking a webhook, which may be the one that writes here.
const TURN: Duration = Duration::from_secs(2);

/// The tries of one change.
#[derive(Debug)]
pub struct Again<'a> {
    begun: Instant,
    tries: u64,
    turns: &'a Turns,
    name: String,
    turn: Option<MutexGuard<'a, ()>>,
}

impl<'a> Again<'a> {
    /// Before the first.
    pub fn new(api: &'a Api, call: &Call) -> Self {
        Self::of(&api.change_turns, format!("{}/{}", call.namespace, call.name))
    }

    fn of(turns: &'a Turns, name: String) -> Self {
        Self { begun: Instant::now(), tries: 0, turns, name, turn: None }
    }

    /// Whether there is another try; waits until it is time for it.
    pub async fn may(&mut self) -> bool {
        self.tries += 1;
        if self.tries > EAGER && self.turn.is_none() {
            self.turn = timeout(TURN, self.turns.of(&self.name).lock()).await.ok();
        }
        self.tries == 1 || self.begun.elapsed() < LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_late_takes_turns_and_it_ends() {
        let turns = Turns::default();
        let again = || Again::of(&turns, "default/a".to_owned());
        let (mut first, mut second) = (again(), again());
        for _ in 0..EAGER {
            assert!(first.may().await && second.may().await);
        }
        assert!(first.may().await && first.turn.is_some());
        // Nobody waits for ever.
        assert!(second.may().await && second.turn.is_none());
        drop(first);
        assert!(second.may().await && second.turn.is_some());
        drop(second);
        let mut late = Again { begun: Instant::now() - LIMIT, ..again() };
        assert!(late.may().await, "the first is always made");
        assert!(!late.may().await);
    }
}

//! What is remembered for a while: a map with a bound and a life, told the time by its caller.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Entries that live for a while.
#[derive(Debug)]
pub struct Remembered<K, V> {
    limit: usize,
    life: Duration,
    entries: HashMap<K, (Instant, V)>,
}

impl<K: Eq + Hash, V> Remembered<K, V> {
    /// At most so many, for so long.
    pub fn new(limit: usize, life: Duration) -> Self {
        Self { limit, life, entries: HashMap::new() }
    }

    /// An entry that still lives.
    pub fn get(&self, key: &K, now: Instant) -> Option<&V> {
        let (since, value) = self.entries.get(key)?;
        (now.saturating_duration_since(*since) < self.life).then_some(value)
    }

    /// Remembers. When it is full, the dead go; if nobody is dead, everybody goes, which costs a few
    /// questions and never a wrong answer.
    pub fn put(&mut self, key: K, value: V, now: Instant) {
        if self.entries.len() >= self.limit && !self.entries.contains_key(&key) {
            let life = self.life;
            self.entries.retain(|_, (since, _)| now.saturating_duration_since(*since) < life);
            if self.entries.len() >= self.limit {
                self.entries.clear();
            }
        }
        self.entries.insert(key, (now, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_die_and_are_bounded() {
        let begun = Instant::now();
        let later = |seconds| begun + Duration::from_secs(seconds);
        let mut map = Remembered::new(2, Duration::from_secs(10));
        map.put("a", 1, begun);
        map.put("b", 2, later(5));
        assert_eq!((map.get(&"a", later(9)), map.get(&"a", later(10))), (Some(&1), None));
        // The dead make room.
        map.put("c", 3, later(11));
        assert_eq!((map.get(&"b", later(11)), map.get(&"c", later(11))), (Some(&2), Some(&3)));
        // Without dead, all make room.
        map.put("d", 4, later(12));
        assert_eq!((map.get(&"c", later(12)), map.get(&"d", later(12))), (None, Some(&4)));
    }
}

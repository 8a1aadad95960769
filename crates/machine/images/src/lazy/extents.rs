//! Which bytes of a blob are here. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

/// Ranges that neither touch nor overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extents(BTreeMap<u64, u64>);

impl Extents {
    /// Adds a range.
    pub fn add(&mut self, mut range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        while let Some((&start, &end)) = self.0.range(..=range.end).next_back() {
            if end < range.start {
                break;
            }
            self.0.remove(&start);
            range = range.start.min(start)..range.end.max(end);
        }
        self.0.insert(range.start, range.end);
    }

    /// Takes a range out.
    pub fn remove(&mut self, range: &Range<u64>) {
        let over: Vec<(u64, u64)> = self
            .0
            .range(..range.end)
            .map(|(&s, &e)| (s, e))
            .filter(|(_, e)| *e > range.start)
            .collect();
        for (start, end) in over {
            self.0.remove(&start);
            if start < range.start {
                self.0.insert(start, range.start);
            }
            if end > range.end {
                self.0.insert(range.end, end);
            }
        }
    }

    /// Bytes that are here from this one on, without a gap.
    pub fn run(&self, at: u64) -> u64 {
        match self.0.range(..=at).next_back() {
            Some((_, &end)) if end > at => end - at,
            _ => 0,
        }
    }

    /// The first part of a range that is not here.
    pub fn gap(&self, range: &Range<u64>) -> Option<Range<u64>> {
        let start = range.start + self.run(range.start);
        if start >= range.end {
            return None;
        }
        let end = self.0.range(start..range.end).next().map_or(range.end, |(&next, _)| next);
        Some(start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::Extents;

    #[test]
    fn ranges() {
        let mut extents = Extents::default();
        assert_eq!(extents.gap(&(0..10)), Some(0..10));
        extents.add(2..4);
        extents.add(6..8);
        assert_eq!(extents.gap(&(0..10)), Some(0..2));
        assert_eq!(extents.gap(&(2..10)), Some(4..6));
        assert_eq!(extents.gap(&(2..4)), None);
        assert_eq!((extents.run(2), extents.run(3), extents.run(4)), (2, 1, 0));
        extents.add(4..6);
        assert_eq!((extents.run(2), extents.gap(&(2..10))), (6, Some(8..10)));
        extents.add(0..100);
        assert_eq!(extents.run(0), 100);
        extents.remove(&(10..20));
        assert_eq!(
            (extents.run(0), extents.run(20), extents.gap(&(0..100))),
            (10, 80, Some(10..20))
        );
        extents.remove(&(0..100));
        assert_eq!(extents, Extents::default());
    }
}

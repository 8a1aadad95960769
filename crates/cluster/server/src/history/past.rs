//! What one object was: its versions out of the log, and which of them stood at a moment.

use super::record::{Ended, Record};
use bytes::Bytes;

/// A time (milliseconds since 1970), or a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A time.
    Time(u64),
    /// A revision.
    Revision(u64),
}

/// What stood at a moment.
#[derive(Debug, PartialEq, Eq)]
pub enum Stood<'a> {
    /// This version.
    Version(&'a Ended),
    /// What stands now, or nothing if that was made later.
    AsNow,
    /// It is not known: what is known begins there (milliseconds since 1970, revision).
    Unknown((u64, u64)),
}

/// A stretch of the log in which nothing is missing.
#[derive(Debug, Default)]
struct Run {
    from: (u64, u64),
    versions: Vec<Ended>,
}

/// The past of one key.
#[derive(Debug)]
pub struct Past {
    key: Bytes,
    oldest_ms: u64,
    runs: Vec<Run>,
}

impl Past {
    /// Of a key, as far as it reaches back.
    pub fn of(key: Bytes, oldest_ms: u64) -> Self {
        Self { key, oldest_ms, runs: Vec::new() }
    }

    /// Takes the next record of the log.
    pub fn push(&mut self, record: Record) {
        let (ms, revision) = record.at();
        if ms < self.oldest_ms {
            // What is known begins with the newest that is not shown.
            match (&record, self.runs.last_mut()) {
                (Record::Begun { .. }, _) | (_, None) => self.runs.clear(),
                (_, Some(run)) => run.from = (ms, revision),
            }
            if self.runs.is_empty() {
                self.runs.push(Run { from: (ms, revision), versions: Vec::new() });
            }
            return;
        }
        if matches!(record, Record::Begun { .. }) || self.runs.is_empty() {
            self.runs.push(Run { from: (ms, revision), versions: Vec::new() });
        }
        if let (Record::Ended(ended), Some(run)) = (record, self.runs.last_mut())
            && ended.key == self.key
        {
            run.versions.push(ended);
        }
    }

    /// Versions, the oldest first.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = &Ended> {
        self.runs.iter().flat_map(|run| &run.versions)
    }

    /// From when on nothing is missing; `None` if nothing was kept yet.
    pub fn since(&self) -> Option<(u64, u64)> {
        let (ms, revision) = self.runs.last()?.from;
        Some((ms.max(self.oldest_ms), revision))
    }

    /// What stood at a moment, within what is known.
    pub fn at(&self, moment: Moment) -> Stood<'_> {
        let is_before = |(ms, revision): (u64, u64)| match moment {
            Moment::Time(at) => at < ms,
            Moment::Revision(at) => at < revision,
        };
        let begins = |run: &Run| (run.from.0.max(self.oldest_ms), run.from.1);
        let Some(at) = self.runs.iter().rposition(|run| !is_before(begins(run))) else {
            return Stood::Unknown(self.runs.first().map_or((self.oldest_ms, 0), begins));
        };
        let run = &self.runs[at];
        let found = run.versions.iter().find(|version| is_before((version.ms, version.revision)));
        match (found, self.runs.get(at + 1)) {
            (Some(version), _) => Stood::Version(version),
            (None, None) => Stood::AsNow,
            // It may have been changed between what is known here and there.
            (None, Some(next)) => Stood::Unknown(next.from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(ms: u64, key: &'static str) -> Record {
        Record::Ended(Ended {
            ms,
            revision: ms * 10,
            created: 1,
            is_deleted: false,
            key: key.into(),
            value: ms.to_string().into(),
        })
    }

    fn begun(ms: u64) -> Record {
        Record::Begun { ms, revision: ms * 10 }
    }

    /// The version that stood is told by when it ended; 0 is what stands now, and below is unknown.
    fn at(past: &Past, ms: u64) -> i64 {
        let told = |stood: Stood<'_>| match stood {
            Stood::Version(version) => i64::try_from(version.ms).expect("small"),
            Stood::AsNow => 0,
            Stood::Unknown((ms, _)) => -i64::try_from(ms).expect("small"),
        };
        let by_time = told(past.at(Moment::Time(ms)));
        assert_eq!(told(past.at(Moment::Revision(ms * 10))), by_time, "at {ms}");
        by_time
    }

    #[test]
    fn what_stood_when() {
        let mut past = Past::of("a".into(), 0);
        for record in [begun(10), ended(20, "a"), ended(25, "b"), ended(30, "a")] {
            past.push(record);
        }
        let check = |past: &Past, wanted: &[(u64, i64)]| {
            for (ms, wanted) in wanted {
                assert_eq!(at(past, *ms), *wanted, "at {ms}");
            }
        };
        check(&past, &[(9, -10), (10, 20), (19, 20), (20, 30), (29, 30), (30, 0), (99, 0)]);
        // After a gap: what stood at its edge is not known, unless it ended before.
        for record in [begun(50), ended(60, "a")] {
            past.push(record);
        }
        check(&past, &[(15, 20), (29, 30), (30, -50), (49, -50), (50, 60), (60, 0)]);
        assert_eq!(past.versions().count(), 3);
        assert_eq!(past.since(), Some((50, 500)));
    }

    #[test]
    fn nothing_is_shown_past_the_span() {
        let mut past = Past::of("a".into(), 25);
        for record in [begun(10), ended(20, "a"), ended(30, "a")] {
            past.push(record);
        }
        assert_eq!(past.versions().count(), 1);
        assert_eq!(past.at(Moment::Time(26)), Stood::Version(past.versions().next().expect("one")));
        assert_eq!(past.at(Moment::Time(22)), Stood::Unknown((25, 200)));
        assert_eq!(Past::of("a".into(), 25).at(Moment::Time(30)), Stood::Unknown((25, 0)));
    }
}

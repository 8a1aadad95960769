//! Alternatives that compare one argument, all with the same answer, as ranges of its values.

use super::super::rules::{Alternative, Operator};

/// For which values of an argument the answer holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Ranges {
    /// Which argument.
    pub index: u8,
    /// Values below 2^32: where a range starts, and whether the answer holds in it.
    pub low: Vec<(u32, bool)>,
    /// Whether it holds for all larger values.
    pub above: bool,
}

impl Ranges {
    /// Of at least two alternatives; none where they are of another form.
    pub fn of(list: &[Alternative], narrow: bool) -> Option<(Self, u32)> {
        let (first, rest) = list.split_first()?;
        let index = first.conditions.first()?.index;
        if rest.is_empty() {
            return None;
        }
        let mut inside: Vec<(u64, u64)> = Vec::new();
        for alternative in list {
            let [condition] = alternative.conditions[..] else { return None };
            if condition.index != index || alternative.answer != first.answer {
                return None;
            }
            let value = if narrow { condition.value & 0xffff_ffff } else { condition.value };
            match condition.operator {
                Operator::Equal => inside.push((value, value)),
                Operator::NotEqual => {
                    inside.extend(value.checked_sub(1).map(|end| (0, end)));
                    inside.extend(value.checked_add(1).map(|start| (start, u64::MAX)));
                }
                Operator::Less => inside.extend(value.checked_sub(1).map(|end| (0, end))),
                Operator::LessOrEqual => inside.push((0, value)),
                Operator::GreaterOrEqual => inside.push((value, u64::MAX)),
                Operator::Greater => {
                    inside.extend(value.checked_add(1).map(|start| (start, u64::MAX)));
                }
                Operator::MaskedEqual { .. } => return None,
            }
        }
        Self::join(index, inside).map(|ranges| (ranges, first.answer))
    }

    fn join(index: u8, mut inside: Vec<(u64, u64)>) -> Option<Self> {
        inside.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::new();
        for (start, end) in inside {
            match joined.last_mut() {
                Some((_, last)) if start <= last.saturating_add(1) => *last = end.max(*last),
                _ => joined.push((start, end)),
            }
        }
        let mut ranges = Self { index, low: Vec::new(), above: false };
        for (start, end) in joined {
            // A limit above 2^32 has to be compared as two halves.
            let Ok(start) = u32::try_from(start) else { return None };
            if ranges.low.is_empty() && start != 0 {
                ranges.low.push((0, false));
            }
            ranges.low.push((start, true));
            match u32::try_from(end) {
                Ok(u32::MAX) => {}
                Ok(end) => ranges.low.push((end + 1, false)),
                Err(_) if end == u64::MAX => ranges.above = true,
                Err(_) => return None,
            }
        }
        if ranges.low.is_empty() {
            ranges.low.push((0, false));
        }
        Some(ranges)
    }
}

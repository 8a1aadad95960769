//! Lists of indexes: `1,3-5,7`.

/// Why a list is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// Too many dashes.
    #[error(
        "the fragment {0:?} violates the requirement that an index interval can have at most two parts separated by '-'"
    )]
    Parts(String),
    /// Not a number.
    #[error("cannot convert string to integer for index: {0:?}")]
    Number(String),
    /// No such index.
    #[error("too large index: {0:?}")]
    TooLarge(String),
    /// Not in order.
    #[error("non-increasing order, previous: {0}, current: {1}")]
    Order(i64, i64),
}

/// Its intervals.
pub fn intervals(list: &str, completions: i64) -> Result<Vec<(i64, i64)>, IndexError> {
    let mut found: Vec<(i64, i64)> = Vec::new();
    for part in list.split(',').filter(|_| !list.is_empty()) {
        let index = |text: &str| {
            let number: i64 = text.parse().map_err(|_| IndexError::Number(text.to_owned()))?;
            if number < completions {
                Ok(number)
            } else {
                Err(IndexError::TooLarge(text.to_owned()))
            }
        };
        let (first, last) = match part.split('-').collect::<Vec<_>>()[..] {
            [one] => (index(one)?, index(one)?),
            [first, last] => (index(first)?, index(last)?),
            _ => return Err(IndexError::Parts(part.to_owned())),
        };
        if part.contains('-') && first >= last {
            return Err(IndexError::Order(first, last));
        }
        if let Some((_, previous)) = found.last().filter(|(_, previous)| *previous >= first) {
            return Err(IndexError::Order(*previous, first));
        }
        found.push((first, last));
    }
    Ok(found)
}

/// How many indexes it names.
pub fn total(list: &str, completions: i64) -> Result<i64, IndexError> {
    Ok(intervals(list, completions)?.iter().map(|(first, last)| last - first + 1).sum())
}

/// The first index that is in both lists.
pub fn overlap(one: &[(i64, i64)], other: &[(i64, i64)]) -> Option<i64> {
    one.iter()
        .flat_map(|a| other.iter().map(move |b| (a.0.max(b.0), a.1.min(b.1))))
        .find(|(first, last)| first <= last)
        .map(|(first, _)| first)
}

//! The near miss: which known word a mistyped one was meant to be.

/// Longest word that is compared, in bytes: a command line may hold anything.
const WORD_LIMIT_BYTES: usize = 64;

/// The known word nearest to the one typed, if any is near enough.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > WORD_LIMIT_BYTES {
        return None;
    }
    let reach = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|other| (distance(word, other), other))
        .filter(|&(far, other)| far <= reach || (word.len() >= 3 && other.starts_with(word)))
        .min_by_key(|&(far, other)| (far, std::cmp::Reverse(other.len())))
        .map(|(_, other)| other)
}

/// Edits (insert, delete, replace, swap of neighbours) between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for (i, &left) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &right) in b.iter().enumerate() {
            let mut best =
                (rows[i][j] + usize::from(left != right)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && left == b[j - 1] && a[i - 1] == right {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

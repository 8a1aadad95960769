//! How two texts differ, line by line, as `diff -u` shows it.

use std::fmt::Write as _;

/// Equal lines around a difference.
const CONTEXT: usize = 3;
/// Cells of the table that finds the longest common part; beyond, everything is told as changed.
const MAX_CELLS: usize = 16 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Both,
    Old,
    New,
}

/// The difference under two headings; nothing if there is none.
pub fn diff((old_name, old): (&str, &str), (new_name, new): (&str, &str)) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let lines = merge(&old, &new);
    let differs = |at: usize| lines.get(at).is_some_and(|line| line.0 != Side::Both);
    let is_shown = |at: usize| (at.saturating_sub(CONTEXT)..=at + CONTEXT).any(differs);
    let mut out = String::new();
    let (mut left, mut right, mut at) = (1, 1, 0);
    while at < lines.len() {
        let end = at + (at..lines.len()).take_while(|at| is_shown(*at)).count();
        let count = |side| lines[at..end].iter().filter(|line| line.0 != side).count();
        if end > at {
            if out.is_empty() {
                let _ = writeln!(out, "--- {old_name}\n+++ {new_name}");
            }
            let (olds, news) = (count(Side::New), count(Side::Old));
            let _ = writeln!(out, "@@ -{left},{olds} +{right},{news} @@");
            for (side, line) in &lines[at..end] {
                let mark = match side {
                    Side::Both => ' ',
                    Side::Old => '-',
                    Side::New => '+',
                };
                let _ = writeln!(out, "{mark}{line}");
            }
            (left, right, at) = (left + olds, right + news, end);
        } else {
            (left, right, at) = (left + 1, right + 1, at + 1);
        }
    }
    out
}

/// Both texts' lines in one order, by their longest common subsequence.
fn merge<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(Side, &'a str)> {
    let same = old.iter().zip(new).take_while(|(one, other)| one == other).count();
    let (old_rest, new_rest) = (&old[same..], &new[same..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev());
    let tail = tail.take_while(|(one, other)| one == other).count();
    let (old_middle, new_middle) =
        (&old_rest[..old_rest.len() - tail], &new_rest[..new_rest.len() - tail]);
    let mut lines: Vec<_> = old[..same].iter().map(|line| (Side::Both, *line)).collect();
    lines.extend(middle(old_middle, new_middle));
    lines.extend(old[old.len() - tail..].iter().map(|line| (Side::Both, *line)));
    lines
}

fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(Side, &'a str)> {
    let width = new.len() + 1;
    if (old.len() + 1).saturating_mul(width) > MAX_CELLS {
        let gone = old.iter().map(|line| (Side::Old, *line));
        return gone.chain(new.iter().map(|line| (Side::New, *line))).collect();
    }
    // How long the longest common part of what follows is.
    let mut longest = vec![0_u32; (old.len() + 1) * width];
    for (i, one) in old.iter().enumerate().rev() {
        for (j, other) in new.iter().enumerate().rev() {
            longest[i * width + j] = match one == other {
                true => longest[(i + 1) * width + j + 1] + 1,
                false => longest[(i + 1) * width + j].max(longest[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        let takes_old =
            j == new.len() || longest[(i + 1).min(old.len()) * width + j] >= longest[i * width + j];
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push((Side::Both, old[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < old.len() && takes_old {
            lines.push((Side::Old, old[i]));
            i += 1;
        } else {
            lines.push((Side::New, new[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn differences() {
        let check = |old: &str, new: &str, wanted: &str| {
            assert_eq!(diff(("a", old), ("b", new)), wanted);
        };
        check("x\ny\n", "x\ny\n", "");
        check("", "x\n", "--- a\n+++ b\n@@ -1,0 +1,1 @@\n+x\n");
        check(
            "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
            "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
            "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n",
        );
        check("a\nb\nc\n", "b\nc\nd\n", "--- a\n+++ b\n@@ -1,3 +1,3 @@\n-a\n b\n c\n+d\n");
        let far = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";
        let ends = "one\n2\n3\n4\n5\n6\n7\n8\n9\nten\n";
        check(
            far,
            ends,
            "--- a\n+++ b\n@@ -1,4 +1,4 @@\n-1\n+one\n 2\n 3\n 4\n@@ -7,4 +7,4 @@\n 7\n 8\n 9\n-10\n+ten\n",
        );
    }
}

//! Which ids of the machine a user may stand for: subuid(5), subgid(5). Pure, but for the reading.

use super::Error;
use std::path::Path;

/// Longest list that is read.
const LIST_LIMIT_BYTES: u64 = 4 << 20;
/// Ranges of one user that are mapped; the kernel takes 340 lines.
const RANGES_MAX: usize = 64;

/// Ids in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// What one user has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    /// The user's own.
    pub uid: u32,
    /// The user's own.
    pub gid: u32,
    /// Subordinate users.
    pub users: Vec<Range>,
    /// Subordinate groups.
    pub groups: Vec<Range>,
}

impl Ids {
    /// Of the calling user.
    ///
    /// # Errors
    /// The lists do not name the user.
    pub fn of_caller() -> Result<Self, Error> {
        let uid = rustix::process::getuid().as_raw();
        let passwd = read(Path::new("/etc/passwd"))?;
        let name = name_of(&passwd, uid).ok_or(Error::NoUser { uid })?;
        let ranges = |path: &str| {
            let path = Path::new(path);
            let ranges = ranges_of(&read(path)?, name, uid);
            match ranges.is_empty() {
                true => Err(Error::NoIds { user: name.to_owned(), path: path.to_owned() }),
                false => Ok(ranges),
            }
        };
        let (users, groups) = (ranges("/etc/subuid")?, ranges("/etc/subgid")?);
        Ok(Self { uid, gid: rustix::process::getgid().as_raw(), users, groups })
    }
}

fn read(path: &Path) -> Result<String, Error> {
    use std::io::Read as _;
    let mut text = String::new();
    let outcome = std::fs::File::open(path)
        .and_then(|file| file.take(LIST_LIMIT_BYTES).read_to_string(&mut text));
    match outcome {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(Error::Read { path: path.to_owned(), source }),
    }
}

fn name_of(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

/// Lines are `name:first:count`, the name perhaps as a number.
fn ranges_of(list: &str, name: &str, uid: u32) -> Vec<Range> {
    let range = |line: &str| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        if owner != name && owner.parse() != Ok(uid) {
            return None;
        }
        let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (count > 0).then_some(Range { first, count })
    };
    list.lines().filter_map(range).take(RANGES_MAX).collect()
}

/// What `newuidmap` is told: the user is root, the subordinate ids follow.
pub(super) fn map(own: u32, ranges: &[Range]) -> Vec<String> {
    let mut words = vec!["0".to_owned(), own.to_string(), "1".to_owned()];
    let mut inside = 1_u32;
    for range in ranges {
        let count = range.count.min(u32::MAX - inside);
        words.extend([inside, range.first, count].map(|number| number.to_string()));
        inside += count;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_name_users_by_name_or_number() {
        let list = "root:1:5\nalice:100000:65536\n# no\n1000:300000:10\nbob:7:x\nalice:200000:0\n";
        let range = |first, count| Range { first, count };
        assert_eq!(ranges_of(list, "alice", 1000), [range(100_000, 65_536), range(300_000, 10)]);
        assert_eq!(ranges_of(list, "bob", 1001), []);
    }

    #[test]
    fn users_are_found_by_number() {
        let passwd = "root:x:0:0::/:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        assert_eq!(name_of(passwd, 1000), Some("alice"));
        assert_eq!(name_of(passwd, 1), None);
    }

    #[test]
    fn the_user_comes_first() {
        let ranges = [Range { first: 100_000, count: 10 }, Range { first: 200_000, count: 5 }];
        let words = map(1000, &ranges).join(" ");
        assert_eq!(words, "0 1000 1 1 100000 10 11 200000 5");
    }
}

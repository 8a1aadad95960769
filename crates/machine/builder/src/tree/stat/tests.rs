//! What is remembered, and what is not.

use super::{Stamp, StatCache};
use std::time::{Duration, SystemTime};

#[test]
fn remembers_settled_files_only() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("stat");
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    let old = Stamp { device: 1, inode: 2, size_bytes: 3, mtime_ns: 4, ctime_ns: 5 };
    let new = Stamp { ctime_ns: 999_990_000_000, ..old };
    let cache = StatCache::open(&file, now);
    cache.put(old, [7; 32]);
    cache.put(new, [8; 32]);
    cache.save();
    let again = StatCache::open(&file, now);
    assert_eq!(again.get(&old), Some([7; 32]));
    assert_eq!(again.get(&new), None);
    assert_eq!(again.get(&Stamp { size_bytes: 4, ..old }), None);
    std::fs::write(&file, b"garbage").expect("writes");
    assert_eq!(StatCache::open(&file, now).get(&old), None);
}

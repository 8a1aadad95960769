//! Which contexts are kept.

use super::*;

#[test]
fn a_context_in_use_has_a_second_copy_and_what_is_idle_can_go() {
    let root = tempfile::tempdir().expect("a directory");
    let contexts = Contexts::new(root.path().join("sync"));
    let mut first = contexts.take("key").expect("taken");
    let second = contexts.take("key").expect("taken");
    assert_ne!(first.path(), second.path());
    first.used(7);
    let path = first.path().to_owned();
    drop(second);
    let usage = contexts.usage();
    assert_eq!(usage.len(), 2);
    assert!(usage.iter().any(|kept| kept.in_use && kept.size_bytes == 7));
    assert_eq!(contexts.prune().len(), 1, "only the second is idle");
    drop(first);
    assert_eq!(contexts.take("key").expect("taken").path(), path);
    assert_eq!(contexts.prune().len(), 1);
    assert!(contexts.usage().is_empty());
}

#[test]
fn what_was_used_longest_ago_goes_first() {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("sync");
    let contexts = Contexts::new(path.clone());
    let mut ids = Vec::new();
    for (key, age_s) in [("old", 300), ("new", 100)] {
        let mut kept = contexts.take(key).expect("taken");
        kept.used(10);
        let name = kept.path().file_name().expect("a name").to_string_lossy().into_owned();
        let lock = std::fs::File::options().write(true).open(path.join(format!("{name}.lock")));
        let at = SystemTime::now() - std::time::Duration::from_secs(age_s);
        lock.and_then(|lock| lock.set_modified(at)).expect("sets the time");
        ids.push(name);
    }
    let removed = make_room(&path, 5, 15);
    assert_eq!(removed.iter().map(|kept| kept.id.as_str()).collect::<Vec<_>>(), [&ids[0]]);
}

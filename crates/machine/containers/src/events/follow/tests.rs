//! Filters, and a journal that is written while it is read.

use super::*;
use crate::Home;
use crate::events::append;
use std::collections::BTreeMap;

fn event(kind: &str, action: &str, id: &str) -> Event {
    let attributes = BTreeMap::from([
        ("name".to_owned(), "web".to_owned()),
        ("image".to_owned(), "busybox".to_owned()),
        ("tier".to_owned(), "front".to_owned()),
    ]);
    Event::new(kind, action, id, attributes)
}

#[test]
fn filters() {
    let event = event("container", "die", "abc123");
    for (filters, expected) in [
        ("", true),
        ("type=container", true),
        ("type=image", false),
        ("type=image type=container", true),
        ("container=web", true),
        ("container=abc", true),
        ("container=other", false),
        ("event=die", true),
        ("event=start event=die", true),
        ("image=busybox", true),
        ("label=tier", true),
        ("label=tier=front", true),
        ("label=tier=back", false),
        ("label=tier label=none", false),
        ("type=container event=start", false),
    ] {
        let filters: Vec<(String, String)> = filters
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(fits(&event, &filters), expected, "{filters:?}");
    }
}

#[test]
fn events_are_seen_once_and_in_order_over_a_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    std::fs::create_dir(dir.path().join("events")).unwrap();
    append(&home, &event("container", "0", "x")).unwrap();
    let options = EventOptions { since_ns: Some(1), ..EventOptions::default() };
    let mut events = Events::open(&dir.path().join("events"), &options).unwrap();
    let mut expected = 0;
    let mut read = |events: &mut Events, count: usize| {
        for _ in 0..count {
            assert_eq!(events.next().unwrap().unwrap().action, expected.to_string());
            expected += 1;
        }
    };
    read(&mut events, 1);
    append(&home, &event("container", "1", "x")).unwrap();
    read(&mut events, 1);
    let journal = dir.path().join("events/journal");
    append(&home, &event("container", "2", "x")).unwrap();
    std::fs::rename(&journal, dir.path().join("events/journal.1")).unwrap();
    append(&home, &event("container", "3", "x")).unwrap();
    read(&mut events, 2);
    let past = EventOptions { until_ns: Some(time::now_ns()), ..EventOptions::default() };
    let all = Events::open(&dir.path().join("events"), &past).unwrap();
    assert_eq!(all.count(), 4);
}

#[test]
fn unknown_filters_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let filters = vec![("colour".to_owned(), "red".to_owned())];
    let options = EventOptions { filters, ..EventOptions::default() };
    let error = Events::open(dir.path(), &options).unwrap_err();
    assert_eq!(error.to_string(), "invalid filter 'colour'");
}

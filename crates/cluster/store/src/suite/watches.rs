//! Cases of watches: nothing missed, nothing twice, in order, bounded.

use super::{DEADLINE, Say, in_time, is_quiet, next_events, take_events};
use crate::error::Error;
use crate::kv::{Event, EventKind, Span};
use crate::store::Store;
use crate::txn::{Change, Expect, Txn, Write};
use crate::watch::{Message, WatchRequest};
use std::sync::Arc;

fn text(event: &Event) -> (EventKind, String, String, Option<String>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let previous = event.previous.as_ref().map(|kv| text(&kv.value));
    (event.kind(), text(&event.kv.key), text(&event.kv.value), previous)
}

fn expected(
    kind: EventKind,
    key: &str,
    value: &str,
    previous: Option<&str>,
) -> (EventKind, String, String, Option<String>) {
    (kind, key.to_owned(), value.to_owned(), previous.map(str::to_owned))
}

pub fn live(store: &Arc<dyn Store>) {
    let mut watch = store.watching(Span::prefix("/s/live/"), 0);
    assert!(is_quiet(&mut watch));
    let first = store.done(Txn::put("/s/live/a", "1"));
    store.done(Txn::put("/s/other", "1"));
    let second = store.done(Txn::put("/s/live/a", "2"));
    let third = store.done(Txn::delete("/s/live/a", second));
    let events = take_events(&mut watch, 3);
    let revisions: Vec<_> = events.iter().map(|event| event.kv.modified).collect();
    assert_eq!(revisions, [first, second, third]);
    let events: Vec<_> = events.iter().map(text).collect();
    let key = "/s/live/a";
    let all = [
        expected(EventKind::Created, key, "1", None),
        expected(EventKind::Updated, key, "2", Some("1")),
        expected(EventKind::Deleted, key, "", Some("2")),
    ];
    assert_eq!(events, all);
    assert!(is_quiet(&mut watch));
}

pub fn past(store: &Arc<dyn Store>) {
    let first = store.done(Txn::put("/s/wpast/a", "1"));
    for number in 2..=600 {
        store.done(Txn::put("/s/wpast/a", number.to_string()));
    }
    let span = || Span::prefix("/s/wpast/");
    let mut all = store.watching(span(), first);
    let mut later = store.watching(span(), first + 300);
    let mut future = store.watching(span(), first + 600);
    let check = |events: Vec<Event>, from: u64| {
        let found: Vec<_> = events.iter().map(|event| event.kv.modified).collect();
        let wanted: Vec<_> = (from..from + found.len() as u64).collect();
        assert_eq!(found, wanted);
    };
    check(take_events(&mut all, 600), first);
    check(take_events(&mut later, 300), first + 300);
    let next = store.done(Txn::put("/s/wpast/a", "601"));
    for watch in [&mut all, &mut later, &mut future] {
        check(next_events(watch), next);
    }
}

pub fn spans(store: &Arc<dyn Store>) {
    let mut one = store.watching(Span::key("/s/span/b"), 0);
    let mut prefix = store.watching(Span::prefix("/s/span/b"), 0);
    let write = |key: &'static str| Write {
        key: key.into(),
        expect: Expect::Any,
        change: Change::Put { value: "x".into(), lease: 0 },
    };
    let keys = ["/s/span/a", "/s/span/b", "/s/span/b/c", "/s/span/c"];
    let revision = store.done(Txn { writes: keys.into_iter().map(write).collect() });
    let keys = |events: Vec<Event>| -> Vec<String> {
        assert!(events.iter().all(|event| event.kv.modified == revision));
        events.iter().map(|event| String::from_utf8_lossy(&event.kv.key).into_owned()).collect()
    };
    assert_eq!(keys(next_events(&mut one)), ["/s/span/b"]);
    // Those of one revision come in one message.
    assert_eq!(keys(next_events(&mut prefix)), ["/s/span/b", "/s/span/b/c"]);
    assert!(is_quiet(&mut one) && is_quiet(&mut prefix));
}

pub fn many_writers(store: &Arc<dyn Store>) {
    const WRITERS: usize = 4;
    const WRITES: usize = 100;
    let span = || Span::prefix("/s/writers/");
    let from = store.now() + 1;
    let mut watches: Vec<_> = (0..4).map(|_| store.watching(span(), from)).collect();
    let late = std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                for number in 0..WRITES {
                    store.done(Txn::put(format!("/s/writers/{writer}"), number.to_string()));
                }
            });
        }
        // One that joins while they write.
        store.watching(span(), from)
    });
    watches.push(late);
    let mut seen = Vec::new();
    for watch in &mut watches {
        let events = take_events(watch, WRITERS * WRITES);
        assert!(events.windows(2).all(|pair| pair[0].kv.modified < pair[1].kv.modified));
        assert!(is_quiet(watch));
        seen.push(events);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "all watchers see the same");
}

pub fn slow(store: &Arc<dyn Store>) {
    let request = WatchRequest { lag: 10, ..WatchRequest::new(Span::prefix("/s/slow/"), 0) };
    let mut slow = in_time("a watch", store.watch(request)).expect("a watch");
    let mut other = store.watching(Span::prefix("/s/slow/"), 0);
    for number in 0..200 {
        store.done(Txn::put("/s/slow/a", number.to_string()));
    }
    // The other one has all; so the slow one's had their chance to be sent too.
    assert_eq!(take_events(&mut other, 200).len(), 200);
    let mut events = 0;
    let error = loop {
        match in_time("a message", slow.next()) {
            Ok(Message::Events(some)) => events += some.len(),
            Ok(Message::Progress(_)) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error, Error::Slow { limit: 10 });
    assert!(events < 200);
    assert_eq!(in_time("the end", slow.next()), Err(error), "an end is an end");
}

pub fn progress(store: &Arc<dyn Store>) {
    let mut watch = store.watching(Span::prefix("/s/progress/"), 0);
    let seen = store.done(Txn::put("/s/progress/a", "1"));
    let elsewhere = store.done(Txn::put("/s/elsewhere", "1"));
    match watch.ask() {
        Ok(()) => {}
        Err(Error::Unsupported { .. }) => return,
        Err(error) => panic!("progress failed: {error}"),
    }
    let end = std::time::Instant::now() + DEADLINE;
    let mut events = 0;
    loop {
        match in_time("progress", watch.next()).expect("a message") {
            Message::Progress(revision) if revision >= elsewhere => break,
            Message::Progress(_) => {}
            Message::Events(some) => {
                assert_eq!(some[0].kv.modified, seen);
                events += some.len();
            }
        }
        assert!(std::time::Instant::now() < end, "it never came");
    }
    assert_eq!(events, 1, "progress does not overtake events");
}

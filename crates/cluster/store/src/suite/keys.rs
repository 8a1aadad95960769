//! Cases of keys: conditions, transactions, ranges, limits.

use super::{Say, in_time, pairs};
use crate::error::{Error, Invalid};
use crate::kv::Span;
use crate::store::{Consistency, Range, Store};
use crate::txn::{Change, Expect, MAX_KEY_BYTES, MAX_TXN_BYTES, MAX_WRITES, Outcome, Txn, Write};
use std::sync::Arc;

pub fn put_get_delete(store: &Arc<dyn Store>) {
    assert_eq!(store.key("/s/basic/a"), None);
    let first = store.done(Txn::put("/s/basic/a", "1"));
    let kv = store.key("/s/basic/a").expect("it was put");
    assert_eq!((&*kv.value, kv.created, kv.modified, kv.lease), (&b"1"[..], first, first, 0));
    let second = store.done(Txn::put("/s/basic/a", ""));
    assert_eq!(second, first + 1);
    let kv = store.key("/s/basic/a").expect("it was put");
    assert_eq!((&*kv.value, kv.created, kv.modified), (&b""[..], first, second));
    assert_eq!(store.done(Txn::delete("/s/basic/a", second)), second + 1);
    assert_eq!(store.key("/s/basic/a"), None);
    // Nothing to delete is no change.
    assert_eq!(store.done(Txn::one("/s/basic/a", Expect::Any, Change::Delete)), second + 1);
    assert_eq!(store.now(), second + 1);
    let again = store.done(Txn::create("/s/basic/a", "2"));
    let kv = store.key("/s/basic/a").expect("it was made");
    assert_eq!((kv.created, kv.modified), (again, again));
    // Keys and values are bytes.
    store.done(Txn::put(&b"/s/basic/\x00\xff"[..], &b"\x00\xff\xfe"[..]));
    let found = in_time("a get", store.get(b"/s/basic/\x00\xff", Consistency::Linearizable));
    assert_eq!(&*found.expect("it is there").kv.expect("it is there").value, b"\x00\xff\xfe");
}

pub fn conditions(store: &Arc<dyn Store>) {
    let made = store.done(Txn::create("/s/cond/a", "1"));
    let current = store.conflict(Txn::create("/s/cond/a", "2"));
    assert_eq!(&*current[0].as_ref().expect("it is there").value, b"1");
    let changed = store.done(Txn::update("/s/cond/a", made, "2"));
    let current = store.conflict(Txn::update("/s/cond/a", made, "3"));
    assert_eq!(current[0].as_ref().map(|kv| kv.modified), Some(changed));
    assert_eq!(store.conflict(Txn::update("/s/cond/none", 7, "3")), [None]);
    assert!(store.conflict(Txn::delete("/s/cond/a", made))[0].is_some());
    assert_eq!(store.conflict(Txn::delete("/s/cond/none", 7)), [None]);
    assert_eq!(store.now(), changed, "what failed has no revision");
    store.done(Txn::delete("/s/cond/a", changed));
    assert_eq!(store.conflict(Txn::update("/s/cond/a", changed, "4")), [None]);
    store.done(Txn::update("/s/cond/a", 0, "5"));
    assert!(store.conflict(Txn::update("/s/cond/a", 0, "6"))[0].is_some());
}

fn put(key: &'static str, expect: Expect, value: &'static str) -> Write {
    Write { key: key.into(), expect, change: Change::Put { value: value.into(), lease: 0 } }
}

pub fn many_keys(store: &Arc<dyn Store>) {
    let txn = |writes| Txn { writes };
    let made = store.done(txn(vec![
        put("/s/many/b", Expect::Absent, "1"),
        put("/s/many/a", Expect::Absent, "1"),
        put("/s/many/c", Expect::Any, "1"),
    ]));
    for key in ["/s/many/a", "/s/many/b", "/s/many/c"] {
        assert_eq!(store.key(key).map(|kv| kv.modified), Some(made));
    }
    // One condition that fails undoes all.
    let current = store.conflict(txn(vec![
        put("/s/many/a", Expect::Revision(made), "2"),
        put("/s/many/b", Expect::Absent, "2"),
        put("/s/many/d", Expect::Absent, "2"),
    ]));
    let found: Vec<_> = current.iter().map(|kv| kv.as_ref().map(|kv| kv.modified)).collect();
    assert_eq!(found, [Some(made), Some(made), None]);
    assert_eq!(store.key("/s/many/d"), None);
    // A condition alone guards what another key does.
    let guard = |expect| Write { key: "/s/many/a".into(), expect, change: Change::Check };
    store.done(txn(vec![guard(Expect::Revision(made)), put("/s/many/d", Expect::Any, "3")]));
    store.conflict(txn(vec![guard(Expect::Absent), put("/s/many/d", Expect::Any, "4")]));
    let before = store.now();
    assert_eq!(store.done(txn(vec![guard(Expect::Revision(made))])), before);
    let delete = Write { key: "/s/many/b".into(), expect: Expect::Any, change: Change::Delete };
    store.done(txn(vec![delete, put("/s/many/c", Expect::Revision(made), "5")]));
    let expected = pairs(&[("/s/many/a", "1"), ("/s/many/c", "5"), ("/s/many/d", "3")]);
    assert_eq!(store.list(Span::prefix("/s/many/"), 0), Ok(expected));
    let writes = (0..MAX_WRITES).map(|number| Write {
        key: format!("/s/many/x{number}").into(),
        expect: Expect::Absent,
        change: Change::Put { value: "x".into(), lease: 0 },
    });
    store.done(txn(writes.collect()));
    let found = store.list(Span::prefix("/s/many/x"), 0).map(|list| list.len());
    assert_eq!(found, Ok(MAX_WRITES));
}

pub fn refused(store: &Arc<dyn Store>) {
    let before = store.now();
    let key = "/s/refused/a";
    assert_eq!(store.refused(Txn::put("", "x")), Error::Invalid(Invalid::EmptyKey));
    let long = "k".repeat(MAX_KEY_BYTES + 1);
    assert!(matches!(store.refused(Txn::put(long, "x")), Error::TooLarge { .. }));
    let twice = vec![put(key, Expect::Any, "1"), put(key, Expect::Any, "2")];
    let refused = store.refused(Txn { writes: twice });
    assert_eq!(refused, Error::Invalid(Invalid::DuplicateKey));
    assert_eq!(store.refused(Txn { writes: Vec::new() }), Error::Invalid(Invalid::NoWrites));
    let writes = (0..=MAX_WRITES).map(|number| Write {
        key: format!("{key}{number}").into(),
        expect: Expect::Any,
        change: Change::Delete,
    });
    let refused = store.refused(Txn { writes: writes.collect() });
    assert_eq!(refused, Error::Invalid(Invalid::TooManyWrites { limit: MAX_WRITES }));
    let value = vec![0; MAX_TXN_BYTES + 1];
    assert!(matches!(store.refused(Txn::put(key, value)), Error::TooLarge { .. }));
    let leased = Txn::one(key, Expect::Any, Change::Put { value: "x".into(), lease: 987_654_321 });
    assert_eq!(store.refused(leased), Error::NoLease(987_654_321));
    let got = in_time("a get", store.get(b"", Consistency::Linearizable));
    assert_eq!(got, Err(Error::Invalid(Invalid::EmptyKey)));
    assert_eq!(store.now(), before);
}

pub fn large(store: &Arc<dyn Store>) {
    let key = "k".repeat(MAX_KEY_BYTES - 9);
    let key = format!("/s/large/{key}");
    let value = vec![b'v'; MAX_TXN_BYTES - key.len()];
    store.done(Txn::put(key.clone(), value.clone()));
    assert_eq!(store.key(&key).map(|kv| kv.value.to_vec()), Some(value));
    let gone = Txn::one(key.clone(), Expect::Any, Change::Delete);
    store.done(gone);
}

pub fn ranges(store: &Arc<dyn Store>) {
    for number in 0..25 {
        store.done(Txn::put(format!("/s/range/k{number:02}"), number.to_string()));
    }
    store.done(Txn::put("/s/rangf", "beyond"));
    let span = Span::prefix("/s/range/");
    let all = store.list(span.clone(), 0).expect("a list");
    assert_eq!(all.len(), 25);
    assert!(all.is_sorted());
    // Pages at the first page's revision do not see what comes between.
    let page = |span, at| {
        let range = Range { limit: 10, count: true, at, ..Range::all(span) };
        in_time("a page", store.range(range)).expect("a page")
    };
    let first = page(span.clone(), 0);
    assert_eq!((first.kvs.len(), first.more, first.count), (10, true, 25));
    store.done(Txn::one("/s/range/k11", Expect::Any, Change::Delete));
    store.done(Txn::put("/s/range/k12", "changed"));
    store.done(Txn::put("/s/range/k12a", "new"));
    let mut seen = first.kvs.clone();
    let mut rest = span.behind(&first.kvs[9].key);
    loop {
        let next = page(rest.clone(), first.revision);
        assert_eq!(next.count as usize, 25 - seen.len());
        seen.extend(next.kvs.iter().cloned());
        let Some(last) = next.kvs.last().filter(|_| next.more) else { break };
        rest = span.behind(&last.key);
    }
    let seen: Vec<_> = seen
        .iter()
        .map(|kv| (String::from_utf8_lossy(&kv.key), String::from_utf8_lossy(&kv.value)))
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    assert_eq!(seen, all);
    assert_eq!(store.list(span.clone(), 0).map(|list| list.len()), Ok(25));
    let exact = Range { limit: 25, ..Range::all(span.clone()) };
    let exact = in_time("a range", store.range(exact)).expect("a range");
    assert_eq!((exact.kvs.len(), exact.more), (25, false));
    // From one key to another; nothing; everything.
    let part = Span { start: "/s/range/k03".into(), end: "/s/range/k05".into() };
    let expected = pairs(&[("/s/range/k03", "3"), ("/s/range/k04", "4")]);
    assert_eq!(store.list(part, 0), Ok(expected));
    let none = Span { start: "/s/range/k05".into(), end: "/s/range/k03".into() };
    assert_eq!(store.list(none, 0), Ok(Vec::new()));
    assert!(store.list(Span::prefix("/s/r"), 0).is_ok_and(|list| list.len() == 26));
}

pub fn counting(store: &Arc<dyn Store>) {
    const CLIENTS: usize = 8;
    const TIMES: usize = 20;
    store.done(Txn::put("/s/count", "0"));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                for _ in 0..TIMES {
                    add_one(store);
                }
            });
        }
    });
    let sum = (CLIENTS * TIMES).to_string();
    assert_eq!(store.key("/s/count").map(|kv| kv.value.to_vec()), Some(sum.into_bytes()));
}

fn add_one(store: &Arc<dyn Store>) {
    let mut current = store.key("/s/count").expect("the counter is there");
    loop {
        let text = String::from_utf8_lossy(&current.value);
        let next = text.parse::<u64>().expect("a number") + 1;
        let txn = Txn::update("/s/count", current.modified, next.to_string());
        match in_time("a commit", store.commit(txn)).expect("a commit") {
            Outcome::Done { .. } => return,
            Outcome::Conflict { current: mut found, .. } => {
                current = found.pop().flatten().expect("the counter is there");
            }
        }
    }
}

pub fn local_reads(store: &Arc<dyn Store>) {
    let revision = store.done(Txn::put("/s/local", "x"));
    // A local read may be behind, but comes to it.
    let end = std::time::Instant::now() + super::DEADLINE;
    loop {
        let found = in_time("a get", store.get(b"/s/local", Consistency::Local)).expect("a get");
        if found.kv.is_some_and(|kv| kv.modified == revision) {
            break;
        }
        assert!(std::time::Instant::now() < end, "a local read never saw the write");
    }
}

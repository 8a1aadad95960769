//! The cache over the embedded store: lists, watches, bookmarks, bounds.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use teu_store::cache::{Cache, CacheConfig, CacheMessage, CacheWatch, ListAt, WatchFrom};
use teu_store::clock::{Monotonic, Sleep};
use teu_store::embedded::Embedded;
use teu_store::suite::{Say, in_time};
use teu_store::{Clock, Error, EventKind, KeyValue, Span, Store, Timer, Txn};
use tokio::runtime::Runtime;

/// A store, its cache, and the runtime that feeds it.
struct World {
    store: Arc<dyn Store>,
    cache: Cache<String>,
    runtime: Runtime,
    _folder: tempfile::TempDir,
}

fn text(kv: &KeyValue) -> String {
    String::from_utf8_lossy(&kv.value).into_owned()
}

fn world(change: impl FnOnce(&mut CacheConfig), clock: Arc<dyn Timer>) -> World {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Embedded::open(folder.path()).unwrap());
    let mut config = CacheConfig::new("/pods/");
    change(&mut config);
    let (cache, feed) = Cache::new(Arc::clone(&store), clock, config, text);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.spawn(feed.run());
    World { store, cache, runtime, _folder: folder }
}

fn simple() -> World {
    world(|_| {}, Arc::new(Monotonic::new()))
}

impl World {
    fn wait<F: Future>(&self, future: F) -> F::Output {
        let _entered = self.runtime.enter();
        in_time("the cache", future)
    }

    fn list(&self, at: ListAt) -> Result<(u64, Vec<String>), Error> {
        let list = self.wait(self.cache.list(&Span::prefix("/pods/"), at))?;
        Ok((list.revision, list.items.iter().map(|item| item.object.clone()).collect()))
    }

    fn watch(&self, from: WatchFrom) -> CacheWatch<String> {
        self.wait(self.cache.watch(Span::prefix("/pods/"), from, true)).unwrap()
    }

    fn next(&self, watch: &mut CacheWatch<String>) -> String {
        match self.wait(watch.next()) {
            Ok(CacheMessage::Initial(item)) => format!("initial {}", item.object),
            Ok(CacheMessage::InitialEnd(_)) => "end".to_owned(),
            Ok(CacheMessage::Event(event)) => format!("{:?} {}", event.kind, event.item.object),
            Ok(CacheMessage::Bookmark(_)) => "bookmark".to_owned(),
            Err(error) => format!("{error:?}"),
        }
    }
}

#[test]
fn lists_are_as_new_as_wanted() {
    let world = simple();
    let first = world.store.done(Txn::put("/pods/a", "1"));
    // Consistent: what was answered before is there, each time, also when others move on.
    for number in 0..200 {
        world.store.done(Txn::put("/pods/a", number.to_string()));
        let last = world.store.done(Txn::put("/other", "x"));
        let (revision, list) = world.list(ListAt::Consistent).unwrap();
        assert_eq!(list, [number.to_string()]);
        assert!(revision >= last);
    }
    let second = world.store.done(Txn::put("/pods/b", "b"));
    let (revision, list) = world.list(ListAt::NotOlderThan(second)).unwrap();
    assert!(revision >= second);
    assert_eq!(list, ["199", "b"]);
    assert_eq!(world.list(ListAt::Exact(first)).unwrap(), (first, vec!["1".to_owned()]));
    let any = world.list(ListAt::Any).unwrap();
    assert_eq!(any.1.len(), 2);
    let item = world.wait(world.cache.get(b"/pods/b", ListAt::Consistent)).unwrap().unwrap();
    assert_eq!(item.object, "b");
    let part = world.wait(world.cache.list(&Span::key("/pods/b"), ListAt::Any)).unwrap();
    assert_eq!(part.items.len(), 1);
}

#[test]
fn a_revision_that_does_not_come_is_said() {
    let world = world(|config| config.wait = Duration::from_millis(50), Arc::new(Monotonic::new()));
    let asked = world.store.done(Txn::put("/pods/a", "1")) + 1000;
    let late = world.list(ListAt::NotOlderThan(asked));
    assert!(matches!(late, Err(Error::Future { asked: found, .. }) if found == asked), "{late:?}");
}

#[test]
fn watches_begin_where_they_should() {
    let world = simple();
    let first = world.store.done(Txn::create("/pods/a", "a1"));
    world.list(ListAt::Consistent).unwrap();
    let mut after = world.watch(WatchFrom::After(first));
    let mut initial = world.watch(WatchFrom::Initial(ListAt::Consistent));
    assert_eq!(world.next(&mut initial), "initial a1");
    assert_eq!(world.next(&mut initial), "end");
    world.store.done(Txn::put("/pods/a", "a2"));
    let third = world.store.done(Txn::put("/pods/b", "b1"));
    world.store.done(Txn::delete("/pods/b", third));
    for watch in [&mut after, &mut initial] {
        assert_eq!(world.next(watch), "Updated a2");
        assert_eq!(world.next(watch), "Created b1");
        assert_eq!(world.next(watch), "Deleted b1", "a deletion shows what was there");
    }
    // From inside the window; from before it.
    let mut inside = world.watch(WatchFrom::After(third));
    assert_eq!(world.next(&mut inside), "Deleted b1");
    let before = world.wait(world.cache.watch(Span::prefix("/pods/"), WatchFrom::After(0), false));
    // The cache began before the first write, or behind it: then that is said.
    if let Err(error) = before {
        assert!(matches!(error, Error::Compacted { .. }), "{error:?}");
    }
    let mut other = world
        .wait(world.cache.watch(Span::prefix("/pods/c"), WatchFrom::After(third), false))
        .unwrap();
    world.store.done(Txn::put("/pods/c", "c1"));
    assert_eq!(world.next(&mut other), "Created c1", "only its own span");
}

#[test]
fn behind_the_window_is_cut_off() {
    let world = world(|config| config.window = 10, Arc::new(Monotonic::new()));
    let first = world.store.done(Txn::put("/pods/a", "0"));
    world.list(ListAt::Consistent).unwrap();
    let mut slow = world.watch(WatchFrom::After(first));
    for number in 0..20 {
        world.store.done(Txn::put("/pods/a", number.to_string()));
    }
    world.list(ListAt::Consistent).unwrap();
    assert_eq!(world.next(&mut slow), "Slow { limit: 10 }");
    let from = WatchFrom::After(first);
    let late = world.wait(world.cache.watch(Span::prefix("/pods/"), from, false));
    assert!(matches!(late, Err(Error::Compacted { .. })), "{late:?}");
}

#[test]
fn an_event_is_shared_and_encoded_once() {
    let world = simple();
    let first = world.store.done(Txn::put("/pods/a", "0"));
    world.list(ListAt::Consistent).unwrap();
    let mut watches: Vec<_> = (0..50).map(|_| world.watch(WatchFrom::After(first))).collect();
    world.store.done(Txn::put("/pods/a", "1"));
    let made = std::sync::atomic::AtomicUsize::new(0);
    for watch in &mut watches {
        let Ok(CacheMessage::Event(event)) = world.wait(watch.next()) else { panic!("an event") };
        assert_eq!(event.kind, EventKind::Updated);
        assert_eq!(event.previous.as_ref().map(|item| &*item.object), Some("0"));
        let bytes = event.encodings.get(7, || {
            made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            event.item.object.clone().into()
        });
        assert_eq!(&*bytes, b"1");
    }
    assert_eq!(made.into_inner(), 1);
}

#[test]
fn an_old_event_lets_go_of_its_encodings() {
    let world = simple();
    let first = world.store.done(Txn::put("/pods/a", "0"));
    world.list(ListAt::Consistent).unwrap();
    world.store.done(Txn::put("/pods/a", "1"));
    let mut watch = world.watch(WatchFrom::After(first));
    let Ok(CacheMessage::Event(event)) = world.wait(watch.next()) else { panic!("an event") };
    let encoded = |text: &'static str| event.encodings.get(7, || text.into());
    assert_eq!(encoded("first"), "first");
    for _ in 0..100 {
        world.store.done(Txn::put("/pods/a", "2"));
    }
    world.list(ListAt::Consistent).unwrap();
    assert_eq!(encoded("second"), "first");
    for _ in 0..500 {
        world.store.done(Txn::put("/pods/a", "3"));
    }
    world.list(ListAt::Consistent).unwrap();
    // Whoever comes so late makes it again.
    assert_eq!(encoded("third"), "third");
}

/// A clock that is set by hand; sleepers poll it when it is.
#[derive(Default, Clone)]
struct Hands(Arc<Mutex<(Duration, Vec<std::task::Waker>)>>);

impl Hands {
    fn advance(&self, time: Duration) {
        let wakers = {
            let mut inner = self.0.lock().unwrap();
            inner.0 += time;
            std::mem::take(&mut inner.1)
        };
        wakers.into_iter().for_each(std::task::Waker::wake);
    }
}

impl Clock for Hands {
    fn now(&self) -> Duration {
        self.0.lock().unwrap().0
    }
}

impl Timer for Hands {
    fn sleep(&self, time: Duration) -> Sleep {
        let (hands, end) = (self.clone(), self.now() + time);
        Box::pin(std::future::poll_fn(move |context| {
            let mut inner = hands.0.lock().unwrap();
            if inner.0 >= end {
                return std::task::Poll::Ready(());
            }
            inner.1.push(context.waker().clone());
            std::task::Poll::Pending
        }))
    }
}

#[test]
fn bookmarks_come_by_the_clock() {
    let hands = Hands::default();
    let world = world(|_| {}, Arc::new(hands.clone()));
    let first = world.store.done(Txn::put("/pods/a", "0"));
    world.list(ListAt::Consistent).unwrap();
    let mut watch = world.watch(WatchFrom::After(first));
    let span = Span::prefix("/pods/");
    let without = world.cache.watch(span, WatchFrom::After(first), false);
    let mut without = world.wait(without).unwrap();
    hands.advance(Duration::from_secs(61));
    assert_eq!(world.next(&mut watch), "bookmark");
    world.store.done(Txn::put("/pods/a", "1"));
    assert_eq!(world.next(&mut watch), "Updated 1");
    assert_eq!(world.next(&mut without), "Updated 1");
}

/// Looks at a watch as soon as the cache has something newer, which is before watchers are told of it.
struct Peek {
    cache: Cache<String>,
    newer_than: u64,
    watch: Mutex<Option<CacheWatch<String>>>,
    told: std::sync::mpsc::Sender<(CacheWatch<String>, Option<u64>)>,
}

impl std::task::Wake for Peek {
    fn wake(self: Arc<Self>) {
        if self.cache.revision() <= self.newer_than {
            return;
        }
        let Some(mut watch) = self.watch.lock().unwrap().take() else { return };
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let bookmark = match watch.poll_next(&mut context) {
            std::task::Poll::Ready(Ok(CacheMessage::Bookmark(revision))) => Some(revision),
            _ => None,
        };
        let _ = self.told.send((watch, bookmark));
    }
}

/// Tells that somebody was woken.
struct Ring(std::sync::mpsc::Sender<()>);

impl std::task::Wake for Ring {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

#[test]
fn a_bookmark_promises_nothing_that_is_still_to_come() {
    let hands = Hands::default();
    let world = world(|_| {}, Arc::new(hands.clone()));
    let first = world.store.done(Txn::put("/pods/a", "0"));
    world.list(ListAt::Consistent).unwrap();
    let mut watch = world.watch(WatchFrom::After(first));
    // A bookmark is due, and the watcher does not come before there is an event.
    let (ring, rung) = std::sync::mpsc::channel();
    let waker = std::task::Waker::from(Arc::new(Ring(ring)));
    assert!(watch.poll_next(&mut std::task::Context::from_waker(&waker)).is_pending());
    hands.advance(Duration::from_secs(61));
    rung.recv_timeout(Duration::from_secs(60)).unwrap();
    let (told, peeked) = std::sync::mpsc::channel();
    let (cache, watch) = (world.cache.clone(), Mutex::new(Some(watch)));
    let peek = std::task::Waker::from(Arc::new(Peek { cache, newer_than: first, watch, told }));
    let span = Span::prefix("/pods/");
    let mut newer = Box::pin(world.cache.list(&span, ListAt::NotOlderThan(first + 1)));
    let polled = newer.as_mut().poll(&mut std::task::Context::from_waker(&peek));
    assert!(polled.is_pending());
    let second = world.store.done(Txn::put("/pods/a", "1"));
    let (mut watch, bookmark) = peeked.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(bookmark.is_none_or(|bookmark| bookmark < second), "{bookmark:?} before {second}");
    assert_eq!(world.next(&mut watch), "Updated 1");
}

#[test]
fn a_store_that_compacts_too_far_is_listed_anew() {
    let world = simple();
    world.store.done(Txn::put("/pods/a", "0"));
    world.list(ListAt::Consistent).unwrap();
    // Nothing is lost by compaction while the feed keeps up.
    for number in 0..50 {
        let revision = world.store.done(Txn::put("/pods/a", number.to_string()));
        in_time("a compaction", world.store.compact(revision)).unwrap();
        assert_eq!(world.list(ListAt::Consistent).unwrap().1, [number.to_string()]);
    }
}

#[test]
fn whom_nothing_concerns_does_not_fall_behind() {
    let world = world(|config| config.window = 10, Arc::new(Monotonic::new()));
    let first = world.store.done(Txn::put("/pods/a", "0"));
    world.list(ListAt::Consistent).unwrap();
    let span = Span::key("/pods/quiet");
    let watch = world.cache.watch(span, WatchFrom::After(first), false);
    let mut quiet = world.wait(watch).unwrap();
    let is_waiting = |watch: &mut CacheWatch<String>| {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        watch.poll_next(&mut context).is_pending()
    };
    assert!(is_waiting(&mut quiet));
    for round in 0..3 {
        for number in 0..20 {
            world.store.done(Txn::put("/pods/a", number.to_string()));
        }
        world.list(ListAt::Consistent).unwrap();
        assert!(is_waiting(&mut quiet));
        world.store.done(Txn::put("/pods/quiet", format!("{round}")));
        world.store.done(Txn::put("/pods/quiet", format!("{round} again")));
        world.list(ListAt::Consistent).unwrap();
        let kind = if round == 0 { "Created" } else { "Updated" };
        assert_eq!(world.next(&mut quiet), format!("{kind} {round}"));
        assert_eq!(world.next(&mut quiet), format!("Updated {round} again"));
        assert!(is_waiting(&mut quiet));
    }
}

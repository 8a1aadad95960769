//! What a mirror shows and tells, from a watch that is written out.

use super::*;
use serde_json::json;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use teu_api::Status;

struct Script(VecDeque<Event>);

impl Watch for Script {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Event, Status>> + Send + '_>> {
        let end = || Status::internal("the end");
        Box::pin(std::future::ready(self.0.pop_front().ok_or_else(end)))
    }
}

fn pod(name: &str, version: u64, app: &str, owner: &str) -> Value {
    let owners = match owner {
        "" => json!([]),
        uid => json!([{ "uid": uid, "controller": true }]),
    };
    json!({ "metadata": {
        "name": name, "namespace": "n", "uid": format!("uid of {name}"), "labels": { "app": app },
        "resourceVersion": version.to_string(), "ownerReferences": owners, "managedFields": [{}],
    } })
}

fn follow(mirror: &Mirror, events: Vec<Event>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let _ = runtime.block_on(mirror.follow(&mut Script(events.into())));
}

fn names(objects: Vec<Object>) -> Vec<String> {
    objects.iter().map(|object| object::name(object).to_owned()).collect()
}

#[test]
fn objects_are_found() {
    let mirror = Mirror::new();
    let mark = Event::Bookmark("9".to_owned());
    follow(
        &mirror,
        vec![
            Event::Applied(pod("a", 1, "web", "")),
            Event::Applied(pod("b", 2, "web", "o")),
            mark.clone(),
            Event::Applied(pod("c", 10, "db", "o")),
            Event::Applied(pod("a", 11, "db", "")),
        ],
    );
    assert_eq!(names(mirror.in_namespace("n")), ["a", "b", "c"]);
    assert!(mirror.in_namespace("").is_empty() && mirror.in_namespace("n2").is_empty());
    assert_eq!(names(mirror.controlled_by("o")), ["b", "c"]);
    assert_eq!(names(mirror.orphans("n")), ["a"]);
    let select = |app: &str| names(mirror.selected("n", &json!({ "matchLabels": { "app": app } })));
    assert_eq!(
        (select("web"), select("db")),
        (vec!["b".to_owned()], vec!["a".to_owned(), "c".to_owned()])
    );
    assert_eq!(select("no"), [""; 0]);
    let any = json!({ "matchExpressions": [{ "key": "app", "operator": "Exists" }] });
    assert_eq!(names(mirror.selected("n", &any)), ["a", "b", "c"]);
    assert!(mirror.get("n", "a").expect("it is there")["metadata"].get("managedFields").is_none());
    assert_eq!(*mirror.seen.borrow(), 11);
}

#[test]
fn only_what_differs_is_told_after_a_watch_was_cut_off() {
    let mirror = Mirror::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&told);
    let queue = Queue::new(Arc::new(crate::testing::Hand::new()));
    mirror.subscribe(&queue, move |change, _| {
        let name = change.newest().map(|object| object::name(object).to_owned());
        let how = (change.before.is_some(), change.after.is_some());
        noted.lock().expect("no panic").push((name.unwrap_or_default(), how));
    });
    let all = |versions: [u64; 2]| {
        let [a, b] = versions;
        let mark = Event::Bookmark((a + b).to_string());
        vec![Event::Applied(pod("a", a, "x", "")), Event::Applied(pod("b", b, "x", "")), mark]
    };
    let take = || std::mem::take(&mut *told.lock().expect("no panic"));
    follow(&mirror, all([1, 2]));
    assert_eq!(take(), [("a".to_owned(), (false, true)), ("b".to_owned(), (false, true))]);
    follow(&mirror, all([1, 3]));
    assert_eq!(take(), [("b".to_owned(), (true, true))]);
    follow(&mirror, vec![Event::Bookmark("8".to_owned())]);
    assert_eq!(take(), [("a".to_owned(), (true, false)), ("b".to_owned(), (true, false))]);
    // Another object of a name that went while nobody looked.
    follow(&mirror, all([9, 10]));
    take();
    let mut other = pod("a", 11, "x", "");
    other["metadata"]["uid"] = "another".into();
    follow(&mirror, vec![Event::Applied(pod("b", 10, "x", "")), Event::Applied(other)]);
    assert_eq!(take(), [("a".to_owned(), (true, false)), ("a".to_owned(), (false, true))]);
    // Nobody is told for a queue that has gone.
    drop(queue);
    follow(&mirror, all([12, 13]));
    assert!(take().is_empty());
}

#[test]
fn a_watch_that_could_not_begin_begins_when_it_can() {
    use crate::resources::LEASES;
    use crate::testing::{Hand, One};
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (clock, one) = (Hand::new(), One::new());
        let asker = one.asker();
        let cut = Arc::clone(&asker.is_cut_off);
        *cut.lock().expect("no panic") = true;
        let mirrors = Mirrors::new(Arc::new(asker), Arc::new(clock.clone()));
        let mirror = mirrors.of(LEASES, "");
        clock.forward(60_000).await;
        *cut.lock().expect("no panic") = false;
        // The longest that is waited by now.
        clock.forward(30_100).await;
        let lease = json!({ "metadata": { "name": "one", "namespace": "n", "uid": "u" } });
        one.asker().create(LEASES, "n", lease).await.expect("it is made");
        clock.forward(100).await;
        assert!(mirror.get("n", "one").is_some());
    });
}

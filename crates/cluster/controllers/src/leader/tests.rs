//! Two who want to lead, on a clock that is moved by hand.

use super::Candidate;
use crate::testing::{Hand, One};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

struct Two {
    clock: Hand,
    lease: One,
    /// Who leads now.
    leading: Arc<Mutex<Vec<&'static str>>>,
}

/// Leaves the list of leaders however its term ends.
struct Term(&'static str, Arc<Mutex<Vec<&'static str>>>);

impl Drop for Term {
    fn drop(&mut self) {
        self.1.lock().expect("no panic").retain(|name| *name != self.0);
    }
}

impl Two {
    fn new() -> Self {
        Self { clock: Hand::new(), lease: One::new(), leading: Arc::default() }
    }

    /// Begins; answers how it is cut off, and how it is stopped.
    fn add(&self, name: &'static str) -> (Arc<Mutex<bool>>, Arc<Notify>) {
        self.add_slow(name, 0)
    }

    /// The same, to whom every answer takes so many milliseconds.
    fn add_slow(&self, name: &'static str, milliseconds: u64) -> (Arc<Mutex<bool>>, Arc<Notify>) {
        let mut asker = self.lease.asker();
        asker.hears_after = (milliseconds > 0).then(|| (self.clock.clone(), milliseconds));
        let (cut, stop) = (Arc::clone(&asker.is_cut_off), Arc::new(Notify::new()));
        let (leading, stopped) = (Arc::clone(&self.leading), Arc::clone(&stop));
        let candidate = Candidate {
            client: Arc::new(asker),
            timer: Arc::new(self.clock.clone()),
            lease: "lease",
            identity: name.to_owned(),
        };
        tokio::spawn(async move {
            let term = || async {
                leading.lock().expect("no panic").push(name);
                let _term = Term(name, Arc::clone(&leading));
                std::future::pending::<()>().await;
            };
            candidate.run(stopped.notified(), term).await;
        });
        (cut, stop)
    }

    /// Who leads after so many milliseconds; at no moment on the way more than one.
    async fn after(&self, milliseconds: u64) -> Vec<&'static str> {
        for _ in 0..milliseconds / 100 {
            self.clock.forward(100).await;
            let now = self.leading.lock().expect("no panic").clone();
            assert!(now.len() < 2, "{now:?} lead");
        }
        self.leading.lock().expect("no panic").clone()
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(test);
}

#[test]
fn a_leader_that_is_cut_off_ends_its_term_before_another_begins() {
    run(async {
        let two = Two::new();
        let (cut, _stop) = two.add("a");
        assert_eq!(two.after(100).await, ["a"]);
        let (_, _stop_b) = two.add("b");
        assert_eq!(two.after(60_000).await, ["a"]);
        *cut.lock().expect("no panic") = true;
        assert!(two.after(11_000).await.is_empty());
        assert_eq!(two.after(10_000).await, ["b"]);
        let lease = two.lease.value().expect("a lease");
        assert_eq!(lease["spec"]["holderIdentity"], "b");
        assert_eq!(lease["spec"]["leaseTransitions"], 1);
        // It may come back, but not lead.
        *cut.lock().expect("no panic") = false;
        assert_eq!(two.after(60_000).await, ["b"]);
    });
}

#[test]
fn a_lease_that_was_long_in_coming_begins_no_term() {
    run(async {
        let two = Two::new();
        let (_, _stop) = two.add_slow("a", 9000);
        assert!(two.after(10_000).await.is_empty());
        // It is in the lease by now, and will hear so only when its time has nearly passed.
        assert_eq!(two.lease.value().expect("a lease")["spec"]["holderIdentity"], "a");
        let (_, _stop_b) = two.add("b");
        assert_eq!(two.after(20_000).await, ["b"]);
        assert_eq!(two.after(60_000).await, ["b"]);
    });
}

#[test]
fn a_leader_that_stops_gives_the_lease_back() {
    run(async {
        let two = Two::new();
        let (_, stop) = two.add("a");
        assert_eq!(two.after(100).await, ["a"]);
        let (_, _stop_b) = two.add("b");
        two.after(1000).await;
        stop.notify_one();
        assert_eq!(two.after(1000).await, ["b"]);
    });
}

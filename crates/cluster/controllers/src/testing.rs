//! A clock that is moved by hand, and an API of one object: what tests of waiting need.

use crate::Timer;
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use teu_api::Status;
use teu_client::{Answer, Choice, Client, Deletion, Event, Kind, List, Patch, Watch};
use tokio::sync::watch;

/// Stands still until it is moved.
#[derive(Clone)]
pub struct Hand(Arc<watch::Sender<u64>>);

impl Hand {
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(1_000_000)))
    }

    /// Moves it, step by step; between two steps everybody does what they can. Needs a runtime of one
    /// thread.
    pub async fn forward(&self, milliseconds: u64) {
        const STEP: u64 = 100;
        for _ in 0..milliseconds / STEP {
            self.0.send_modify(|now| *now += STEP);
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
    }
}

impl Timer for Hand {
    fn sleep(&self, milliseconds: u64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut clock = self.0.subscribe();
        let due = *clock.borrow() + milliseconds;
        Box::pin(async move {
            let _ = clock.wait_for(|now| *now >= due).await;
        })
    }

    fn now(&self) -> u64 {
        *self.0.borrow()
    }

    fn wall(&self) -> i64 {
        i64::try_from(self.now()).expect("not that far")
    }
}

/// One object, with its revision.
#[derive(Clone)]
pub struct One(Arc<watch::Sender<(u64, Option<Value>)>>);

/// Somebody who asks for it, until they are cut off.
pub struct Asker {
    one: One,
    pub is_cut_off: Arc<Mutex<bool>>,
    /// What they ask is done at once, but they hear of it only after so many milliseconds.
    pub hears_after: Option<(Hand, u64)>,
}

impl One {
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new((0, None))))
    }

    pub fn asker(&self) -> Asker {
        Asker { one: self.clone(), is_cut_off: Arc::default(), hears_after: None }
    }

    pub fn value(&self) -> Option<Value> {
        self.0.borrow().1.clone()
    }

    fn put(&self, mut object: Value, expects: Option<&str>) -> Result<Value, Status> {
        let mut answer = Err(Status::conflict("", "ones", "one", "changed"));
        self.0.send_if_modified(|(revision, kept)| {
            if expects.is_some_and(|expects| expects != revision.to_string()) {
                return false;
            }
            *revision += 1;
            object["metadata"]["resourceVersion"] = revision.to_string().into();
            *kept = Some(object.clone());
            answer = Ok(object.clone());
            true
        });
        answer
    }
}

impl Asker {
    fn answer<T: Send + 'static>(&self, answer: impl FnOnce() -> Result<T, Status>) -> Answer<T> {
        let is_cut_off = *self.is_cut_off.lock().expect("no panic");
        let answer = if is_cut_off { Err(Status::timeout("cut off")) } else { answer() };
        let pause = self.hears_after.as_ref().map(|(clock, pause)| clock.sleep(*pause));
        Box::pin(async move {
            if let Some(pause) = pause {
                pause.await;
            }
            answer
        })
    }
}

struct Changes(watch::Receiver<(u64, Option<Value>)>);

impl Watch for Changes {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Event, Status>> + Send + '_>> {
        Box::pin(async move {
            let _ = self.0.changed().await;
            let object = self.0.borrow_and_update().1.clone();
            object.map(Event::Applied).ok_or_else(|| Status::internal("none"))
        })
    }
}

impl Client for Asker {
    fn get(&self, _: Kind<'_>, _: &str, name: &str) -> Answer<Value> {
        let missing = || Status::not_found("", "ones", name);
        self.answer(|| self.one.value().ok_or_else(missing))
    }

    fn list(&self, _: Kind<'_>, _: &Choice) -> Answer<List> {
        self.answer(|| Ok(List::default()))
    }

    fn watch(&self, _: Kind<'_>, _: &Choice, _: &str) -> Answer<Box<dyn Watch>> {
        self.answer(|| Ok(Box::new(Changes(self.one.0.subscribe())) as Box<dyn Watch>))
    }

    fn create(&self, _: Kind<'_>, _: &str, object: Value) -> Answer<Value> {
        self.answer(|| match self.one.value() {
            Some(_) => Err(Status::already_exists("", "ones", "one")),
            None => self.one.put(object, Some("0")),
        })
    }

    fn update(&self, _: Kind<'_>, _: &str, object: Value) -> Answer<Value> {
        let expects = object["metadata"]["resourceVersion"].as_str().map(str::to_owned);
        self.answer(|| self.one.put(object, expects.as_deref()))
    }

    fn patch(&self, _: Kind<'_>, _: (&str, &str), _: &str, _: Patch, _: Value) -> Answer<Value> {
        self.answer(|| Err(Status::internal("nobody patches it")))
    }

    fn delete(&self, _: Kind<'_>, _: (&str, &str), _: &Deletion) -> Answer<Value> {
        self.answer(|| Err(Status::internal("nobody deletes it")))
    }
}

//! Priority and fairness: no client, however greedy, keeps the others from the server.
//!
//! A request is sorted by the flow schemas into a flow of a priority level, and takes a seat there
//! for as long as its answer takes to be made ([`teu_api::flow`] says whose turn it is). The cluster's
//! owners and health checks have no limit. What is configured is followed by [`keep::run`].

mod keep;

pub use keep::{ensure, run};

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};
use teu_api::Status;
use teu_api::flow::{Counts, Level, Place, Request, Schema, Seats, Ticket, Turn};
use tokio::sync::oneshot;

/// Requests under way at a time, those without a limit excepted.
const SEATS: u32 = 600;
/// How long a request waits for its turn.
const WAIT: Duration = Duration::from_secs(15);
/// When a client that was refused may come again, in seconds.
const AGAIN: u32 = 1;

const SCHEMA_UID: HeaderName = HeaderName::from_static("x-kubernetes-pf-flowschema-uid");
const LEVEL_UID: HeaderName = HeaderName::from_static("x-kubernetes-pf-prioritylevel-uid");

type Bell = oneshot::Sender<Ticket>;

/// The schemas, the seats, and who waits.
#[derive(Debug)]
pub struct Fairness {
    schemas: RwLock<Arc<[Arc<Sorted>]>>,
    seats: Mutex<Seats<Bell>>,
    hasher: RandomState,
}

/// A schema and its level.
#[derive(Debug)]
pub struct Sorted {
    schema: Schema,
    /// The level's name among the seats; none where there is no limit.
    room: Option<u64>,
    uids: [HeaderValue; 2],
}

/// A seat, given back when it is dropped.
#[derive(Debug)]
pub struct Seat<'a> {
    fairness: &'a Fairness,
    ticket: Option<Ticket>,
    since: Instant,
}

/// Somebody who waits; when he goes, his place goes too.
struct Waiting<'a> {
    fairness: &'a Fairness,
    place: Place,
    called: oneshot::Receiver<Ticket>,
}

impl Default for Fairness {
    fn default() -> Self {
        Self {
            schemas: RwLock::new(Vec::new().into()),
            seats: Mutex::new(Seats::new(SEATS)),
            hasher: RandomState::new(),
        }
    }
}

impl Fairness {
    fn seats(&self) -> MutexGuard<'_, Seats<Bell>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what is configured.
    fn configure(&self, levels: &[Level], schemas: Vec<Schema>) {
        let (rooms, called) = {
            let mut seats = self.seats();
            let (rooms, freed) = seats.configure(levels);
            // Whoever waited for a level that is gone hears by the bell's silence that nothing holds him.
            drop(freed);
            (rooms, seats.call())
        };
        called.into_iter().for_each(|(bell, ticket)| self.ring(bell, ticket));
        let mut sorted: Vec<Arc<Sorted>> = Vec::with_capacity(schemas.len());
        for schema in schemas {
            let Some(at) = levels.iter().position(|level| level.name == schema.level) else {
                continue;
            };
            let uid = |uid: &str| HeaderValue::from_str(uid);
            let (Ok(own), Ok(level)) = (uid(&schema.uid), uid(&levels[at].uid)) else { continue };
            let room = rooms.get(at).copied().flatten();
            sorted.push(Arc::new(Sorted { schema, room, uids: [own, level] }));
        }
        sorted.sort_by(|one, other| one.schema.rank().cmp(&other.schema.rank()));
        *self.schemas.write().unwrap_or_else(PoisonError::into_inner) = sorted.into();
    }

    /// The first schema that is about a request.
    pub fn sort(&self, request: &Request<'_>) -> Option<Arc<Sorted>> {
        let schemas = self.schemas.read().unwrap_or_else(PoisonError::into_inner);
        schemas.iter().find(|sorted| sorted.schema.covers(request)).cloned()
    }

    /// Waits for a request's turn.
    pub async fn turn(
        &self,
        sorted: Option<&Sorted>,
        request: &Request<'_>,
        width: impl FnOnce() -> u32,
    ) -> Result<Seat<'_>, Status> {
        let seat = |ticket| Seat { fairness: self, ticket, since: Instant::now() };
        let Some((sorted, room)) = sorted.and_then(|sorted| Some((sorted, sorted.room?))) else {
            return Ok(seat(None));
        };
        let flow = self.hasher.hash_one((&sorted.schema.name, sorted.schema.flow(request)));
        let (width, mut called) = (width(), None);
        let turn = self.seats().arrive(room, flow, width, || {
            let (bell, receiver) = oneshot::channel();
            called = Some(receiver);
            bell
        });
        match (turn, called) {
            (Turn::Now(ticket), _) => Ok(seat(Some(ticket))),
            (Turn::Later(place), Some(called)) => {
                let mut waiting = Waiting { fairness: self, place, called };
                match tokio::time::timeout(WAIT, &mut waiting.called).await {
                    Ok(ticket) => Ok(seat(ticket.ok())),
                    Err(_) => Err(refusal()),
                }
            }
            _ => Err(refusal()),
        }
    }

    /// Tells somebody that it is his turn. Who has gone meanwhile gives his seat to the next.
    fn ring(&self, bell: Bell, ticket: Ticket) {
        let mut called = vec![(bell, ticket)];
        while let Some((bell, ticket)) = called.pop() {
            if let Err(ticket) = bell.send(ticket) {
                called.extend(self.seats().give_back(ticket, 0.0));
            }
        }
    }

    fn give_back(&self, ticket: Ticket, took: Duration) {
        let called = self.seats().give_back(ticket, took.as_secs_f64());
        called.into_iter().for_each(|(bell, ticket)| self.ring(bell, ticket));
    }

    /// What each level has seen.
    pub fn counts(&self) -> Vec<Counts> {
        self.seats().counts().collect()
    }
}

fn refusal() -> Status {
    Status::too_many_requests("Too many requests, please try again later.", AGAIN)
}

impl Sorted {
    /// Tells a client how it was sorted.
    pub fn mark(&self, headers: &mut HeaderMap) {
        let [schema, level] = &self.uids;
        headers.insert(SCHEMA_UID, schema.clone());
        headers.insert(LEVEL_UID, level.clone());
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.fairness.give_back(ticket, self.since.elapsed());
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let is_left = self.fairness.seats().leave(self.place);
        self.called.close();
        // He was called, and went without having heard it.
        if !is_left && let Ok(ticket) = self.called.try_recv() {
            self.fairness.give_back(ticket, Duration::ZERO);
        }
    }
}

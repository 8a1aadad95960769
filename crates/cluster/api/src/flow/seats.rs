//! Whose turn it is.
//!
//! Invariants: while somebody waits who could have a seat, no seat is free; a level always has the
//! seats that it does not lend as soon as they fall free, before any level that borrows; a flow that
//! has had less of a level's time goes before one that has had more. Bounded: who waits, by each
//! level's [`super::Queuing`]; flows, by who waits and who has a seat.

use super::{Level, Limit};
use std::collections::{HashMap, VecDeque};

/// What a request is thought to take before any has been seen, in seconds.
const FIRST_GUESS: f64 = 0.003;
/// How much the newest time counts for the guess.
const NEWEST: f64 = 0.1;

/// The seats of all levels, and who waits for one (`W`: how he is told).
#[derive(Debug)]
pub struct Seats<W> {
    all: u32,
    rooms: Vec<Room<W>>,
    last: u64,
}

/// A seat that was taken. To be given back.
#[derive(Debug)]
#[must_use = "a seat that is not given back is lost"]
pub struct Ticket {
    room: u64,
    flow: u64,
    width: u32,
    guess: f64,
}

/// A place in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    room: u64,
    flow: u64,
    number: u64,
}

/// What becomes of who arrives.
#[derive(Debug)]
pub enum Turn {
    /// It is his turn.
    Now(Ticket),
    /// He waits, and is told.
    Later(Place),
    /// There is no room to wait.
    Never,
}

/// What a level has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Its name.
    pub level: Box<str>,
    /// Seats that are its own.
    pub nominal: u32,
    /// Seats that are taken.
    pub taken: u32,
    /// Who waits.
    pub waiting: usize,
    /// Who was let in.
    pub admitted: u64,
    /// Who was refused, or went before his turn.
    pub refused: u64,
}

/// A level's.
#[derive(Debug)]
struct Room<W> {
    id: u64,
    level: Level,
    limit: Limit,
    nominal: u32,
    /// Seats that it does not lend, and that it has at most.
    own: u32,
    most: u32,
    taken: u32,
    waiting: usize,
    flows: HashMap<u64, Flow<W>>,
    /// The virtual time: that of the flow whose turn it was last.
    clock: f64,
    guess: f64,
    admitted: u64,
    refused: u64,
}

/// Requests that are alike.
#[derive(Debug)]
struct Flow<W> {
    waiting: VecDeque<Waiting<W>>,
    taken: u32,
    /// Seat-seconds it has had, on the level's virtual clock.
    had: f64,
}

#[derive(Debug)]
struct Waiting<W> {
    number: u64,
    width: u32,
    who: W,
}

impl<W> Seats<W> {
    /// So many, and no level yet.
    pub fn new(all: u32) -> Self {
        Self { all, rooms: Vec::new(), last: 0 }
    }

    /// Makes these the levels, and answers what each is called here (none for what has no limit).
    /// Who waits in a level that is gone is let in: nothing holds him any more.
    pub fn configure(&mut self, levels: &[Level]) -> (Vec<Option<u64>>, Vec<W>) {
        let mut before = std::mem::take(&mut self.rooms);
        let limits = levels.iter().filter_map(|level| level.limit.as_ref());
        let sum = limits.map(|limit| u64::from(limit.shares)).sum::<u64>().max(1);
        let mut ids = Vec::with_capacity(levels.len());
        for level in levels {
            let Some(limit) = level.limit else {
                ids.push(None);
                continue;
            };
            let known = before.iter().position(|room| room.level.uid == level.uid);
            let mut room = match known {
                Some(at) => before.swap_remove(at),
                None => {
                    self.last += 1;
                    Room::new(self.last, level, limit)
                }
            };
            room.resize(self.all, limit, sum);
            room.level = level.clone();
            ids.push(Some(room.id));
            self.rooms.push(room);
        }
        let flows = before.into_iter().flat_map(|room| room.flows.into_values());
        let freed = flows.flat_map(|flow| flow.waiting).map(|waiting| waiting.who).collect();
        (ids, freed)
    }

    /// Somebody comes for so many seats; `who` is asked for only if he has to wait.
    pub fn arrive(&mut self, id: u64, flow: u64, width: u32, who: impl FnOnce() -> W) -> Turn {
        let free = self.free();
        let Some(room) = self.rooms.iter_mut().find(|room| room.id == id) else {
            // The level has gone meanwhile: nothing holds him.
            return Turn::Now(Ticket { room: id, flow, width, guess: 0.0 });
        };
        let width = width.clamp(1, room.most);
        if room.waiting == 0 && room.has_seats(width, free) {
            return Turn::Now(room.take(flow, width));
        }
        let queuing = room.limit.queuing;
        let of_flow = room.flows.get(&flow).map_or(0, |flow| flow.waiting.len());
        if queuing.is_none_or(|most| room.waiting >= most.all || of_flow >= most.each) {
            room.refused += 1;
            return Turn::Never;
        }
        self.last += 1;
        let (number, clock) = (self.last, room.clock);
        let flow_of = room.flow(flow);
        if flow_of.waiting.is_empty() {
            // What it did not use before is nothing it has saved.
            flow_of.had = flow_of.had.max(clock);
        }
        flow_of.waiting.push_back(Waiting { number, width, who: who() });
        room.waiting += 1;
        Turn::Later(Place { room: id, flow, number })
    }

    /// Somebody will wait no longer; `false` if his turn has come already.
    pub fn leave(&mut self, place: Place) -> bool {
        let Some(room) = self.rooms.iter_mut().find(|room| room.id == place.room) else {
            return false;
        };
        let Some(flow) = room.flows.get_mut(&place.flow) else { return false };
        let found = flow.waiting.iter().position(|waiting| waiting.number == place.number);
        let Some(at) = found else { return false };
        flow.waiting.remove(at);
        room.waiting -= 1;
        room.refused += 1;
        room.forget(place.flow);
        true
    }

    /// Seats are given back after so many seconds. Whose turn it is now is answered, with their seats.
    pub fn give_back(&mut self, ticket: Ticket, seconds: f64) -> Vec<(W, Ticket)> {
        let Some(room) = self.rooms.iter_mut().find(|room| room.id == ticket.room) else {
            return Vec::new();
        };
        room.taken = room.taken.saturating_sub(ticket.width);
        room.guess += NEWEST * (seconds - room.guess);
        if let Some(flow) = room.flows.get_mut(&ticket.flow) {
            flow.taken = flow.taken.saturating_sub(ticket.width);
            flow.had += f64::from(ticket.width) * (seconds - ticket.guess);
        }
        room.forget(ticket.flow);
        self.call()
    }

    /// Whose turn it is.
    pub fn call(&mut self) -> Vec<(W, Ticket)> {
        let mut called = Vec::new();
        while self.rooms.iter().any(|room| room.waiting > 0) {
            let free = self.free();
            let waiting = self.rooms.iter_mut().filter(|room| room.waiting > 0);
            let able = waiting.filter_map(|room| {
                let (flow, width) = room.next()?;
                room.has_seats(width, free).then_some((room, flow, width))
            });
            // Who has least of what is his goes first; so a lender is served before a borrower.
            let first = able.min_by(|one, other| one.0.load().total_cmp(&other.0.load()));
            let Some((room, id, width)) = first else { break };
            let Some(flow) = room.flows.get_mut(&id) else { break };
            let Some(waiting) = flow.waiting.pop_front() else { break };
            room.clock = room.clock.max(flow.had);
            room.waiting -= 1;
            called.push((waiting.who, room.take(id, width)));
        }
        called
    }

    /// What each level has seen.
    pub fn counts(&self) -> impl Iterator<Item = Counts> {
        self.rooms.iter().map(|room| Counts {
            level: room.level.name.clone(),
            nominal: room.nominal,
            taken: room.taken,
            waiting: room.waiting,
            admitted: room.admitted,
            refused: room.refused,
        })
    }

    /// Seats that nobody has and nobody keeps for himself.
    fn free(&self) -> i64 {
        let kept: i64 = self.rooms.iter().map(|room| i64::from(room.taken.max(room.own))).sum();
        i64::from(self.all) - kept
    }
}

impl<W> Room<W> {
    fn new(id: u64, level: &Level, limit: Limit) -> Self {
        Self {
            id,
            level: level.clone(),
            limit,
            nominal: 0,
            own: 0,
            most: 0,
            taken: 0,
            waiting: 0,
            flows: HashMap::new(),
            clock: 0.0,
            guess: FIRST_GUESS,
            admitted: 0,
            refused: 0,
        }
    }

    /// Gives it its part of all seats.
    fn resize(&mut self, all: u32, limit: Limit, sum: u64) {
        let part = (u64::from(all) * u64::from(limit.shares)).div_ceil(sum);
        let nominal = u32::try_from(part).unwrap_or(all).min(all);
        let percent = |percent: u32| {
            let part = u64::from(nominal) * u64::from(percent) / 100;
            u32::try_from(part).unwrap_or(u32::MAX)
        };
        let borrowed = limit.borrowing_percent.map_or(all, percent);
        self.nominal = nominal;
        self.own = nominal - percent(limit.lendable_percent).min(nominal);
        self.most = nominal.saturating_add(borrowed).min(all).max(1);
        self.limit = limit;
    }

    /// Whether there are so many more seats for it, of its own or of those that are free.
    fn has_seats(&self, width: u32, free: i64) -> bool {
        let then = self.taken.saturating_add(width);
        let borrowed = then.saturating_sub(self.taken.max(self.own));
        // A level without a seat still has one at a time, or it would be shut.
        self.taken == 0 || (then <= self.most && i64::from(borrowed) <= free)
    }

    /// How much it has of what is its own.
    fn load(&self) -> f64 {
        f64::from(self.taken) / f64::from(self.nominal.max(1))
    }

    fn flow(&mut self, id: u64) -> &mut Flow<W> {
        let had = self.clock;
        self.flows.entry(id).or_insert_with(|| Flow { waiting: VecDeque::new(), taken: 0, had })
    }

    /// The flow that has had least, and what it wants.
    fn next(&self) -> Option<(u64, u32)> {
        let flows = self.flows.iter().filter(|(_, flow)| !flow.waiting.is_empty());
        let first = flows.min_by(|one, other| one.1.had.total_cmp(&other.1.had));
        first.and_then(|(id, flow)| Some((*id, flow.waiting.front()?.width)))
    }

    fn take(&mut self, flow: u64, width: u32) -> Ticket {
        let guess = self.guess;
        let entry = self.flow(flow);
        entry.taken += width;
        entry.had += f64::from(width) * guess;
        self.taken += width;
        self.admitted += 1;
        Ticket { room: self.id, flow, width, guess }
    }

    /// A flow that neither waits nor has a seat is nobody's concern.
    fn forget(&mut self, id: u64) {
        if self.flows.get(&id).is_some_and(|flow| flow.taken == 0 && flow.waiting.is_empty()) {
            self.flows.remove(&id);
        }
    }
}

//! Killed at any instant, while it serves and while it starts: ten times, or as often as
//! `TEU_SERVER_KILLS` says.

use super::client::{Ask, Door};
use super::history::{History, Picture, check_watchers};
use super::load::{self, Load, MAPS, picture, version_of};
use super::process::{Doors, Process};
use super::watcher::{self, END, Finally};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

const CLIENTS: usize = 4;
const WATCHERS: usize = 2;
/// Answers of a round before the kill is due; a server that gives none in a minute has failed.
const ANSWERS: u64 = 20;
const PATIENCE: Duration = Duration::from_secs(60);

fn rounds() -> usize {
    std::env::var("TEU_SERVER_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

/// A number that nobody chose.
pub fn seed() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock");
    u64::from(since.subsec_nanos()) << 20 | u64::from(std::process::id()) | 1
}

/// Pauses that nobody chose.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, micros: u64) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Duration::from_micros((self.0 >> 33) % micros)
    }
}

/// Makes the object whose coming ends the watchers; the keys as they were then.
pub fn end(door: &Door) -> Picture {
    let body = json!({ "metadata": { "name": END } }).to_string();
    let ask = Ask { method: "POST", body: &body, ..Ask::get(MAPS) };
    let begun = Instant::now();
    loop {
        let made = door.ask(ask);
        // It may have been made by a try that was not answered.
        let there = match &made {
            Ok((201, made)) => Some(made.clone()),
            Ok((409, _)) => door.ask(Ask::get(&format!("{MAPS}/{END}"))).ok().map(|found| found.1),
            _ => None,
        };
        if let Some(there) = there {
            return load::picture_at(door, version_of(&there));
        }
        assert!(begun.elapsed() < PATIENCE, "the end cannot be made: {made:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

struct Round<'a> {
    doors: &'a Doors,
    values: &'a AtomicU64,
    zero: Instant,
    seed: u64,
}

impl Round<'_> {
    /// Clients at work until the server is killed.
    fn run(&self, server: &mut Process, after: Duration) -> History {
        let (is_over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
        let load = Load {
            doors: self.doors,
            zero: self.zero,
            values: self.values,
            is_over: &is_over,
            answered: &answered,
            pause: Duration::ZERO,
        };
        std::thread::scope(|scope| {
            let over = Finally(&is_over);
            let client = |number| {
                let load = &load;
                scope.spawn(move || load::run(load, number, self.seed))
            };
            let clients: Vec<_> = (0..CLIENTS).map(client).collect();
            let begun = Instant::now();
            while answered.load(Ordering::Relaxed) < ANSWERS && begun.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(after);
            server.kill();
            drop(over);
            let mut history = History::default();
            for client in clients {
                history.merge(client.join().expect("a client"));
            }
            history
        })
    }
}

#[test]
fn killed_at_any_instant() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut dice, values) = (Dice(seed()), AtomicU64::new(1));
    let mut server = Process::new(folder.path(), "embedded");
    let doors = Doors::new(vec![server.start()]);
    let (zero, is_over) = (Instant::now(), AtomicBool::new(false));
    let (begun, begins) = mpsc::channel();
    let mut all = History::default();
    let (stories, last) = std::thread::scope(|scope| {
        let _over = Finally(&is_over);
        let watch = |number| {
            let (doors, begun, is_over) = (&doors, begun.clone(), &is_over);
            scope.spawn(move || watcher::follow(doors, number, &begun, is_over))
        };
        let watchers: Vec<_> = (0..WATCHERS).map(watch).collect();
        for _ in 0..WATCHERS {
            begins.recv_timeout(PATIENCE).expect("a watcher that begins");
        }
        let mut first = Picture::new();
        for number in 0..rounds() {
            let round = Round { doors: &doors, values: &values, zero, seed: dice.0 };
            let history = round.run(&mut server, dice.below(300_000));
            assert!(history.answered() > 0, "round {number}: nothing was answered");
            // One start in three does not get far.
            if number % 3 == 0 {
                server.begin();
                std::thread::sleep(dice.below(500_000));
                server.kill();
            }
            doors.set(0, server.start());
            let at = u64::try_from(zero.elapsed().as_nanos()).expect("not that long");
            let (now, _) = picture(&doors.get(0));
            history.judge(&first, &now, at);
            all.merge(history);
            first = now;
        }
        let last = end(&doors.get(0));
        let stories: Vec<_> =
            watchers.into_iter().map(|watcher| watcher.join().expect("a watcher")).collect();
        (stories, last)
    });
    check_watchers(&stories, &all, &Picture::new(), &last);
    let (answered, lost) = (all.answered(), all.lost());
    let (kept, told) = (all.writes.len(), stories[0].len());
    eprintln!("{answered} answered, {lost} lost, {kept} writes kept, {told} events told");
}

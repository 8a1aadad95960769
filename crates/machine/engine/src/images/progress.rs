//! Layers on their way, as lines for clients that draw bars.
//!
//! The transfer runs on threads of its own and never waits for a slow client: states are kept, the
//! newest of each layer only, and written when there is time. A client that goes takes its transfer
//! with it; what has come of it is kept for the next.

use crate::call::Outlet;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use teu_containers::Hangup;
use teu_docker::message::{Message, Progress as Bytes};
use teu_images::transfer::{Progress, State};
use teu_oci::Digest;

/// Between two lines about the same bytes.
const INTERVAL: Duration = Duration::from_millis(100);

/// Which way images go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To here.
    Pull,
    /// From here.
    Push,
}

/// The newest state of each layer that was not told yet.
#[derive(Debug, Default)]
struct News {
    states: Mutex<Told>,
    heard: Condvar,
    /// The client's going away, which ends the transfer too.
    hangup: Hangup,
}

#[derive(Debug, Default)]
struct Told {
    fresh: BTreeMap<String, State>,
    over: bool,
}

impl News {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for News {
    fn layer(&self, digest: &Digest, state: State) {
        let id = digest.hex().get(..12).unwrap_or_default().to_owned();
        self.lock().fresh.insert(id, state);
        self.heard.notify_one();
    }

    fn is_given_up(&self) -> bool {
        self.hangup.has_happened()
    }
}

/// Tells that it is over, also where the transfer panics.
struct Over(Arc<News>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.lock().over = true;
        self.0.heard.notify_one();
    }
}

/// Runs a transfer, and writes what it does.
pub fn follow<T: Send>(
    way: Way,
    out: &mut Outlet,
    transfer: impl FnOnce(&dyn Progress) -> teu_images::Result<T> + Send,
) -> Result<T> {
    let news = Arc::new(News { hangup: out.hangup.clone(), ..News::default() });
    std::thread::scope(|scope| {
        let theirs = news.clone();
        let work = scope.spawn(move || {
            let _over = Over(theirs.clone());
            transfer(&*theirs)
        });
        let written = write(way, &news, out);
        let done = work.join().map_err(|_| Error::status_of(500, "the transfer has failed"))?;
        written.map_err(Error::io("answer"))?;
        Ok(done?)
    })
}

fn write(way: Way, news: &News, out: &mut Outlet) -> io::Result<()> {
    loop {
        let mut told = news.lock();
        while told.fresh.is_empty() && !told.over {
            told = news.heard.wait(told).unwrap_or_else(PoisonError::into_inner);
        }
        let fresh = std::mem::take(&mut told.fresh);
        let over = told.over;
        drop(told);
        let mut moves = false;
        for (id, state) in fresh {
            moves |= matches!(state, State::Moving { .. });
            out.message(&line(way, id, state))?;
        }
        if over {
            return Ok(());
        }
        if moves && !out.hangup.happens_within(INTERVAL) {
            continue;
        }
        if out.hangup.has_happened() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
    }
}

fn line(way: Way, id: String, state: State) -> Message {
    let status = match (way, &state) {
        (Way::Pull, State::Waiting) => "Pulling fs layer",
        (Way::Push, State::Waiting) => "Preparing",
        (Way::Pull, State::Exists) => "Already exists",
        (Way::Push, State::Exists) => "Layer already exists",
        (_, State::Mounted(from)) => {
            let status = format!("Mounted from {from}");
            return Message { id: Some(id), ..Message::status(status) };
        }
        (Way::Pull, State::Moving { .. }) => "Downloading",
        (Way::Push, State::Moving { .. }) => "Pushing",
        (_, State::Packing) => "Preparing",
        (Way::Pull, State::Moved) => "Download complete",
        (Way::Pull, State::Ready) => "Pull complete",
        (Way::Push, State::Moved | State::Ready) => "Pushed",
    };
    let mut message = Message { id: Some(id), ..Message::status(status) };
    message.progress_detail = Some(match state {
        State::Moving { done, total } => {
            message.progress = Some(bar(done, total));
            Bytes { current: Some(done), total: Some(total) }
        }
        _ => Bytes::default(),
    });
    message
}

/// `[=====>     ]  12kB/40kB`, as old clients print it.
fn bar(done: u64, total: u64) -> String {
    use teu_containers::units::human_size;
    const WIDTH: u64 = 50;
    let filled = done.min(total).saturating_mul(WIDTH).checked_div(total).unwrap_or(0);
    let filled = usize::try_from(filled).unwrap_or(0);
    let rest = " ".repeat(50_usize.saturating_sub(filled + 1));
    let sizes = format!("{}/{}", human_size(done, 4), human_size(total, 4));
    format!("[{}>{rest}] {sizes:>8}", "=".repeat(filled))
}

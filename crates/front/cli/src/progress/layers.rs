//! The layers of a pull or push: a line each that is rewritten on a terminal, Docker's plain lines
//! elsewhere.

use crate::units::human_size;
use rustix::termios::isatty;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use teu_images::transfer::{Progress, State};
use teu_oci::Digest;

/// Between two drawings.
const INTERVAL: Duration = Duration::from_millis(80);
/// Characters of a bar.
const BAR: usize = 50;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Down.
    Pull,
    /// Up.
    Push,
    /// From one place to another.
    Copy,
}

/// Where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Standard output, as of `pull`.
    Out,
    /// Standard error, where the output is something else's.
    Err,
    /// Nowhere.
    Quiet,
}

/// The printer; layers move on several threads.
#[derive(Debug)]
pub struct Layers {
    way: Way,
    place: Place,
    is_live: bool,
    /// Said once there is something to say it of.
    banner: Mutex<Option<String>>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    rows: Vec<(Digest, State)>,
    /// Lines on the screen that will be rewritten.
    height: usize,
    drawn: Instant,
}

impl Layers {
    /// Shows nothing yet.
    pub fn new(way: Way, place: Place) -> Self {
        let is_live = match place {
            Place::Out => isatty(rustix::stdio::stdout()),
            Place::Err => isatty(rustix::stdio::stderr()),
            Place::Quiet => false,
        };
        let inner = Inner { rows: Vec::new(), height: 0, drawn: Instant::now() };
        Self { way, place, is_live, banner: Mutex::new(None), inner: Mutex::new(inner) }
    }

    /// A line that is said when the image was found.
    pub fn announce(&self, text: String) {
        *self.banner.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(text);
    }

    /// A line of its own, such as `latest: Pulling from library/busybox`.
    pub fn say(&self, text: &str) {
        self.finish();
        self.write(&format!("{}\n", crate::text::plain(text)));
    }

    /// Draws what is left and leaves it standing.
    pub fn finish(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if self.is_live && !inner.rows.is_empty() {
            self.draw(&mut inner);
        }
        inner.rows.clear();
        inner.height = 0;
    }

    fn write(&self, text: &str) {
        // Whoever closed the other end does not want to know.
        let _ = match self.place {
            Place::Out => {
                let mut out = std::io::stdout().lock();
                out.write_all(text.as_bytes()).and_then(|()| out.flush())
            }
            Place::Err => std::io::stderr().lock().write_all(text.as_bytes()),
            Place::Quiet => Ok(()),
        };
    }

    fn draw(&self, inner: &mut Inner) {
        inner.drawn = Instant::now();
        let (rows, columns) = crate::terminal::size_of(match self.place {
            Place::Out => rustix::stdio::stdout(),
            _ => rustix::stdio::stderr(),
        });
        let (rows, columns) = (rows.max(4) - 1, columns.max(20));
        let mut text = String::new();
        if inner.height > 0 {
            text.push_str(&format!("\x1b[{}A", inner.height));
        }
        text.push_str("\r\x1b[J");
        // What does not fit the screen could not be rewritten.
        let shown = &inner.rows[inner.rows.len().saturating_sub(rows)..];
        for (digest, state) in shown {
            let line = format!("{}: {}", digest.short(), self.words(state));
            text.push_str(&crate::text::ellipsis(&line, columns - 1));
            text.push('\n');
        }
        inner.height = shown.len();
        self.write(&text);
    }

    fn words(&self, state: &State) -> String {
        let (pull, copy) = (self.way == Way::Pull, self.way == Way::Copy);
        match state {
            State::Waiting if pull => "Pulling fs layer".to_owned(),
            State::Waiting => "Preparing".to_owned(),
            State::Exists if pull || copy => "Already exists".to_owned(),
            State::Exists => "Layer already exists".to_owned(),
            State::Mounted(from) => format!("Mounted from {from}"),
            State::Moving { done, total } => {
                let verb = match self.way {
                    Way::Pull => "Downloading",
                    Way::Push => "Pushing",
                    Way::Copy => "Copying",
                };
                format!("{verb} {}", bar(*done, *total))
            }
            State::Packing => "Compressing".to_owned(),
            State::Moved if pull => "Download complete".to_owned(),
            State::Moved if copy => "Copied".to_owned(),
            State::Moved => "Pushed".to_owned(),
            State::Ready if copy => "Unpacked".to_owned(),
            State::Ready => "Pull complete".to_owned(),
        }
    }
}

impl Progress for Layers {
    fn image(&self, _: &Digest, _: usize) {
        let banner = self.banner.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        if let Some(banner) = banner {
            self.say(&banner);
        }
    }

    fn layer(&self, digest: &Digest, state: State) {
        let mut inner = self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let row = inner.rows.iter().position(|(known, _)| known == digest);
        let before = row.map(|row| &inner.rows[row].1);
        // What was there already is not pulled now.
        if before == Some(&State::Exists) && state == State::Ready {
            return;
        }
        let is_moving = matches!(state, State::Moving { .. });
        if !self.is_live && !is_moving && before != Some(&state) {
            self.write(&format!("{}: {}\n", digest.short(), self.words(&state)));
        }
        match row {
            Some(row) => inner.rows[row].1 = state,
            None => inner.rows.push((digest.clone(), state)),
        }
        if self.is_live && (!is_moving || inner.drawn.elapsed() >= INTERVAL) {
            self.draw(&mut inner);
        }
    }
}

fn bar(done: u64, total: u64) -> String {
    let filled = done.saturating_mul(BAR as u64).checked_div(total).unwrap_or(0);
    let filled = usize::try_from(filled).unwrap_or(BAR).min(BAR);
    let head = if filled < BAR { ">" } else { "" };
    let rest = " ".repeat(BAR.saturating_sub(filled + head.len()));
    format!(
        "[{}{head}{rest}]  {}/{}",
        "=".repeat(filled),
        human_size(done, 4),
        human_size(total, 4)
    )
}

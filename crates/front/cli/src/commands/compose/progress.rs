//! How steps are shown: rewritten lines on a terminal, a line each elsewhere, JSON for programs.

use super::ansi;
use crate::beside::Written;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::text::{columns as columns_of, ellipsis, plain};
use rustix::termios::isatty;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use teu_compose::execute::{Report, StepError};
use teu_compose::plan::Action;

/// Columns that are kept for the status and the time.
const STATUS_COLUMNS: usize = 26;

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Live,
    Plain,
    Json,
    Quiet,
}

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It goes on.
    Working,
    /// It has ended well.
    Done,
    /// It has failed.
    Failed,
}

/// Prints steps on standard error.
#[derive(Debug)]
pub struct Printer {
    mode: Mode,
    screen: Mutex<Screen>,
    written: Written,
}

/// What stands on a terminal.
#[derive(Debug, Default)]
struct Screen {
    lines: Vec<Line>,
    /// Rows that the last drawing took.
    drawn: usize,
    /// What others had written by then.
    seen: u64,
}

#[derive(Debug)]
struct Line {
    subject: String,
    status: String,
    stage: Stage,
    since: Instant,
    /// How long it took, once it has ended.
    took: Option<Duration>,
}

impl Printer {
    /// As `--progress` says.
    pub fn of(matches: &Matches) -> Result<Self> {
        let variable = std::env::var("COMPOSE_PROGRESS").ok();
        let terminal = isatty(rustix::stdio::stderr());
        let live = || if ansi(matches, terminal) { Mode::Live } else { Mode::Plain };
        let mode = match mode_of(matches).or(variable.as_deref()).unwrap_or("auto") {
            "auto" | "tty" if terminal => live(),
            "auto" | "plain" => Mode::Plain,
            "tty" => Mode::Plain,
            "json" | "rawjson" => Mode::Json,
            "quiet" => Mode::Quiet,
            other => {
                return Err(Failure::new(format!("unsupported --progress value {other:?}"))
                    .hint("auto, tty, plain, json or quiet"));
            }
        };
        Ok(Self { mode, screen: Mutex::default(), written: Written::default() })
    }

    /// For whoever writes to the same terminal meanwhile.
    pub fn written(&self) -> Written {
        self.written.clone()
    }

    /// Something has another status now.
    pub fn say(&self, subject: &str, status: &str, stage: Stage) {
        // Taken first, as those do who share it.
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let mut err = std::io::stderr().lock();
        let (shown, text) = (plain(subject), plain(status));
        let _ = match self.mode {
            Mode::Quiet => Ok(()),
            Mode::Plain => writeln!(err, " {shown}  {text}"),
            Mode::Json => {
                let mut object = serde_json::json!({ "id": subject, "status": status });
                if stage == Stage::Failed {
                    object["error"] = true.into();
                }
                writeln!(err, "{object}")
            }
            Mode::Live => {
                let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
                screen.above(*written);
                screen.set(subject, status, stage, Instant::now());
                let (rows, columns) = crate::terminal::size().unwrap_or((24, 80));
                err.write_all(screen.draw(rows.into(), columns.into()).as_bytes())
            }
        };
    }
}

impl Screen {
    /// Behind what others have written it goes on anew, with what has not ended.
    fn above(&mut self, written: u64) {
        if std::mem::replace(&mut self.seen, written) != written {
            self.lines.retain(|line| line.stage == Stage::Working);
            self.drawn = 0;
        }
    }

    fn set(&mut self, subject: &str, status: &str, stage: Stage, now: Instant) {
        let at = match self.lines.iter().position(|line| line.subject == subject) {
            Some(at) => at,
            None => {
                self.lines.push(Line {
                    subject: subject.to_owned(),
                    status: String::new(),
                    stage,
                    since: now,
                    took: None,
                });
                self.lines.len() - 1
            }
        };
        let line = &mut self.lines[at];
        // Begun again: it was waited for twice, or is another step of the same thing.
        if stage == Stage::Working && line.stage != Stage::Working {
            line.since = now;
        }
        status.clone_into(&mut line.status);
        line.stage = stage;
        line.took = (stage != Stage::Working).then(|| now.saturating_duration_since(line.since));
    }

    /// All lines again, over those that are there, with a head that counts.
    fn draw(&mut self, rows: usize, columns: usize) -> String {
        let mut out = String::new();
        if self.drawn > 0 {
            out.push_str(&format!("\x1b[{}A", self.drawn));
        }
        let ended = self.lines.iter().filter(|line| line.stage != Stage::Working).count();
        out.push_str(&format!("\x1b[2K[+] Running {ended}/{}\n", self.lines.len()));
        // What does not fit on the screen cannot be reached again: only the last lines move.
        let shown = rows.saturating_sub(2).max(1);
        let first = self.lines.len().saturating_sub(shown);
        let longest = self.lines.iter().map(|line| columns_of(&plain(&line.subject))).max();
        // Mark, blanks, a status and a time beside it; a line that wraps could not be found again.
        let longest = longest.unwrap_or(0).min(columns.saturating_sub(STATUS_COLUMNS).max(8));
        for line in &self.lines[first..] {
            out.push_str(&line.text(longest, columns));
        }
        self.drawn = self.lines.len() - first + 1;
        out
    }
}

impl Line {
    fn text(&self, longest: usize, columns: usize) -> String {
        let (mark, colour) = match self.stage {
            Stage::Failed => ("✘", "31"),
            Stage::Done => ("✔", "32"),
            Stage::Working => ("⠿", "33"),
        };
        let subject = ellipsis(&plain(&self.subject), longest);
        let subject = format!("{subject}{}", " ".repeat(longest - columns_of(&subject)));
        let took = self.took.map(|took| format!("{:.1}s", took.as_secs_f64())).unwrap_or_default();
        let room = columns.saturating_sub(longest + 7 + took.len()).max(1);
        let status = ellipsis(&plain(&self.status), room);
        let gap = " ".repeat(room.saturating_sub(columns_of(&status)));
        let end =
            if took.is_empty() { String::new() } else { format!("{gap} \x1b[34m{took}\x1b[0m") };
        format!(
            "\x1b[2K \x1b[{colour}m{mark}\x1b[0m {subject}  \x1b[{colour}m{status}\x1b[0m{end}\n"
        )
    }
}

/// `--progress` of the group, or of the command.
pub fn mode_of(matches: &Matches) -> Option<&str> {
    let own = matches.command.all_flags().any(|flag| flag.long == "progress");
    let own = own.then(|| matches.nonempty("progress")).flatten();
    own.or_else(|| matches.outer_text("progress")).filter(|mode| !mode.is_empty())
}

impl Report for Printer {
    fn begun(&self, _: usize, action: &Action) {
        let (kind, name, now, _) = action.words();
        self.say(&format!("{kind} {name}"), now, Stage::Working);
    }

    fn ended(&self, _: usize, action: &Action, failure: Option<&StepError>) {
        let (kind, name, _, then) = action.words();
        let subject = format!("{kind} {name}");
        match failure {
            None => self.say(&subject, then, Stage::Done),
            Some(StepError::Cancelled) => self.say(&subject, "Interrupted", Stage::Failed),
            Some(_) => self.say(&subject, "Error", Stage::Failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands on a terminal of so many columns after all that was written.
    fn shown(written: &str) -> Vec<String> {
        let mut rows: Vec<String> = Vec::new();
        let mut at = 0;
        for piece in written.split_inclusive('\n') {
            let mut text = piece.trim_end_matches('\n');
            if let Some((up, rest)) = text.strip_prefix("\x1b[").and_then(|t| t.split_once('A'))
                && let Ok(up) = up.parse::<usize>()
            {
                at -= up;
                text = rest;
            }
            let mut plain = String::new();
            for (index, part) in text.split("\x1b[").enumerate() {
                let rest = part.split_once(['m', 'K']).map_or(part, |(_, rest)| rest);
                plain.push_str(if index == 0 { part } else { rest });
            }
            rows.resize(rows.len().max(at + 1), String::new());
            rows[at] = plain;
            at += 1;
        }
        rows
    }

    #[test]
    fn lines_are_rewritten_in_place_and_never_wrap() {
        let (mut screen, mut written, now) = (Screen::default(), String::new(), Instant::now());
        let later = now + Duration::from_millis(1500);
        let long = format!("Container {}", "x".repeat(100));
        for (subject, status, stage, when) in [
            ("Network p_default", "Creating", Stage::Working, now),
            (long.as_str(), "Starting", Stage::Working, now),
            ("Network p_default", "Created", Stage::Done, later),
            (long.as_str(), "Error", Stage::Failed, later),
        ] {
            screen.set(subject, status, stage, when);
            written.push_str(&screen.draw(24, 60));
        }
        let rows = shown(&written);
        assert_eq!(rows.len(), 3, "{rows:#?}");
        assert_eq!(rows[0], "[+] Running 2/2");
        assert!(rows[1].starts_with(" ✔ Network p_default"), "{rows:#?}");
        assert!(rows[1].contains("Created") && rows[1].ends_with("1.5s"), "{rows:#?}");
        assert!(rows[2].starts_with(" ✘ Container xxx") && rows[2].contains("Error"), "{rows:#?}");
        assert!(rows.iter().all(|row| columns_of(row) <= 60), "{rows:#?}");
    }

    #[test]
    fn what_others_write_is_never_written_over() {
        let (mut screen, now) = (Screen::default(), Instant::now());
        screen.set("Network a", "Created", Stage::Done, now);
        screen.set("Container a", "Starting", Stage::Working, now);
        let mut written = screen.draw(24, 80);
        written.push_str("a-1  | says something\n");
        screen.above(1);
        screen.set("Container a", "Started", Stage::Done, now);
        written.push_str(&screen.draw(24, 80));
        let rows = shown(&written);
        assert_eq!(rows.len(), 6, "{rows:#?}");
        assert_eq!(
            (rows[3].as_str(), rows[4].as_str()),
            ("a-1  | says something", "[+] Running 1/1")
        );
    }

    #[test]
    fn more_than_a_screen_moves_only_its_end() {
        let (mut screen, now) = (Screen::default(), Instant::now());
        for number in 0..20 {
            screen.set(&format!("Container {number}"), "Created", Stage::Done, now);
            let drawn = screen.draw(10, 80);
            assert!(drawn.lines().count() <= 9, "{drawn}");
        }
        assert_eq!(screen.drawn, 9);
    }
}

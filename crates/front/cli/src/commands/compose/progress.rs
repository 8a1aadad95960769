//! How steps are shown: rewritten lines on a terminal, a line each elsewhere, JSON for programs.

use super::ansi;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::text::plain;
use rustix::termios::isatty;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use teu_compose::execute::{Report, StepError};
use teu_compose::plan::Action;

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
    lines: Mutex<Vec<Line>>,
}

#[derive(Debug)]
struct Line {
    subject: String,
    status: String,
    stage: Stage,
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
        Ok(Self { mode, lines: Mutex::default() })
    }

    /// Something has another status now.
    pub fn say(&self, subject: &str, status: &str, stage: Stage) {
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
                let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
                let before = lines.len();
                match lines.iter_mut().find(|line| line.subject == subject) {
                    Some(line) => {
                        status.clone_into(&mut line.status);
                        line.stage = stage;
                    }
                    None => lines.push(Line {
                        subject: subject.to_owned(),
                        status: status.to_owned(),
                        stage,
                    }),
                }
                err.write_all(redrawn(&lines, before).as_bytes())
            }
        };
    }
}

/// All lines again, over those that are there.
fn redrawn(lines: &[Line], before: usize) -> String {
    let mut out = String::new();
    // What does not fit on the screen cannot be reached again: only the last lines move.
    let rows = crate::terminal::size().map_or(24, |(rows, _)| usize::from(rows));
    let shown = rows.saturating_sub(1).max(1);
    let up = before.min(shown);
    if up > 0 {
        out.push_str(&format!("\x1b[{up}A"));
    }
    let first = lines.len().saturating_sub(shown);
    let longest = lines.iter().map(|line| line.subject.len()).max().unwrap_or(0);
    for line in &lines[first..] {
        let (mark, colour) = match line.stage {
            Stage::Failed => ("✘", "31"),
            Stage::Done => ("✔", "32"),
            Stage::Working => ("⠿", "33"),
        };
        let (subject, status) = (plain(&line.subject), plain(&line.status));
        out.push_str(&format!(
            "\x1b[2K \x1b[{colour}m{mark}\x1b[0m {subject:longest$}  \x1b[{colour}m{status}\x1b[0m\n"
        ));
    }
    out
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

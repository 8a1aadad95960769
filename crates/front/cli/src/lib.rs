//! What a person types and sees: the `teu` command line, Docker's words without a daemon.
//!
//! Reading order: [`commands`] (the table of all commands), [`flags`] (how a line is parsed),
//! [`request`] (what `run` asks of the crates below), [`foreground`] (how a command stays with a
//! container), [`output`] and [`template`] (what lists print). Only this crate prints, reads the
//! environment, and decides exit codes. It refuses to know how anything works below it.

#![forbid(unsafe_code)]

use context::Context;
use failure::Failure;
use flags::parse::{self, Parsed, UsageError};
use flags::{Action, help};
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

pub mod beside;
pub mod commands;
pub mod container_flags;
pub mod context;
pub mod failure;
pub mod flags;
pub mod foreground;
pub mod output;
pub mod progress;
pub mod registry;
pub mod request;
pub mod streams;
pub mod template;
pub mod terminal;
pub mod text;
pub mod time;

pub use teu_containers::{options, units};

/// Exit code of a process that a closed pipe ended, as a shell gives it.
const BROKEN_PIPE_CODE: u8 = 141;

/// Runs one command line; `arguments` begin behind the program's name.
pub fn main(arguments: impl Iterator<Item = OsString>) -> u8 {
    restore_terminal_on_panic();
    let mut words = Vec::new();
    for argument in arguments {
        match argument.into_string() {
            Ok(word) => words.push(word),
            Err(word) => {
                let text = format!("the argument {} is not valid UTF-8", word.to_string_lossy());
                return report(&Failure::new(text).code(125));
            }
        }
    }
    let mut globals = Globals::take(&mut words);
    let begun = std::time::Instant::now();
    let code = match run(&mut globals, &words) {
        Ok(code) => code,
        Err(failure) => report(&failure),
    };
    terminal::restore();
    if globals.debug {
        let home = globals.root.unwrap_or_else(|| PathBuf::from("/var/lib/teu"));
        let (version, took) = (env!("CARGO_PKG_VERSION"), begun.elapsed());
        let line = format!(
            "debug: teu {version}, home {}, exit code {code} after {took:?}",
            home.display()
        );
        let _ = writeln!(std::io::stderr(), "{}", text::plain(&line));
    }
    code
}

/// Flags before the command.
#[derive(Debug, Default)]
struct Globals {
    root: Option<PathBuf>,
    version: bool,
    debug: bool,
}

impl Globals {
    fn take(words: &mut Vec<String>) -> Self {
        let mut globals = Self {
            root: std::env::var_os("TEU_ROOT").filter(|root| !root.is_empty()).map(PathBuf::from),
            version: false,
            debug: false,
        };
        while let Some(word) = words.first() {
            if let Some(root) = word.strip_prefix("--root=") {
                globals.root = Some(PathBuf::from(root));
            } else if word == "--root" && words.len() > 1 {
                globals.root = Some(PathBuf::from(words.remove(1)));
            } else if word == "--version" || word == "-v" {
                globals.version = true;
            } else if word == "--debug" || word == "-D" {
                globals.debug = true;
            } else {
                break;
            }
            words.remove(0);
        }
        globals
    }
}

fn run(globals: &mut Globals, words: &[String]) -> failure::Result<u8> {
    if globals.version {
        let ctx = Context::new(globals.root.as_deref())?;
        ctx.print(&format!("Teu version {}\n", env!("CARGO_PKG_VERSION")))?;
        return Ok(0);
    }
    let parsed = match parse::parse(&commands::ROOT, words) {
        Ok(parsed) => parsed,
        Err(failed) => return Ok(explain(&failed)),
    };
    match parsed {
        Parsed::Help(command, path) => {
            let ctx = Context::new(globals.root.as_deref())?;
            let width = context::help_width();
            let page = match path.contains(' ') {
                true => help::page(command, &path, width),
                false => help::overview(command, commands::GROUPS, commands::ALL, width),
            };
            ctx.print(&page)?;
            Ok(0)
        }
        Parsed::Run(matches) => {
            for (flag, value) in &matches.values {
                match flag.long {
                    "root" => globals.root = Some(PathBuf::from(value)),
                    "debug" => globals.debug = value == "true",
                    _ => {}
                }
            }
            let ctx = Context::new(globals.root.as_deref())?;
            match matches.command.action {
                Action::Run(run) => run(&ctx, &matches),
                Action::Group(_) => Ok(0),
            }
        }
    }
}

/// Prints why a line was not understood, as Docker does; gives Docker's exit codes.
fn explain(failed: &parse::Failed) -> u8 {
    let mut err = std::io::stderr().lock();
    let (error, path) = (&failed.error, &failed.path);
    let near = match error {
        UsageError::UnknownFlag { near: Some(near), .. } => Some(format!("--{near}")),
        UsageError::UnknownCommand { near: Some(near), path, .. } => Some(format!("{path} {near}")),
        _ => None,
    };
    let _ = writeln!(err, "teu: {}", text::plain(&error.to_string()));
    if let Some(near) = near {
        let _ = writeln!(err, "hint: did you mean {near}?");
    }
    if !matches!(error, UsageError::UnknownCommand { .. }) {
        let _ = writeln!(err, "\n{}", help::usage_line(failed.command, path));
    }
    let _ = writeln!(err, "\nRun '{path} --help' for more information");
    match error {
        UsageError::UnknownCommand { .. } | UsageError::Operands { .. } => 1,
        _ => 125,
    }
}

fn report(failure: &Failure) -> u8 {
    terminal::restore();
    if failure.broken_pipe {
        return BROKEN_PIPE_CODE;
    }
    if !failure.silent {
        let mut err = std::io::stderr().lock();
        let _ = writeln!(err, "teu: {}", text::plain_lines(&failure.message));
        if let Some(hint) = &failure.hint {
            let _ = writeln!(err, "hint: {}", text::plain_lines(hint));
        }
    }
    failure.code
}

/// A panic ends the process at once: nothing is dropped, so the terminal is put back here.
fn restore_terminal_on_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        terminal::restore();
        print(info);
    }));
}

//! A command that stays with a container: `run`, `start -a`, `attach`, `exec`.
//!
//! Streams have their threads ([`crate::streams`]), one more waits for the end, one for signals; this
//! one thread hears of all of it and acts. Signals go on to the container; three interrupts that it
//! ignores end the command, not the container. Where our terminal stands for the container's, signals
//! end the command, which puts the terminal back before it goes.

use crate::failure::{Failure, Result};
use crate::streams::detach::DetachKeys;
use crate::streams::{Ends, Event, Pumps};
use crate::terminal::{self, RawMode};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Signal;
use std::sync::mpsc::{Sender, channel};
use teu_containers::Containers;
use teu_containers::exec::Execution;
use teu_containers::lifecycle::Session;
use teu_sys::signal::{SignalFd, SignalSet, set_mask};

/// Interrupts that a container may ignore before the command gives up.
const INTERRUPT_LIMIT: u32 = 3;

/// How a command stays.
#[derive(Debug, Clone)]
pub struct Manner {
    /// The container, by id.
    pub id: String,
    /// It has a terminal, and ours stands for it.
    pub terminal: bool,
    /// Its keys of leaving, where our terminal is read.
    pub keys: Option<DetachKeys>,
    /// Signals go on to it.
    pub proxy: bool,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this code.
    Exited(i32),
    /// It goes on without us.
    Detached,
}

/// Stays until the container ends or the person leaves it.
pub fn stay(
    containers: &Containers,
    session: Session,
    ends: Ends,
    manner: &Manner,
) -> Result<Ended> {
    let raw = (manner.terminal && manner.keys.is_some()).then(RawMode::enter).transpose()?;
    let (sender, events) = channel();
    watch_signals(manner, &sender)?;
    if manner.terminal {
        resize(containers, manner);
    }
    crate::streams::watch_reader(&sender);
    let pumps = ends.pump(manner.keys.clone(), &sender);
    std::thread::spawn(move || {
        let _ = sender.send(Event::Exited(session.wait().map_err(Failure::from)));
    });
    let ended = listen(containers, &events, manner, pumps);
    drop(raw);
    ended
}

/// Likewise with a process that was added to a container.
pub fn stay_with_execution(
    execution: Execution,
    ends: Ends,
    interactive: bool,
    manner: &Manner,
    containers: &Containers,
) -> Result<Ended> {
    let mut execution = execution;
    let raw = (manner.terminal && interactive).then(RawMode::enter).transpose()?;
    let (sender, events) = channel();
    let pumps = match execution.terminal.take() {
        Some(master) => {
            watch_size(&master, &sender)?;
            crate::streams::pump_terminal(master, interactive, manner.keys.clone(), &sender)?
        }
        None => ends.pump(manner.keys.clone(), &sender),
    };
    std::thread::spawn(move || {
        let _ = sender.send(Event::Exited(execution.wait().map_err(Failure::from)));
    });
    let ended = listen(containers, &events, manner, pumps);
    drop(raw);
    ended
}

fn listen(
    containers: &Containers,
    events: &std::sync::mpsc::Receiver<Event>,
    manner: &Manner,
    pumps: Pumps,
) -> Result<Ended> {
    let mut interrupts = 0;
    while let Ok(event) = events.recv() {
        match event {
            Event::Exited(code) => {
                pumps.drain();
                return Ok(Ended::Exited(code?));
            }
            Event::Detached => return Ok(Ended::Detached),
            Event::Unread => return Err(Failure { broken_pipe: true, ..Failure::new("") }),
            Event::Signal(number) if number == Signal::WINCH.as_raw() => {
                resize(containers, manner);
            }
            Event::Signal(number) if manner.terminal => return Err(ended_by(number)),
            Event::Signal(number) => {
                if [Signal::INT.as_raw(), Signal::TERM.as_raw()].contains(&number) {
                    interrupts += 1;
                }
                if interrupts >= INTERRUPT_LIMIT {
                    let message =
                        format!("got {INTERRUPT_LIMIT} SIGTERM/SIGINTs, forcefully exiting");
                    return Err(Failure::new(message).code(130));
                }
                // It may have ended in the meantime: then that is what comes next.
                let _ = containers.kill(&manner.id, number);
            }
        }
    }
    Err(Failure::new("lost the container's end").code(125))
}

/// The person's terminal was given up; what runs in the container goes on.
fn ended_by(signal: i32) -> Failure {
    let code = u8::try_from(128 + signal).unwrap_or(255);
    Failure::new(format!("ended by signal {signal}; what was started goes on")).code(code)
}

fn resize(containers: &Containers, manner: &Manner) {
    if let (true, Some((rows, columns))) = (manner.terminal, terminal::size()) {
        let _ = containers.resize(&manner.id, rows, columns);
    }
}

/// Signals that are passed on. Not those that stop or crash this process itself.
const PASSED: [Signal; 11] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::VTALARM,
    Signal::IO,
    Signal::POWER,
    Signal::PROF,
];

/// Signals that end a command with a raw terminal: it must be put back first.
const ENDING: [Signal; 4] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM];

/// Holds signals back until [`stay`] hears them: to be called before the container starts, so that
/// none in between ends the command alone. (The shim and the container have masks of their own.)
pub fn hold_signals(manner: &Manner) -> Result<SignalSet> {
    let mut signals = Vec::new();
    if manner.proxy {
        signals.extend(PASSED);
    }
    if manner.terminal {
        signals.push(Signal::WINCH);
        signals.extend(ENDING);
    }
    let set = SignalSet::of(&signals);
    set_mask(set)?;
    Ok(set)
}

/// From now on signals are events. Blocked before any thread is made, so that all inherit it.
fn watch_signals(manner: &Manner, events: &Sender<Event>) -> Result<()> {
    let set = hold_signals(manner)?;
    let descriptor = SignalFd::new(set)?;
    let events = events.clone();
    std::thread::spawn(move || {
        loop {
            let mut ends = [PollFd::new(&descriptor, PollFlags::IN)];
            if poll(&mut ends, None).is_err() {
                continue;
            }
            while let Ok(Some(received)) = descriptor.read() {
                if events.send(Event::Signal(received.signal)).is_err() {
                    return;
                }
            }
        }
    });
    Ok(())
}

/// The terminal of an exec is in our hands: it follows the size of the person's.
fn watch_size(master: &rustix::fd::OwnedFd, events: &Sender<Event>) -> Result<()> {
    let [hangup, interrupt, quit, end] = ENDING;
    let set = SignalSet::of(&[Signal::WINCH, hangup, interrupt, quit, end]);
    set_mask(set)?;
    let descriptor = SignalFd::new(set)?;
    let events = events.clone();
    let master = rustix::io::fcntl_dupfd_cloexec(master, 3)?;
    std::thread::spawn(move || {
        loop {
            let mut ends = [PollFd::new(&descriptor, PollFlags::IN)];
            if poll(&mut ends, None).is_err() {
                continue;
            }
            while let Ok(Some(received)) = descriptor.read() {
                if received.signal != Signal::WINCH.as_raw() {
                    if events.send(Event::Signal(received.signal)).is_err() {
                        return;
                    }
                    continue;
                }
                if let Some((rows, columns)) = terminal::size() {
                    let size = rustix::termios::Winsize {
                        ws_row: rows,
                        ws_col: columns,
                        ws_xpixel: 0,
                        ws_ypixel: 0,
                    };
                    let _ = rustix::termios::tcsetwinsize(&master, size);
                }
            }
        }
    });
    Ok(())
}

//! The person's terminal: raw while a container has it, and as it was before on every way out.

use crate::failure::Result;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use std::sync::Mutex;

/// What the terminal was like before it was made raw. Global, because a panic and an early exit
/// must restore it too.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Raw until dropped.
#[derive(Debug)]
pub struct RawMode(());

impl RawMode {
    /// Makes the terminal behind standard input raw; nothing happens if there is none.
    pub fn enter() -> Result<Self> {
        let stdin = rustix::stdio::stdin();
        if isatty(stdin) {
            let before = tcgetattr(stdin)?;
            let mut raw = before.clone();
            raw.make_raw();
            tcsetattr(stdin, OptionalActions::Drain, &raw)?;
            if let Ok(mut slot) = BEFORE.lock() {
                slot.get_or_insert(before);
            }
        }
        Ok(Self(()))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Puts the terminal back if it was made raw. May be called at any time.
pub fn restore() {
    let before = BEFORE.lock().ok().and_then(|mut slot| slot.take());
    if let Some(before) = before {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &before);
    }
}

/// Rows and columns, if there is a terminal.
pub fn size() -> Option<(u16, u16)> {
    let ends = [rustix::stdio::stdin(), rustix::stdio::stdout()];
    let terminal = ends.into_iter().find(|end| isatty(end))?;
    let size = tcgetwinsize(terminal).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// Rows and columns of the terminal behind an end; those of old where it does not say.
pub fn size_of(end: rustix::fd::BorrowedFd<'_>) -> (usize, usize) {
    let size = tcgetwinsize(end).ok().filter(|size| size.ws_row > 0 && size.ws_col > 0);
    size.map_or((24, 80), |size| (size.ws_row.into(), size.ws_col.into()))
}

/// Whether standard input is a terminal.
pub fn in_is_terminal() -> bool {
    isatty(rustix::stdio::stdin())
}

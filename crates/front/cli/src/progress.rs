//! What a long command shows meanwhile: a line that is rewritten on a terminal, plain lines
//! elsewhere, nothing when quiet.

pub mod json;
pub mod layers;
pub mod live;
pub mod plain;
pub mod reading;

use teu_builder::{Event, Progress};

/// How a build is shown: `--progress`.
#[derive(Debug)]
pub enum BuildPrinter {
    /// Lines, as BuildKit's `plain`.
    Plain(plain::Plain),
    /// The last lines, rewritten.
    Live(live::Live),
    /// An object a line.
    Json(json::Json),
    /// Nothing but the image's id at the end.
    Quiet,
}

impl Progress for BuildPrinter {
    fn event(&mut self, event: Event) {
        match self {
            Self::Plain(printer) => printer.event(&event),
            Self::Live(printer) => printer.event(&event),
            Self::Json(printer) => printer.event(&event),
            Self::Quiet => {}
        }
    }
}

impl BuildPrinter {
    /// Leaves the screen as it should stay.
    pub fn finish(&mut self) {
        if let Self::Live(printer) = self {
            printer.finish();
        }
    }
}

//! What happens during a build, as it happens. Printers live in the front.

use std::time::Duration;

/// Number of a step within one build, from 1 in the order in which steps were announced.
pub type StepId = u32;

/// Hears of everything; called from the thread that called [`crate::build`], one event at a time.
pub trait Progress {
    /// Something happened.
    fn event(&mut self, event: Event);
}

/// A step as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its number.
    pub id: StepId,
    /// `[build 2/4] RUN make`, `[internal] load build context`, `exporting to image`.
    pub name: String,
    /// Name (or number) of its stage; empty for internal steps.
    pub stage: String,
    /// First line in the Dockerfile, 0 for internal steps.
    pub line: u32,
}

/// Which of a step's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// What will be done at most, before anything is: steps of all stages that are needed.
    Planned {
        /// Number of steps.
        steps: u32,
    },
    /// A step begins.
    Started(Step),
    /// A step was answered by the cache; follows `Started`, ends the step.
    Cached(StepId),
    /// Output of a step: whole or partial lines, as they came. At most 64 KiB at a time.
    Log {
        /// Whose.
        step: StepId,
        /// Which.
        stream: Stream,
        /// Raw; printers strip control bytes.
        bytes: Vec<u8>,
    },
    /// Something of note about a step (`transferring context: 2.5 MB`), or its part.
    Note {
        /// Whose.
        step: StepId,
        /// One line.
        text: String,
    },
    /// A step ended well.
    Done {
        /// Which.
        step: StepId,
        /// How long it took.
        elapsed: Duration,
    },
    /// A step failed; the build's error tells more.
    Failed {
        /// Which.
        step: StepId,
        /// One line.
        error: String,
    },
    /// A step was given up because another one failed.
    Canceled(StepId),
    /// Something in the Dockerfile that works and should be changed.
    Warning {
        /// Name of the check, such as `JSONArgsRecommended`.
        rule: &'static str,
        /// One line.
        message: String,
        /// Line in the Dockerfile, 0 for none.
        line: u32,
    },
}

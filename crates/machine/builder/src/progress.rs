//! What happens during a build, as it happens. Printers live in the front.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::time::Duration;

/// Number of a step within one build, from 1 in the order in which steps were announced.
pub type StepId = u32;

/// Hears of everything; called from the thread that called [`crate::build`], one event at a time.
pub trait Progress {
    /// Something happened.
    fn event(&mut self, event: Event);
}

/// A step as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
        #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
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
        rule: Cow<'static, str>,
        /// One line.
        message: String,
        /// Line in the Dockerfile, 0 for none.
        line: u32,
    },
}

/// Output between processes: text where it is text, which is three times shorter than numbers.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Output<'a> {
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
}

fn as_text<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let output = match std::str::from_utf8(bytes) {
        Ok(text) => Output::Text(text.into()),
        Err(_) => Output::Bytes(bytes.into()),
    };
    output.serialize(serializer)
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    Ok(match Output::deserialize(deserializer)? {
        Output::Text(text) => text.into_owned().into_bytes(),
        Output::Bytes(bytes) => bytes.into_owned(),
    })
}

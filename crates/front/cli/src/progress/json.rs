//! A build for programs: an object a line on standard error.

use serde_json::{Value, json};
use std::io::Write;
use teu_builder::{Event, Stream};

/// The printer.
#[derive(Debug, Default)]
pub struct Json(());

impl Json {
    /// Prints one event.
    pub fn event(&mut self, event: &Event) {
        let _ = writeln!(std::io::stderr(), "{}", document(event));
    }
}

fn document(event: &Event) -> Value {
    match event {
        Event::Planned { steps } => json!({ "event": "planned", "steps": steps }),
        Event::Started(step) => json!({
            "event": "started",
            "step": step.id,
            "name": step.name,
            "stage": step.stage,
            "line": step.line,
        }),
        Event::Cached(step) => json!({ "event": "cached", "step": step }),
        Event::Log { step, stream, bytes } => json!({
            "event": "log",
            "step": step,
            "stream": if *stream == Stream::Stdout { "stdout" } else { "stderr" },
            "text": String::from_utf8_lossy(bytes),
        }),
        Event::Note { step, text } => json!({ "event": "note", "step": step, "text": text }),
        Event::Done { step, elapsed } => json!({
            "event": "done",
            "step": step,
            "seconds": elapsed.as_secs_f64(),
        }),
        Event::Failed { step, error } => json!({ "event": "failed", "step": step, "error": error }),
        Event::Canceled(step) => json!({ "event": "canceled", "step": step }),
        Event::Warning { rule, message, line } => json!({
            "event": "warning",
            "rule": rule,
            "message": message,
            "line": line,
        }),
    }
}

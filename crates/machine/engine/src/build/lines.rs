//! What a build does, in the lines of Docker's classic builder.

use teu_builder::Event;

/// Counts the steps.
#[derive(Debug, Default)]
pub struct Lines {
    steps: u32,
    shown: u32,
}

impl Lines {
    /// The lines of one event.
    pub fn of(&mut self, event: &Event) -> Vec<String> {
        match event {
            Event::Planned { steps } => {
                self.steps = *steps;
                Vec::new()
            }
            // Steps of the builder's own (loading, exporting) have no line in the Dockerfile.
            Event::Started(step) if step.line > 0 => {
                self.shown += 1;
                let all = self.steps.max(self.shown);
                vec![format!("Step {}/{all} : {}\n", self.shown, instruction(&step.name))]
            }
            Event::Cached(_) => vec![" ---> Using cache\n".to_owned()],
            Event::Log { bytes, .. } => vec![String::from_utf8_lossy(bytes).into_owned()],
            Event::Warning { rule, message, line } => {
                vec![format!("[Warning] {rule}: {message} (line {line})\n")]
            }
            _ => Vec::new(),
        }
    }
}

/// `[build 2/4] RUN make` without what stands in brackets.
fn instruction(name: &str) -> &str {
    match name.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((_, instruction)) => instruction,
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use teu_builder::Step;

    #[test]
    fn steps_are_counted() {
        let mut lines = Lines::default();
        assert!(lines.of(&Event::Planned { steps: 2 }).is_empty());
        let step = |name: &str, line| {
            Event::Started(Step { id: 1, name: name.to_owned(), stage: String::new(), line })
        };
        assert!(lines.of(&step("[internal] load build context", 0)).is_empty());
        assert_eq!(lines.of(&step("[1/2] FROM a", 1)), ["Step 1/2 : FROM a\n"]);
        assert_eq!(lines.of(&step("[b 2/2] RUN x [y] z", 2)), ["Step 2/2 : RUN x [y] z\n"]);
    }
}

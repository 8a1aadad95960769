//! Dockerfiles, read as BuildKit reads them: bytes become logical [`lines`], lines become
//! [`instruction`]s, and [`words`] expands variables later, when a stage's values are known.
//!
//! Pure: nothing here opens a file. Every limit is a named constant below, and every error carries
//! the lines it is about, so that a person sees them ([`source`]).

use instruction::{Instruction, Located, parse_instruction};
use problem::{ParseError, Problem};
use source::{Lines, Source};
use std::sync::Arc;

pub mod flags;
pub mod instruction;
pub mod lines;
pub mod mount;
pub mod problem;
pub mod source;
pub mod words;

/// Bytes of a Dockerfile.
pub const FILE_LIMIT_BYTES: usize = 1 << 20;
/// Instructions in a Dockerfile, triggers included.
pub const INSTRUCTION_LIMIT: usize = 10_000;
/// Stages in a Dockerfile.
pub const STAGE_LIMIT: usize = 500;
/// Heredocs of one instruction.
pub const HEREDOC_LIMIT: usize = 100;

/// A parsed Dockerfile.
#[derive(Debug)]
pub struct Dockerfile {
    /// Its text.
    pub source: Arc<Source>,
    /// `# syntax=` and its like.
    pub directives: lines::Directives,
    /// `ARG`s before the first `FROM`.
    pub global_args: Vec<Located>,
    /// Stages, in order.
    pub stages: Vec<Stage>,
    /// What works and should be changed.
    pub warnings: Vec<Warning>,
}

/// One `FROM` and what follows it.
#[derive(Debug)]
pub struct Stage {
    /// `AS name`, lower case.
    pub name: Option<String>,
    /// The base as written.
    pub base: String,
    /// `--platform` as written.
    pub platform: Option<String>,
    /// Where the `FROM` stands.
    pub lines: Lines,
    /// The `FROM` line.
    pub text: String,
    /// Its instructions.
    pub instructions: Vec<Located>,
}

/// Something of note, as Docker's build checks name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Name of the check.
    pub rule: &'static str,
    /// One line.
    pub message: String,
    /// Where.
    pub lines: Lines,
}

impl Dockerfile {
    /// Parses `text`; `name` is what errors call it.
    pub fn parse(name: &str, text: &[u8]) -> Result<Self, ParseError> {
        let source = Arc::new(Source::new(name, text));
        let fail = |problem, lines| ParseError::new(&source, lines, problem);
        if text.len() > FILE_LIMIT_BYTES {
            return Err(fail(Problem::FileTooLarge(text.len()), Lines::default()));
        }
        let parsed = lines::split(text).map_err(|(lines, problem)| fail(problem, lines))?;
        if parsed.lines.len() > INSTRUCTION_LIMIT {
            return Err(fail(Problem::TooManyInstructions, Lines::default()));
        }
        let mut file = Self {
            directives: parsed.directives,
            global_args: Vec::new(),
            stages: Vec::new(),
            warnings: parsed.warnings,
            source: Arc::clone(&source),
        };
        let escape = file.directives.escape;
        for line in parsed.lines {
            let at = line.at;
            let located = parse_instruction(line, escape, &mut file.warnings)
                .map_err(|problem| fail(problem, at))?;
            file.push(located).map_err(|problem| fail(problem, at))?;
        }
        if file.stages.is_empty() {
            return Err(fail(Problem::NoStage, Lines::default()));
        }
        Ok(file)
    }

    fn push(&mut self, located: Located) -> Result<(), Problem> {
        match (located.instruction, self.stages.last_mut()) {
            (Instruction::From { base, name, platform }, _) => {
                if self.stages.len() == STAGE_LIMIT {
                    return Err(Problem::TooManyStages);
                }
                self.check_name(name.as_deref(), located.lines)?;
                let (lines, text) = (located.lines, located.text);
                let stage = Stage { name, base, platform, lines, text, instructions: Vec::new() };
                self.stages.push(stage);
            }
            (Instruction::Arg(args), None) => {
                let located = Located { instruction: Instruction::Arg(args), ..located };
                self.global_args.push(located);
            }
            (_, None) => return Err(Problem::NoStageYet(located.keyword)),
            (instruction, Some(stage)) => {
                stage.instructions.push(Located { instruction, ..located });
            }
        }
        Ok(())
    }

    fn check_name(&mut self, name: Option<&str>, lines: Lines) -> Result<(), Problem> {
        let Some(name) = name else { return Ok(()) };
        if self.stages.iter().any(|stage| stage.name.as_deref() == Some(name)) {
            self.warnings.push(Warning {
                rule: "DuplicateStageName",
                message: format!("Duplicate stage name {name:?}, stage names should be unique"),
                lines,
            });
        }
        if matches!(name, "context" | "scratch") {
            self.warnings.push(Warning {
                rule: "ReservedStageName",
                message: format!(
                    "Stage name should not use the same name as reserved stage {name:?}"
                ),
                lines,
            });
        }
        Ok(())
    }

    /// The stage that `name` (or number) means for the first `before` stages; the last of equals.
    pub fn stage_index(&self, name: &str, before: usize) -> Option<usize> {
        let lower = name.to_ascii_lowercase();
        let named = self.stages[..before]
            .iter()
            .rposition(|stage| stage.name.as_deref() == Some(lower.as_str()));
        named.or_else(|| name.parse().ok().filter(|index| *index < before))
    }
}

#[cfg(test)]
mod tests;

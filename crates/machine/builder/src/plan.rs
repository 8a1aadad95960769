//! Which stages are needed, and what each is built on. Pure.

use crate::dockerfile::instruction::{Instruction, Located};
use crate::dockerfile::mount::Mount;
use crate::dockerfile::problem::{ParseError, Problem, suggest};
use crate::dockerfile::words::expand_word;
use crate::dockerfile::{Dockerfile, Stage};
use crate::error::Error;
use crate::stage::Scope;
use std::collections::BTreeSet;

/// What a stage, `COPY --from` or a mount takes its files from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nothing.
    Scratch,
    /// An earlier stage.
    Stage(usize),
    /// One of `--build-context`, by its place in the request.
    Context(usize),
    /// An image of the store.
    Image(String),
}

/// What will be built.
#[derive(Debug)]
pub struct Plan {
    /// The stage asked for.
    pub target: usize,
    /// What each stage is built on.
    pub bases: Vec<Origin>,
    /// Stages that are needed, in order.
    pub needed: BTreeSet<usize>,
    /// Instructions that change files in them, and their `FROM`s.
    pub steps: u32,
}

/// Plans a build of `target` (the last stage when empty); `contexts` are the names of
/// `--build-context`.
pub fn plan(
    file: &Dockerfile,
    target: Option<&str>,
    scope: &Scope,
    contexts: &[&str],
) -> Result<Plan, Error> {
    let count = file.stages.len();
    let target = match target {
        None => count - 1,
        Some(name) => file.stage_index(name, count).ok_or_else(|| Error::NoTarget {
            name: name.to_owned(),
            near: suggest(name, file.stages.iter().filter_map(|stage| stage.name.as_deref())),
        })?,
    };
    let mut bases = Vec::new();
    for (index, stage) in file.stages.iter().enumerate() {
        let base = base(file, index, stage, scope, contexts)
            .map_err(|problem| ParseError::new(&file.source, stage.lines, problem));
        // What is wrong with a stage that is not needed does not matter.
        match base {
            Ok(base) => bases.push(base),
            Err(error) if index <= target => return Err(error.into()),
            Err(_) => bases.push(Origin::Scratch),
        }
    }
    let mut needed = BTreeSet::new();
    let mut pending = vec![target];
    while let Some(index) = pending.pop() {
        if !needed.insert(index) {
            continue;
        }
        if let Origin::Stage(base) = bases[index] {
            pending.push(base);
        }
        for located in &file.stages[index].instructions {
            for name in froms(located) {
                match origin(file, index, &name, contexts) {
                    Ok(Origin::Stage(other)) => pending.push(other),
                    Ok(_) => {}
                    Err(problem) => {
                        return Err(ParseError::new(&file.source, located.lines, problem).into());
                    }
                }
            }
        }
    }
    let steps = |index: &usize| {
        1 + file.stages[*index].instructions.iter().filter(|i| changes_files(i)).count()
    };
    let steps = needed.iter().map(steps).sum::<usize>().try_into().unwrap_or(u32::MAX);
    Ok(Plan { target, bases, needed, steps })
}

/// Says whether an instruction is a step of its own.
pub fn changes_files(located: &Located) -> bool {
    matches!(
        located.instruction,
        Instruction::Run(_) | Instruction::Copy(_) | Instruction::Workdir(_)
    )
}

fn base(
    file: &Dockerfile,
    index: usize,
    stage: &Stage,
    scope: &Scope,
    contexts: &[&str],
) -> Result<Origin, Problem> {
    let escape = file.directives.escape;
    let name = expand_word(&stage.base, escape, &|name| scope.global(name))
        .map_err(|problem| Problem::Expansion { word: stage.base.clone(), problem })?;
    match name.as_str() {
        "" => Err(Problem::BlankBase(stage.base.clone())),
        "scratch" => Ok(Origin::Scratch),
        _ => {
            // By name only: a number is an image's name here.
            let stage = file.stages[..index].iter().rposition(|stage| {
                stage.name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case(&name))
            });
            Ok(match (stage, contexts.iter().position(|context| *context == name)) {
                (_, Some(context)) => Origin::Context(context),
                (Some(stage), None) => Origin::Stage(stage),
                (None, None) => Origin::Image(name),
            })
        }
    }
}

/// What `--from=name` means in a stage.
pub fn origin(
    file: &Dockerfile,
    stage: usize,
    name: &str,
    contexts: &[&str],
) -> Result<Origin, Problem> {
    if name.contains('$') {
        return Err(Problem::FromVariable(name.to_owned()));
    }
    if name == "scratch" {
        return Ok(Origin::Scratch);
    }
    if let Some(context) = contexts.iter().position(|context| *context == name) {
        return Ok(Origin::Context(context));
    }
    if let Some(index) = file.stage_index(name, stage) {
        return Ok(Origin::Stage(index));
    }
    let own = file.stages[stage].name.as_deref();
    if own.is_some_and(|own| own.eq_ignore_ascii_case(name)) || name.parse() == Ok(stage) {
        return Err(Problem::Circular(name.to_owned()));
    }
    if name.parse::<usize>().is_ok() {
        return Err(Problem::NoSuchStage {
            what: "stage",
            name: name.to_owned(),
            suggestion: None,
        });
    }
    Ok(Origin::Image(name.to_owned()))
}

/// The `from`s of an instruction.
pub fn froms(located: &Located) -> Vec<String> {
    match &located.instruction {
        Instruction::Copy(copy) => copy.from.iter().cloned().collect(),
        Instruction::Run(run) => {
            run.mounts.iter().filter_map(|text| Mount::from_of(text)).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;

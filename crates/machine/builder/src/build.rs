//! One build from request to outcome.

use crate::context;
use crate::dockerfile::Dockerfile;
use crate::dockerfile::instruction::Instruction;
use crate::dockerfile::problem::{ParseError, Problem};
use crate::dockerfile::words::expand_word;
use crate::error::{Error, RequestProblem, Result};
use crate::export;
use crate::outcome::Outcome;
use crate::plan::{self, Plan};
use crate::progress::{Event, Progress};
use crate::request::{BuildRequest, Environment};
use crate::session::Session;
use crate::solve::{Inputs, Solver};
use crate::stage::{Scope, is_proxy};
use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::mpsc;
use teu_oci::Platform;

/// See [`crate::build`].
pub fn build(
    mut request: BuildRequest,
    environment: &Environment<'_>,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    check(&request)?;
    prepare(environment.state)?;
    let session = Session::begin(environment.state)?;
    let streamed = session.directory("context").map_err(|_| Error::Internal("no scratch space"))?;
    let opened = context::open(&mut request, environment.state, &streamed)?;
    let file = Dockerfile::parse(&opened.name, &opened.text)?;
    let epoch = epoch(&request)?;
    let platform = request.platform.clone().unwrap_or_else(Platform::host);
    supported(&platform)?;
    let scope = global_scope(&file, &request, &platform)?;
    let contexts: Vec<&str> =
        request.build_contexts.iter().map(|(name, _)| name.as_str()).collect();
    let plan = plan::plan(&file, request.target.as_deref(), &scope, &contexts)?;
    progress.event(Event::Planned { steps: plan.steps });
    warn(&file, &request, progress);
    if request.check_only {
        return Ok(Outcome { steps: plan.steps, ..Outcome::default() });
    }
    let inputs = Inputs {
        request: &request,
        environment,
        file: &file,
        plan: &plan,
        scope,
        platform,
        context: opened.tree,
        session: &session,
        epoch,
    };
    solve(inputs, &plan, progress)
}

/// Solves on threads of its own; this one passes on what they say.
fn solve(inputs: Inputs<'_>, plan: &Plan, progress: &mut dyn Progress) -> Result<Outcome> {
    let (events, heard) = mpsc::channel();
    let (request, budget) = (inputs.request, inputs.environment.cache_budget_bytes);
    std::thread::scope(|scope| {
        let worker = scope.spawn(move || {
            let solver = Solver::new(inputs, events)?;
            let result = solver.solve().and_then(|built| {
                let exported = export::export(&solver, &built)?;
                Ok(Outcome { steps: plan.steps, cached: solver.cached(), ..exported })
            });
            solver.save_stat_caches();
            if solver.has_learnt() {
                solver.records().renew_lease(budget)?;
            }
            result
        });
        for event in heard {
            progress.event(event);
        }
        let outcome = worker.join().unwrap_or(Err(Error::Internal("the solver panicked")))?;
        export::notes(request, &outcome)?;
        Ok(outcome)
    })
}

fn check(request: &BuildRequest) -> Result<()> {
    let refuse = |flag, problem| Err(Error::Request { flag, problem });
    if request.squash {
        return refuse("--squash", RequestProblem::Squash);
    }
    if !request.annotations.is_empty() {
        return refuse("--annotation", RequestProblem::Annotations);
    }
    let mut ids = BTreeSet::new();
    for secret in &request.secrets {
        if !ids.insert(&secret.id) {
            return refuse("--secret", RequestProblem::SecretTwice(secret.id.clone()));
        }
    }
    Ok(())
}

/// The state directory, for us alone: caches may hold anything.
fn prepare(state: &Path) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state)
        .map_err(|source| Error::io("make", state, source))
}

fn epoch(request: &BuildRequest) -> Result<Option<i64>> {
    let given = request.build_args.iter().rev().find(|(name, _)| name == "SOURCE_DATE_EPOCH");
    match given {
        None => Ok(request.source_date_epoch),
        Some((_, value)) if value.is_empty() => Ok(None),
        Some((_, value)) => value.parse().map(Some).map_err(|_| Error::Request {
            flag: "--build-arg",
            problem: RequestProblem::Epoch(value.clone()),
        }),
    }
}

/// Refuses platforms whose programs this machine cannot run.
pub fn supported(platform: &Platform) -> Result<()> {
    let host = Platform::host();
    let interpreter = match platform.architecture.as_str() {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "386" => "i386",
        other => other,
    };
    let emulated =
        || Path::new("/proc/sys/fs/binfmt_misc").join(format!("qemu-{interpreter}")).exists();
    if platform.os == "linux" && (host.satisfies(platform) || emulated()) {
        return Ok(());
    }
    Err(Error::Platform { wanted: platform.to_string(), host: host.to_string() })
}

/// Variables before the first stage.
pub fn global_scope(
    file: &Dockerfile,
    request: &BuildRequest,
    platform: &Platform,
) -> Result<Scope> {
    let escape = file.directives.escape;
    let mut scope = Scope::new(&request.build_args, escape, &Platform::host(), platform);
    for located in &file.global_args {
        let Instruction::Arg(args) = &located.instruction else { continue };
        for (name, default) in args {
            let expand = |word: &String| {
                expand_word(word, escape, &|name| scope.global(name)).map_err(|problem| {
                    let problem = Problem::Expansion { word: word.clone(), problem };
                    ParseError::new(&file.source, located.lines, problem)
                })
            };
            let value = default.as_ref().map(expand).transpose()?;
            scope.declare_global(name, value);
        }
    }
    Ok(scope)
}

fn warn(file: &Dockerfile, request: &BuildRequest, progress: &mut dyn Progress) {
    for warning in &file.warnings {
        progress.event(Event::Warning {
            rule: warning.rule.into(),
            message: warning.message.clone(),
            line: warning.lines.first,
        });
    }
    let declared: BTreeSet<&str> = file
        .global_args
        .iter()
        .chain(file.stages.iter().flat_map(|stage| &stage.instructions))
        .filter_map(|located| match &located.instruction {
            Instruction::Arg(args) => Some(args),
            _ => None,
        })
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    let known = |name: &str| {
        declared.contains(name)
            || is_proxy(name)
            || name == "SOURCE_DATE_EPOCH"
            || name.starts_with("BUILDKIT_")
            || name.starts_with("TARGET")
            || name.starts_with("BUILDPLATFORM")
    };
    for (name, _) in request.build_args.iter().filter(|(name, _)| !known(name)) {
        progress.event(Event::Warning {
            rule: "UnusedBuildArg".into(),
            message: format!("build argument {name} was not consumed: no ARG declares it"),
            line: 0,
        });
    }
}

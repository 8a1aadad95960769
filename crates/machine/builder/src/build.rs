//! One build from request to outcome.

use crate::cache::import::Import;
use crate::context;
use crate::dockerfile::Dockerfile;
use crate::dockerfile::instruction::Instruction;
use crate::dockerfile::problem::{ParseError, Problem};
use crate::dockerfile::words::expand_word;
use crate::error::{Error, RequestProblem, Result};
use crate::export;
use crate::outcome::Outcome;
use crate::plan;
use crate::progress::{Event, Progress, Step};
use crate::request::{BuildRequest, Environment, Output};
use crate::session::Session;
use crate::solve::{Common, Solved, Solver, Target};
use crate::stage::{Scope, is_proxy};
use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::sync::{Arc, mpsc};
use std::time::Instant;
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
    let targets = targets(&file, &request)?;
    let steps = targets.iter().map(|target| target.plan.steps).sum();
    progress.event(Event::Planned { steps });
    warn(&file, &request, progress);
    if request.check_only {
        return Ok(Outcome { steps, ..Outcome::default() });
    }
    let common = Common {
        request: &request,
        environment,
        file: &file,
        context: opened.tree,
        session: &session,
        epoch,
        ids: Arc::default(),
        is_one_of_several: targets.len() > 1,
    };
    solve(&common, &targets, progress)
}

/// What is built for each platform.
fn targets(file: &Dockerfile, request: &BuildRequest) -> Result<Vec<Target>> {
    let contexts: Vec<&str> =
        request.build_contexts.iter().map(|(name, _)| name.as_str()).collect();
    let plan = |platform: Platform| {
        known(&platform)?;
        let scope = global_scope(file, request, &platform)?;
        let plan = plan::plan(file, request.target.as_deref(), &scope, &contexts)?;
        Ok(Target { platform, scope, plan })
    };
    request.targets().into_iter().map(plan).collect()
}

/// Solves on threads of its own, one platform after another; this one passes on what they say.
fn solve(common: &Common<'_>, targets: &[Target], progress: &mut dyn Progress) -> Result<Outcome> {
    let (events, heard) = mpsc::channel();
    let (request, budget) = (common.request, common.environment.cache_budget_bytes);
    std::thread::scope(|scope| {
        let worker = scope.spawn(move || {
            let imports = Arc::new(imports(common, &events));
            let mut solvers = Vec::new();
            for target in targets {
                let shared = (events.clone(), Arc::clone(&imports));
                solvers.push(Solver::new(common, target, shared)?);
            }
            drop(events);
            let solved = || -> Result<Outcome> {
                let mut results = Vec::new();
                for solver in &solvers {
                    results.push(Solved { solver, built: solver.solve()? });
                }
                let exported = export::export(&results)?;
                let steps = targets.iter().map(|target| target.plan.steps).sum();
                let cached = solvers.iter().map(Solver::cached).sum();
                Ok(Outcome { steps, cached, ..exported })
            };
            let result = solved();
            for solver in &solvers {
                solver.save_stat_caches();
            }
            if let Some(solver) = solvers.iter().find(|solver| solver.has_learnt()) {
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

/// Caches of other machines; one that cannot be read is told of, and no more.
fn imports<'a>(common: &Common<'a>, events: &Sender<Event>) -> Vec<Import<'a>> {
    let mut imports = Vec::new();
    for from in &common.request.cache_from {
        let id = common.ids.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("importing cache manifest from {}", from.shown());
        let begun = Instant::now();
        // Nobody listens any more when the build is being given up.
        let tell = |event| drop(events.send(event));
        tell(Event::Started(Step { id, name, stage: String::new(), line: 0 }));
        match Import::open(from, common.environment) {
            Ok(import) => {
                let text = format!("{} steps", import.steps());
                tell(Event::Note { step: id, text });
                tell(Event::Done { step: id, elapsed: begun.elapsed() });
                imports.push(import);
            }
            Err(problem) => tell(Event::Failed { step: id, error: problem.to_string() }),
        }
    }
    imports
}

fn check(request: &BuildRequest) -> Result<()> {
    let refuse = |flag, problem| Err(Error::Request { flag, problem });
    if request.squash {
        return refuse("--squash", RequestProblem::Squash);
    }
    if request.targets().len() > 1 {
        for output in &request.outputs {
            let kind = match output {
                Output::Docker { .. } => "type=docker",
                Output::Tar { .. } => "type=tar",
                _ => continue,
            };
            return refuse("--output", RequestProblem::OnePlatform(kind));
        }
    }
    let annotations = match request.levels() {
        Ok(annotations) => annotations,
        Err(problem) => return refuse("--annotation", problem),
    };
    let is_index = request.targets().len() > 1 || !request.attest.is_empty();
    if !annotations.index.is_empty() && !is_index {
        return refuse("--annotation", RequestProblem::NoIndex);
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

/// Refuses platforms of which nothing is known here.
pub fn known(platform: &Platform) -> Result<()> {
    match platform.os.as_str() {
        "linux" => Ok(()),
        _ => Err(Error::Platform { wanted: platform.to_string() }),
    }
}

/// Says whether this machine runs programs of a platform: its own, or with an emulator's help.
pub fn runs(platform: &Platform) -> bool {
    let interpreter = match platform.architecture.as_str() {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "386" => "i386",
        other => other,
    };
    let emulator = || Path::new("/proc/sys/fs/binfmt_misc").join(format!("qemu-{interpreter}"));
    platform.os == "linux" && (Platform::host().satisfies(platform) || emulator().exists())
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

//! `teu compose`: applications of several containers, from the files that Docker Compose reads.
//!
//! Reading and planning are [`teu_compose`]'s; here is what a person types and sees, and everything
//! that comes from outside: variables, the working directory, files, the terminal.

use crate::context::{Context, warn};
use crate::failure::{Failure, Result};
use crate::flags::{Command, Completes, Flag, Matches};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use teu_compose::load::Files;
use teu_compose::load::locate::{LocateError, Wishes};
use teu_compose::observe::{self, Observed};
use teu_compose::project::{Project, ProjectError, ReadOptions};

mod attached;
mod build;
mod config;
mod convert;
mod down;
mod exec;
mod images;
mod life;
mod logs;
mod progress;
mod ps;
mod run;
mod show;
mod up;
mod watch;

/// Largest Compose file on standard input, in bytes.
const STDIN_LIMIT_BYTES: u64 = 8 << 20;

/// The group.
pub const COMPOSE: Command = Command {
    usage: "[OPTIONS] COMMAND",
    flags: &[&[
        Flag::text(
            "ansi",
            "string",
            "Control when to print ANSI control characters (never|always|auto)",
        )
        .completes(Completes::Words(&["never", "always", "auto"])),
        Flag::switch("compatibility", "Name containers with _ between the parts"),
        Flag::switch("dry-run", "Show what would be done"),
        Flag::list("env-file", "Specify an alternate environment file").completes(Completes::Files),
        Flag::list("file", "Compose configuration files").short('f').completes(Completes::Files),
        Flag::integer("parallel", "Control max parallelism, -1 for unlimited"),
        Flag::list("profile", "Specify a profile to enable"),
        Flag::text("progress", "string", "Set type of progress output (auto|tty|plain|json|quiet)")
            .completes(Completes::Words(&["auto", "tty", "plain", "json", "quiet"])),
        Flag::text("project-directory", "string", "Specify an alternate working directory")
            .completes(Completes::Files),
        Flag::text("project-name", "string", "Project name").short('p'),
        Flag::text("workdir", "string", "").hidden(),
    ]],
    examples: &[
        ("teu compose up -d --wait", "start everything, and wait until it is healthy"),
        ("teu compose --dry-run up", "what would happen"),
        ("teu compose logs -f web", "what a service writes"),
        ("teu compose down -v", "and everything is gone"),
    ],
    ..Command::group("compose", "Define and run applications of several containers", ALL)
};

const ALL: &[&Command] = &[
    &attached::ATTACH,
    &build::BUILD,
    &config::CONFIG,
    &convert::CONVERT,
    &show::CP,
    &up::CREATE,
    &down::DOWN,
    &show::EVENTS,
    &exec::EXEC,
    &images::IMAGES,
    &life::KILL,
    &logs::LOGS,
    &show::LS,
    &life::PAUSE,
    &show::PORT,
    &ps::PS,
    &images::PULL,
    &images::PUSH,
    &life::RESTART,
    &life::RM,
    &run::RUN,
    &up::SCALE,
    &life::START,
    &show::STATS,
    &life::STOP,
    &show::TOP,
    &life::UNPAUSE,
    &up::UP,
    &show::VERSION,
    &life::WAIT,
    &watch::WATCH,
];

/// `--dry-run` behind the command's word, where Docker takes it too.
const DRY_RUN: Flag = Flag::switch("dry-run", "Show what would be done").hidden();

/// Files as they are on disk.
#[derive(Debug, Default)]
struct Disk {
    stdin: Option<Vec<u8>>,
}

impl Files for Disk {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        match (&self.stdin, path.as_os_str() == "-") {
            (Some(bytes), true) => Ok(bytes.clone()),
            _ => std::fs::read(path),
        }
    }
    fn exists(&self, path: &Path) -> bool {
        path.is_file() || (self.stdin.is_some() && path.as_os_str() == "-")
    }
}

fn wishes(matches: &Matches) -> Result<Wishes> {
    let texts = |flag: &str| matches.outer_list(flag).into_iter().map(str::to_owned).collect();
    let owned = |flag: &str| matches.outer_text(flag).filter(|t| !t.is_empty()).map(str::to_owned);
    Ok(Wishes {
        files: texts("file"),
        name: owned("project-name"),
        directory: owned("project-directory").or_else(|| owned("workdir")),
        env_files: texts("env-file"),
        profiles: texts("profile"),
        here: std::env::current_dir()?,
        home: std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from),
        variables: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
    })
}

fn failed(error: ProjectError) -> Failure {
    let hint = match &error {
        ProjectError::NoService { near: Some(near), .. } => Some(format!("did you mean {near}?")),
        ProjectError::Locate(LocateError::NoFile) => {
            Some("name a file with -f, or go where compose.yaml is".to_owned())
        }
        _ => None,
    };
    Failure { hint, ..Failure::from(error) }
}

/// Reads the project; profiles are not applied yet.
fn read(matches: &Matches, options: ReadOptions) -> Result<Project> {
    let wishes = wishes(matches)?;
    let listed = wishes.variables.get("COMPOSE_FILE").is_some_and(|list| list == "-");
    let mut disk = Disk::default();
    if wishes.files.iter().any(|file| file == "-") || (wishes.files.is_empty() && listed) {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(STDIN_LIMIT_BYTES).read_to_end(&mut bytes)?;
        disk.stdin = Some(bytes);
    }
    let project = Project::read(&wishes, options, &disk).map_err(failed)?;
    for warning in &project.warnings {
        warn(warning);
    }
    Ok(project)
}

/// The project with the services of its profiles; named services turn theirs on.
fn project(matches: &Matches, named: &[String]) -> Result<Project> {
    let mut project = read(matches, ReadOptions::default())?;
    for name in named {
        project.service(name).map_err(failed)?;
    }
    project.apply_profiles(named).map_err(failed)?;
    Ok(project)
}

/// A project as commands about containers need it: by its file, or by its name alone.
struct Scope {
    name: String,
    project: Option<Project>,
    containers: Vec<Observed>,
}

impl Scope {
    fn of(ctx: &Context, matches: &Matches) -> Result<Self> {
        let read = read(matches, ReadOptions::default());
        let (name, project) = match read {
            Ok(project) => (project.name().to_owned(), Some(project)),
            // A project that runs is found by its name, wherever its file is.
            Err(failure) => {
                let variable = std::env::var("COMPOSE_PROJECT_NAME").ok();
                let name = matches.outer_text("project-name").map(str::to_owned).or(variable);
                let no_file = matches.outer_list("file").is_empty();
                match name.filter(|name| !name.is_empty()) {
                    Some(name) if no_file => (name, None),
                    _ => return Err(failure),
                }
            }
        };
        let containers = observe::list(ctx.containers()?, &name)?;
        Ok(Self { name, project, containers })
    }

    /// Containers of the named services, of all when none is named.
    fn services(&self, named: &[String]) -> Result<Vec<&Observed>> {
        for name in named {
            let there = self.containers.iter().any(|container| container.service == *name);
            match &self.project {
                Some(project) if !there => {
                    project.service(name).map_err(failed)?;
                }
                None if !there => {
                    return Err(Failure::new(format!("no such service: {name}")));
                }
                _ => {}
            }
        }
        let wanted = |container: &&Observed| {
            !container.oneoff && (named.is_empty() || named.contains(&container.service))
        };
        Ok(self.containers.iter().filter(wanted).collect())
    }

    /// One container of a service: `--index`, else the first.
    fn one(&self, service: &str, index: Option<i64>) -> Result<&Observed> {
        let all = self.services(&[service.to_owned()])?;
        let wanted = |container: &&&Observed| match index.filter(|&index| index > 0) {
            Some(index) => i64::from(container.number) == index,
            None => true,
        };
        all.iter()
            .filter(|c| c.runs())
            .find(wanted)
            .or_else(|| all.iter().find(wanted))
            .copied()
            .ok_or_else(|| {
                Failure::new(format!("service {service:?} is not running"))
                    .hint(format!("start it with teu compose up -d {service}"))
            })
    }
}

/// `--dry-run`, before or behind the command.
fn is_dry(matches: &Matches) -> bool {
    matches.outer_text("dry-run") == Some("true")
        || matches.command.all_flags().any(|flag| flag.long == "dry-run")
            && matches.switch("dry-run")
}

/// `--parallel`, `COMPOSE_PARALLEL_LIMIT`.
fn parallel(matches: &Matches) -> usize {
    let variable = std::env::var("COMPOSE_PARALLEL_LIMIT").ok();
    let text = matches.outer_text("parallel").map(str::to_owned).or(variable);
    match text.and_then(|text| text.parse::<i64>().ok()) {
        Some(0) | None => teu_compose::execute::PARALLEL_DEFAULT,
        Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
    }
}

/// `name-1` of `project-name-1`: how logs call a container.
fn short_name<'a>(project: &str, name: &'a str) -> &'a str {
    let rest = name.strip_prefix(project).and_then(|rest| rest.strip_prefix(['-', '_']));
    rest.filter(|rest| !rest.is_empty()).unwrap_or(name)
}

/// Whether colours and moving cursors may be used on standard error.
fn ansi(matches: &Matches, terminal: bool) -> bool {
    let variable = std::env::var("COMPOSE_ANSI").ok();
    match matches.outer_text("ansi").or(variable.as_deref()).unwrap_or("auto") {
        "never" => false,
        "always" => true,
        _ => terminal && std::env::var_os("NO_COLOR").is_none(),
    }
}

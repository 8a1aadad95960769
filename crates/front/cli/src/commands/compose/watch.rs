//! `teu compose watch`: what changes in the source goes into the containers, by `develop.watch`.
//!
//! Changes are heard of through inotify; a burst of them is one piece of work. What a rule does is
//! decided in [`teu_compose::watch`].

use super::build::{BuildOptions, build_all};
use super::images::ImageOptions;
use super::up::converge;
use super::{failed, project};
use crate::context::{Context, complain};
use crate::failure::{Doing, Failure, Result};
use crate::flags::{Arity, Command, Flag, Matches};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use teu_compose::execute::write_content;
use teu_compose::model::Hook;
use teu_compose::observe::{self, Observed};
use teu_compose::plan::UpOptions;
use teu_compose::project::Project;
use teu_compose::request::ContentFile;
use teu_compose::watch::{Rules, Work, note, rules};
use teu_containers::exec::{ExecRequest, ExecStreams};
use teu_containers::lifecycle::Stop;

/// So long nothing must change before a burst is over, in milliseconds.
const QUIET_MS: i64 = 150;
/// A burst is over after so many changes, whatever follows.
const BURST_LIMIT: usize = 10_000;
/// Most directories that are watched.
const DIRECTORIES_LIMIT: usize = 65_536;
/// Largest file that is brought over, in bytes.
const FILE_LIMIT_BYTES: u64 = 1 << 30;

/// The command.
pub const WATCH: Command = Command {
    usage: "[OPTIONS] [SERVICE...]",
    arity: Arity::AtLeast(0),
    flags: &[&[
        Flag::switch("no-up", "Do not build & start services before watching"),
        Flag::switch("quiet", "Hide build output"),
    ]],
    examples: &[("teu compose watch", "sync, rebuild, restart as files change")],
    ..Command::new(
        "watch",
        "Watch build context for service and rebuild/refresh containers when files are updated",
        run,
    )
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let mut project = project(matches, &matches.operands)?;
    project.select(&matches.operands, true).map_err(failed)?;
    check(&project)?;
    if !matches.switch("no-up") {
        let building = BuildOptions { quiet: matches.switch("quiet"), ..BuildOptions::default() };
        let images = ImageOptions { build: true, building, ..ImageOptions::default() };
        converge(ctx, matches, &project, &images, &UpOptions::default())?;
    }
    follow(ctx, matches, &project)
}

/// Refuses a project in which nothing is watched.
pub fn check(project: &Project) -> Result<()> {
    match rules(project).is_empty() {
        false => Ok(()),
        true => Err(Failure::new("none of the selected services is configured for watch")
            .hint("consider setting a 'develop' section")),
    }
}

/// Brings changes over for as long as the process lives.
pub fn follow(ctx: &Context, matches: &Matches, project: &Project) -> Result<u8> {
    let rules = rules(project);
    let mut watch = Watch::new()?;
    for rule in rules.iter().flat_map(|of| of.rules) {
        watch.add(Path::new(&rule.path))?;
    }
    // Somebody may wait for this line to change a file.
    ctx.line("Watch enabled")?;
    loop {
        let changed = watch.burst()?;
        for of in &rules {
            let mut work = Work::default();
            changed.iter().for_each(|path| note(of, path, &mut work));
            if work == Work::default() {
                continue;
            }
            if let Err(failure) = carry_out(ctx, matches, project, of, &work) {
                complain(&failure.message);
            }
        }
    }
}

fn carry_out(
    ctx: &Context,
    matches: &Matches,
    project: &Project,
    of: &Rules<'_>,
    work: &Work,
) -> Result<()> {
    let name = of.service;
    if work.rebuild {
        ctx.line(&format!("Rebuilding service {name:?} after changes were detected..."))?;
        let quiet = BuildOptions { quiet: true, ..BuildOptions::default() };
        build_all(ctx, project, &BTreeSet::from([name.to_owned()]), &quiet)?;
        let mut alone = project.clone();
        alone.select(&[name.to_owned()], false).map_err(failed)?;
        let options = UpOptions { ignore_orphans: true, ..UpOptions::default() };
        converge(ctx, matches, &alone, &ImageOptions::default(), &options)?;
        return ctx.line(&format!("service {name:?} successfully built"));
    }
    let all = observe::list(ctx.containers()?, project.name())?;
    let mine = all.iter().filter(|c| c.service == name && c.runs() && !c.oneoff);
    for container in mine {
        sync(ctx, container, work)?;
        if work.restart {
            let stop = Stop::default();
            ctx.containers()?.restart(&container.id, stop)?;
        }
        for index in &work.exec {
            if let Some(hook) = of.rules.get(*index).and_then(|rule| rule.exec.as_ref()) {
                exec(ctx, container, hook)?;
            }
        }
    }
    if !work.sync.is_empty() {
        ctx.line(&format!(
            "Syncing service {name:?} after {} changes were detected",
            work.sync.len()
        ))?;
    }
    if work.restart {
        ctx.line(&format!("service {name:?} restarted"))?;
    }
    Ok(())
}

/// Brings files over; what is gone here goes there.
fn sync(ctx: &Context, container: &Observed, work: &Work) -> Result<()> {
    let mut files = Vec::new();
    for change in &work.sync {
        match change.host.symlink_metadata() {
            Ok(meta) if meta.is_file() && meta.len() <= FILE_LIMIT_BYTES => {
                let content = std::fs::read(&change.host);
                files.push(ContentFile {
                    path: change.container.clone(),
                    content: content.doing(|| format!("read {}", change.host.display()))?,
                    mode: meta.permissions().mode() & 0o7777,
                    uid: 0,
                    gid: 0,
                });
            }
            // Directories come with their files, links and devices do not come at all.
            Ok(_) => {}
            Err(_) => {
                let command = ["rm", "-rf", "--", &change.container].map(str::to_owned);
                let request = ExecRequest { command: command.into(), ..ExecRequest::default() };
                ctx.containers()?.exec(&container.id, &request, ExecStreams::default())?.wait()?;
            }
        }
    }
    Ok(write_content(ctx.containers()?, &container.id, &files)?)
}

fn exec(ctx: &Context, container: &Observed, hook: &Hook) -> Result<()> {
    let env = hook.environment.iter();
    let env = env.filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
    let request = ExecRequest {
        command: hook.command.clone(),
        env: env.collect(),
        user: hook.user.clone(),
        working_dir: hook.working_dir.clone(),
        privileged: hook.privileged,
        ..ExecRequest::default()
    };
    match ctx.containers()?.exec(&container.id, &request, ExecStreams::default())?.wait()? {
        0 => Ok(()),
        code => {
            Err(Failure::new(format!("{}: watch hook exited with status {code}", container.name)))
        }
    }
}

/// Directories of the host, with everything below them.
struct Watch {
    inotify: OwnedFd,
    directories: HashMap<i32, PathBuf>,
    /// Files that are watched for themselves, by the directory they lie in.
    single: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
}

impl Watch {
    fn new() -> Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { inotify, directories: HashMap::new(), single: BTreeMap::new() })
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let meta = path.metadata().doing(|| format!("watch {}", path.display()))?;
        if meta.is_dir() {
            return self.tree(path, &mut Vec::new());
        }
        let directory = path.parent().unwrap_or_else(|| Path::new("/")).to_owned();
        self.one(&directory)?;
        self.single.entry(directory).or_default().insert(path.to_owned());
        Ok(())
    }

    fn one(&mut self, directory: &Path) -> Result<()> {
        if self.directories.len() >= DIRECTORIES_LIMIT {
            return Err(Failure::new(format!(
                "more than {DIRECTORIES_LIMIT} directories to watch"
            ))
            .hint("name a smaller path, or ignore what is not source"));
        }
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ATTRIB
            | WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW;
        let number = inotify::add_watch(&self.inotify, directory, flags)
            .doing(|| format!("watch {}", directory.display()))?;
        self.directories.insert(number, directory.to_owned());
        Ok(())
    }

    /// A directory and all below it; files found on the way are told.
    fn tree(&mut self, directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
        let mut open = vec![directory.to_owned()];
        while let Some(directory) = open.pop() {
            if directory.file_name() == Some(OsStr::new(".git")) {
                continue;
            }
            // It may have gone again.
            if self.one(&directory).is_err() && !directory.is_dir() {
                continue;
            }
            let Ok(entries) = std::fs::read_dir(&directory) else { continue };
            for entry in entries.flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => open.push(entry.path()),
                    _ => found.push(entry.path()),
                }
            }
        }
        Ok(())
    }

    /// Waits for changes, and for the end of their burst.
    fn burst(&mut self) -> Result<BTreeSet<PathBuf>> {
        let mut changed = BTreeSet::new();
        let quiet = Timespec { tv_sec: 0, tv_nsec: QUIET_MS * 1_000_000 };
        loop {
            let limit = if changed.is_empty() { None } else { Some(&quiet) };
            let ready = poll(&mut [PollFd::new(&self.inotify, PollFlags::IN)], limit);
            match ready {
                Ok(0) => return Ok(changed),
                Err(rustix::io::Errno::INTR) => continue,
                other => other?,
            };
            self.read(&mut changed)?;
            if changed.len() >= BURST_LIMIT {
                return Ok(changed);
            }
        }
    }

    fn read(&mut self, changed: &mut BTreeSet<PathBuf>) -> Result<()> {
        let mut made = Vec::new();
        let mut space = [MaybeUninit::uninit(); 16 << 10];
        let mut reader = inotify::Reader::new(&self.inotify, &mut space);
        while let Ok(event) = reader.next() {
            let Some(directory) = self.directories.get(&event.wd()) else { continue };
            let Some(name) = event.file_name() else { continue };
            let path = directory.join(OsStr::from_bytes(name.to_bytes()));
            let flags = event.events();
            if flags.contains(ReadFlags::ISDIR)
                && flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO)
            {
                made.push(path.clone());
            }
            let wanted = self.single.get(directory).is_none_or(|files| files.contains(&path));
            // A file that was made is told of when it has been written.
            if wanted && !(flags.contains(ReadFlags::CREATE) && path.is_file()) {
                changed.insert(path);
            }
        }
        let mut found = Vec::new();
        for directory in made {
            self.tree(&directory, &mut found)?;
        }
        changed.extend(found);
        Ok(())
    }
}

//! `up` in the foreground: the plan is carried out, output is shown as it comes, and Ctrl-C stops
//! what was started. `attach` is here too.
//!
//! One thread carries out the plan, one follows the journal of events, one waits for signals, and
//! each container's output has its own; this one hears of all of it and acts.

use super::progress::{Printer, Stage};
use super::{Scope, short_name};
use crate::beside::{Sink, Style};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Flag, Matches};
use std::collections::BTreeSet;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use teu_compose::execute::{Execution, Watcher};
use teu_compose::labels;
use teu_compose::observe::{self, Observed};
use teu_compose::plan::{Action, Plan, in_order};
use teu_compose::project::Project;
use teu_containers::Containers;
use teu_containers::events::{Event, EventOptions};
use teu_containers::lifecycle::Stop;
use teu_containers::logs::LogOptions;
use teu_sys::signal::{SignalFd, SignalSet, set_mask};

/// `attach`.
pub const ATTACH: Command = Command {
    usage: "[OPTIONS] SERVICE",
    arity: Arity::Exactly(1),
    flags: &[&[
        Flag::text(
            "detach-keys",
            "string",
            "Override the key sequence for detaching from a container",
        ),
        Flag::integer("index", "Index of the container if service has multiple replicas"),
        Flag::switch("no-stdin", "Do not attach STDIN"),
        Flag::text("sig-proxy", "bool", "Proxy all received signals to the process (default true)"),
    ]],
    examples: &[("teu compose attach web", "Ctrl-P Ctrl-Q leaves it")],
    ..Command::new(
        "attach",
        "Attach local standard input, output, and error streams to a service's running container",
        attach,
    )
};

fn attach(ctx: &Context, matches: &Matches) -> Result<u8> {
    let scope = Scope::of(ctx, matches)?;
    let name = scope.one(matches.operand(0), matches.integer("index"))?.id.clone();
    let inner = Matches {
        command: &crate::commands::attach::ATTACH,
        path: matches.path.clone(),
        values: matches.values.iter().filter(|(flag, _)| flag.long != "index").cloned().collect(),
        operands: vec![name],
        outer: Vec::new(),
    };
    match inner.command.action {
        crate::flags::Action::Run(run) => run(ctx, &inner),
        crate::flags::Action::Group(_) => Ok(0),
    }
}

/// When it ends by itself.
#[derive(Debug, Clone, Default)]
pub struct Ends {
    /// When any container ends.
    pub on_exit: bool,
    /// When any container ends with a failure.
    pub on_failure: bool,
    /// Whose code is ours.
    pub code_from: Option<String>,
    /// Not because nothing runs any more: somebody replaces what runs.
    pub never_idle: bool,
}

/// What begins once the plan is carried out, on a thread of its own that ends with the process.
pub type Afterwards = Box<dyn FnOnce() + Send>;

/// Whose output is shown, and how.
#[derive(Debug, Clone)]
pub struct View {
    shown: BTreeSet<String>,
    style: Style,
}

impl View {
    /// As `--attach`, `--no-attach` and the file say.
    pub fn of(matches: &Matches, project: &Project) -> Self {
        let not = matches.list("no-attach");
        // What was only started along is not shown, unless that is asked for.
        let only = match (matches.list("attach"), matches.switch("attach-dependencies")) {
            (_, true) => Vec::new(),
            (named, false) if !named.is_empty() => named,
            (_, false) => matches.operands.iter().map(String::as_str).collect(),
        };
        let wanted = |name: &str| {
            let named = only.is_empty() || only.contains(&name);
            let service = project.model.services.get(name);
            named && !not.contains(&name) && service.is_none_or(|s| s.attach != Some(false))
        };
        let shown: BTreeSet<String> =
            project.model.services.keys().filter(|name| wanted(name)).cloned().collect();
        let names = shown.iter().map(|name| {
            let service = &project.model.services[name];
            let count = service.replicas().max(1);
            let own = service.container_name.clone();
            own.unwrap_or_else(|| format!("{name}-{count}")).len()
        });
        let width = names.max().unwrap_or(0);
        Self { shown, style: super::logs::style(matches, width) }
    }
}

/// What is to be done meanwhile.
pub struct Job {
    /// Everything there is.
    pub containers: Containers,
    /// The project.
    pub project: Arc<Project>,
    /// What comes first.
    pub plan: Arc<Plan>,
    /// How containers are stopped.
    pub stop: Stop,
    /// Steps at once.
    pub parallel: usize,
    /// What comes then.
    pub afterwards: Mutex<Option<Afterwards>>,
}

impl Job {
    /// Begins what comes after the plan.
    fn go_on(&self) {
        if let Some(next) = self.afterwards.lock().ok().and_then(|mut next| next.take()) {
            std::thread::spawn(next);
        }
    }
}

/// What a first Ctrl-C begins.
const STOPPING: &str = "Gracefully stopping...";
const ADVICE: &str = "(press Ctrl+C again to force)";

enum Heard {
    Event(Event),
    Planned(Result<()>),
    Stopped(Result<()>),
    Signal,
}

/// Carries out the plan and stays until everything has ended.
pub fn stay(job: Job, printer: Printer, ends: &Ends, view: &View) -> Result<u8> {
    let (sender, heard) = channel();
    watch_signals(&sender)?;
    follow_events(&job, &sender)?;
    let watcher = Arc::new(Watcher::new(None)?);
    let printer = Arc::new(printer);
    let mut room = Room {
        job: &job,
        view,
        sink: Arc::new(Sink::beside(view.style, printer.written())),
        threads: Vec::new(),
        code: None,
    };
    // Those that run already are seen from now on.
    for container in observe::list(&job.containers, job.project.name())? {
        if container.runs() && !container.oneoff {
            room.show(&container, None);
        }
    }
    let mut workers = vec![carry_out(&job, job.plan.clone(), &watcher, &printer, &sender, false)];
    let (mut planned, mut stopping) = (false, false);
    while let Ok(heard) = heard.recv() {
        match heard {
            Heard::Event(event) => {
                let ended = room.event(&event);
                let aborts =
                    ended.is_some_and(|code| ends.on_exit || (ends.on_failure && code != 0));
                if aborts && !stopping {
                    room.code = code_of(ends, &event, room.code);
                    stopping = true;
                    watcher.cancel();
                    workers.push(stop_all(&job, &printer, &sender)?);
                }
            }
            Heard::Planned(done) => {
                planned = true;
                if !stopping {
                    done?;
                    job.go_on();
                }
            }
            Heard::Stopped(done) => {
                done?;
                if room.code == Some(130) {
                    printer.say(STOPPING, "Stopped", Stage::Done);
                }
                break;
            }
            Heard::Signal if stopping => kill_all(&job)?,
            Heard::Signal => {
                printer.say(STOPPING, ADVICE, Stage::Working);
                stopping = true;
                room.code = Some(130);
                watcher.cancel();
                workers.push(stop_all(&job, &printer, &sender)?);
            }
        }
        if planned && !stopping && !ends.never_idle && room.is_over()? {
            break;
        }
    }
    for worker in workers {
        let _ = worker.join();
    }
    room.finish();
    match &ends.code_from {
        Some(service) if room.code != Some(130) => room.code_from(service),
        _ => Ok(room.code.unwrap_or(0)),
    }
}

fn code_of(ends: &Ends, event: &Event, before: Option<u8>) -> Option<u8> {
    let code = event.attributes.get("exitCode").and_then(|code| code.parse::<i32>().ok());
    match (&ends.code_from, before) {
        (None, None) => code.map(|code| u8::try_from(code & 255).unwrap_or(1)),
        _ => before,
    }
}

struct Room<'a> {
    job: &'a Job,
    view: &'a View,
    sink: Arc<Sink>,
    threads: Vec<JoinHandle<()>>,
    code: Option<u8>,
}

impl Room<'_> {
    /// Shows a container's output from a moment on, from now when none is given.
    fn show(&mut self, container: &Observed, since_ns: Option<i64>) {
        if !self.view.shown.contains(&container.service) {
            return;
        }
        let containers = self.job.containers.clone();
        let sink = self.sink.clone();
        let name = short_name(self.job.project.name(), &container.name).to_owned();
        let id = container.id.clone();
        self.threads.push(std::thread::spawn(move || {
            let tail = since_ns.is_none().then_some(0);
            let options = LogOptions {
                follow: true,
                since_ns,
                tail,
                stdout: true,
                stderr: true,
                ..LogOptions::default()
            };
            // A container without kept logs is not shown.
            let Ok(lines) = containers.logs(&id, &options) else { return };
            for line in lines.map_while(std::result::Result::ok) {
                if sink.line(&name, &line).is_err() {
                    return;
                }
            }
        }));
    }

    /// Exit code of a container of the project that has ended.
    fn event(&mut self, event: &Event) -> Option<i32> {
        let attribute = |key: &str| event.attributes.get(key).cloned().unwrap_or_default();
        let service = attribute(labels::SERVICE);
        let known = self.job.project.model.services.contains_key(&service);
        if event.kind != "container" || attribute(labels::ONEOFF) == "True" || !known {
            return None;
        }
        let container = Observed {
            id: event.id.clone(),
            name: attribute("name"),
            service,
            ..Observed::default()
        };
        match event.action.as_str() {
            "start" => {
                let since = self.begun(&container.id).unwrap_or(event.time_ns);
                self.show(&container, Some(since));
                None
            }
            "die" => {
                let code = attribute("exitCode");
                let name = short_name(self.job.project.name(), &container.name);
                let _ = self.sink.note(name, &format!("exited with code {code}"));
                code.parse().ok()
            }
            _ => None,
        }
    }

    /// From when on a container's output is that of its present run: its first lines may be older
    /// than what is told of its start.
    fn begun(&self, id: &str) -> Option<i64> {
        let state = self.job.containers.find(id).ok()?.state;
        let before = Some(state.finished_ns).filter(|&end| end < state.started_ns);
        Some(before.map_or(state.started_ns, |end| end + 1))
    }

    /// Nothing runs any more.
    fn is_over(&self) -> Result<bool> {
        let all = observe::list(&self.job.containers, self.job.project.name())?;
        let known = &self.job.project.model.services;
        Ok(!all.iter().any(|c| c.runs() && !c.oneoff && known.contains_key(&c.service)))
    }

    fn code_from(&self, service: &str) -> Result<u8> {
        let all = observe::list(&self.job.containers, self.job.project.name())?;
        let mut mine = all.iter().filter(|c| c.service == service && !c.oneoff);
        let code = mine.next().map_or(0, |container| container.exit_code);
        Ok(u8::try_from(code & 255).unwrap_or(1))
    }

    /// Waits for the last lines of containers that have ended.
    fn finish(&mut self) {
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn carry_out(
    job: &Job,
    plan: Arc<Plan>,
    watcher: &Arc<Watcher>,
    printer: &Arc<Printer>,
    sender: &Sender<Heard>,
    stops: bool,
) -> JoinHandle<()> {
    let (containers, project, watcher) =
        (job.containers.clone(), job.project.clone(), watcher.clone());
    let (printer, sender, stop, parallel) =
        (printer.clone(), sender.clone(), job.stop, job.parallel);
    std::thread::spawn(move || {
        let execution = Execution {
            containers: &containers,
            project: Some(&project),
            watcher: &watcher,
            stop,
            parallel,
        };
        let done = watcher.during(&containers, || execution.run(&plan, &*printer));
        let done = done.map_err(Failure::from).and_then(|done| done.map_err(Failure::from));
        let _ = sender.send(if stops { Heard::Stopped(done) } else { Heard::Planned(done) });
    })
}

/// Those of the project's services that run.
fn running(job: &Job) -> Result<Vec<Observed>> {
    let mut all = observe::list(&job.containers, job.project.name())?;
    let known = &job.project.model.services;
    all.retain(|c| c.runs() && !c.oneoff && known.contains_key(&c.service));
    Ok(all)
}

fn stop_all(job: &Job, printer: &Arc<Printer>, sender: &Sender<Heard>) -> Result<JoinHandle<()>> {
    let all = running(job)?;
    let mut plan = Plan::default();
    in_order(&mut plan, &all.iter().collect::<Vec<_>>(), true, |plan, container, after| {
        plan.add(Action::Stop(container.target()), after)
    });
    let watcher = Arc::new(Watcher::new(None)?);
    Ok(carry_out(job, Arc::new(plan), &watcher, printer, sender, true))
}

fn kill_all(job: &Job) -> Result<()> {
    for container in running(job)? {
        // It may have ended in the meantime.
        let _ = job.containers.kill(&container.id, 9);
    }
    Ok(())
}

fn follow_events(job: &Job, sender: &Sender<Heard>) -> Result<()> {
    let label = format!("{}={}", labels::PROJECT, job.project.name());
    let filters = vec![("label".to_owned(), label)];
    let events = job.containers.events(&EventOptions { filters, ..EventOptions::default() })?;
    let sender = sender.clone();
    std::thread::spawn(move || {
        for event in events.map_while(std::result::Result::ok) {
            if sender.send(Heard::Event(event)).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Blocked before any thread is made, so that all inherit it; containers have masks of their own.
fn watch_signals(sender: &Sender<Heard>) -> Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::process::Signal;
    let set = SignalSet::of(&[Signal::INT, Signal::TERM, Signal::HUP]);
    set_mask(set)?;
    let descriptor = SignalFd::new(set)?;
    let sender = sender.clone();
    std::thread::spawn(move || {
        loop {
            if poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], None).is_err() {
                continue;
            }
            while let Ok(Some(_)) = descriptor.read() {
                if sender.send(Heard::Signal).is_err() {
                    return;
                }
            }
        }
    });
    Ok(())
}

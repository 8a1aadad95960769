//! Carrying out a plan: as many steps at once as its order allows, waiting for nothing by looking
//! again and again.
//!
//! Nothing is decided here. Every step may be repeated: what is made already is taken as it is, what
//! has gone already is gone. A failure lets running steps end, starts no further one, and is told
//! with the step's name; the next `up` plans anew from what is there.

use crate::labels;
use crate::observe::{self, Observed};
use crate::plan::{Action, Making, Plan, Target, Until};
use crate::project::{Project, ProjectError};
use crate::request::{Around, Names, RequestError, content_files, request};
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use teu_containers::Containers;
use teu_containers::lifecycle::Stop;

mod resources;
mod wait;

pub use resources::write_files as write_content;
pub use wait::Watcher;

/// Most steps at once, unless a person says otherwise.
pub const PARALLEL_DEFAULT: usize = 16;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The container library's word.
    #[error(transparent)]
    Containers(#[from] teu_containers::Error),
    /// A service that cannot be run here.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// No such service.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// A network.
    #[error(transparent)]
    Network(#[from] teu_network::Error),
    /// A network's description.
    #[error("network {name}: {reason}")]
    NetworkSpec {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
    /// An image.
    #[error(transparent)]
    Image(#[from] teu_images::Error),
    /// A tar that could not be written into memory.
    #[error("secrets and configs: {0}")]
    Tar(#[from] std::io::Error),
    /// A dependency that has failed.
    #[error("dependency failed to start: container {0} is unhealthy")]
    Unhealthy(String),
    /// A dependency without a probe.
    #[error("dependency failed to start: container {0} has no healthcheck configured")]
    NoProbe(String),
    /// A dependency that has ended.
    #[error("dependency failed to start: container {name} exited ({code})")]
    Exited {
        /// Which.
        name: String,
        /// How.
        code: i32,
    },
    /// A job that has failed.
    #[error("service {service:?} didn't complete successfully: exit {code}")]
    Incomplete {
        /// Which.
        service: String,
        /// How.
        code: i32,
    },
    /// A command around a start or stop.
    #[error("{name}: {hook} hook exited with status {code}")]
    Hook {
        /// The container.
        name: String,
        /// `post_start` or `pre_stop`.
        hook: &'static str,
        /// How.
        code: i32,
    },
    /// Time is up.
    #[error("application not healthy after {0}s")]
    Late(u64),
    /// Somebody gave up.
    #[error("interrupted")]
    Cancelled,
}

/// A plan that failed.
#[derive(Debug, thiserror::Error)]
#[error("{kind} {name}: {source}")]
pub struct ExecuteError {
    /// `Container`, …
    pub kind: &'static str,
    /// Which.
    pub name: String,
    /// Why.
    #[source]
    pub source: Box<StepError>,
}

/// Told of every step; from several threads.
pub trait Report: Sync {
    /// It begins.
    fn begun(&self, index: usize, action: &Action);
    /// It has ended, or failed.
    fn ended(&self, index: usize, action: &Action, failure: Option<&StepError>);
}

/// What a plan is carried out with.
#[derive(Debug, Clone, Copy)]
pub struct Execution<'a> {
    /// Everything there is.
    pub containers: &'a Containers,
    /// The project; `down` and `stop` need none.
    pub project: Option<&'a Project>,
    /// Wakes waiting steps.
    pub watcher: &'a Watcher,
    /// How containers are stopped.
    pub stop: Stop,
    /// Steps at once.
    pub parallel: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Running,
    Done,
}

struct Board {
    states: Vec<State>,
    failure: Option<ExecuteError>,
}

impl Execution<'_> {
    /// Carries out a plan.
    pub fn run(&self, plan: &Plan, report: &dyn Report) -> Result<(), ExecuteError> {
        let board =
            Mutex::new(Board { states: vec![State::Open; plan.steps.len()], failure: None });
        let changed = Condvar::new();
        let workers = self.parallel.clamp(1, plan.steps.len().max(1));
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| self.work(plan, report, &board, &changed));
            }
        });
        match lock(&board).failure.take() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    fn work(&self, plan: &Plan, report: &dyn Report, board: &Mutex<Board>, changed: &Condvar) {
        let mut held = lock(board);
        loop {
            let open = |index: &usize| held.states[*index] == State::Open;
            let ready = |index: &usize| {
                plan.steps[*index].after.iter().all(|&other| held.states[other] == State::Done)
            };
            let idle = held.failure.is_some() || held.states.iter().all(|s| *s != State::Open);
            if idle {
                return;
            }
            let Some(index) = (0..plan.steps.len()).filter(open).find(ready) else {
                if !held.states.contains(&State::Running) {
                    return;
                }
                held = changed.wait(held).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            held.states[index] = State::Running;
            drop(held);
            let action = &plan.steps[index].action;
            report.begun(index, action);
            let done = self.step(action);
            report.ended(index, action, done.as_ref().err());
            held = lock(board);
            held.states[index] = State::Done;
            if let Err(source) = done
                && held.failure.is_none()
            {
                let (kind, name, ..) = action.words();
                held.failure = Some(ExecuteError { kind, name, source: Box::new(source) });
                self.watcher.cancel();
            }
            changed.notify_all();
        }
    }

    fn step(&self, action: &Action) -> Result<(), StepError> {
        if self.watcher.is_cancelled() {
            return Err(StepError::Cancelled);
        }
        match action {
            Action::CreateNetwork { key, name } => self.create_network(key, name),
            Action::CreateVolume { key, name } => self.create_volume(key, name),
            Action::Create(making) => self.create(making),
            Action::Start(target) => self.start(target),
            Action::Stop(target) => self.stop(target),
            Action::Remove(target, volumes) => self.remove(target, *volumes),
            Action::Rename(target, to) => Ok(self.containers.rename(target.handle(), to)?),
            Action::Wait { targets, until, required } => {
                match (self.wait(targets, *until), required) {
                    (Err(StepError::Cancelled), _) => Err(StepError::Cancelled),
                    (Err(error), true) => Err(error),
                    _ => Ok(()),
                }
            }
            Action::RemoveNetwork(name) => self.remove_network(name),
            Action::RemoveVolume(name) => self.remove_volume(name),
            Action::RemoveImage(name) => self.remove_image(name),
        }
    }

    fn wait(&self, targets: &[Target], until: Until) -> Result<(), StepError> {
        targets.iter().try_for_each(|target| self.watcher.wait(self.containers, target, until))
    }

    fn project(&self) -> Result<&Project, StepError> {
        let none = || ProjectError::Locate(crate::load::locate::LocateError::NoFile);
        self.project.ok_or_else(|| none().into())
    }

    fn create(&self, making: &Making) -> Result<(), StepError> {
        let project = self.project()?;
        let service = project.service(&making.service)?;
        let mut namespaces = BTreeMap::new();
        for (name, target) in &making.namespaces {
            namespaces.insert(name.clone(), self.containers.find(target.handle())?.record.id);
        }
        for field in [&service.network_mode, &service.ipc, &service.pid] {
            if let Some(name) = field.as_deref().and_then(|text| text.strip_prefix("container:")) {
                let key = format!("container:{name}");
                namespaces.insert(key, self.containers.find(name)?.record.id);
            }
        }
        let names = Present { containers: self.containers, project: project.name() };
        let around = Around { project, namespaces: &namespaces, containers: &names };
        let mut request = request(making, service, around)?;
        if let Ok(image) = self.containers.images().resolve(&request.image) {
            request.container.labels.insert(labels::IMAGE.to_owned(), image.id.to_string());
        }
        if let (Some((old, _)), false) = (&making.replaces, making.renew_volumes) {
            self.take_over(old, &mut request)?;
        }
        let files = content_files(service, project)?;
        let created = self.containers.create(request)?;
        if let Err(error) = resources::write_files(self.containers, &created.id, &files) {
            // Without its secrets it must not be started by the next command.
            let gone = teu_containers::lifecycle::Remove { force: true, volumes: true };
            let _ = self.containers.remove(&created.id, gone);
            return Err(error);
        }
        Ok(())
    }

    /// Anonymous volumes of the container that is replaced go on.
    fn take_over(
        &self,
        old: &str,
        request: &mut teu_containers::create::CreateRequest,
    ) -> Result<(), StepError> {
        use teu_containers::record::MountKind;
        let old = match self.containers.find(old) {
            Ok(found) => found.record,
            Err(teu_containers::Error::NoSuchContainer(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for mount in old.mounts {
            let MountKind::Volume { anonymous: true, .. } = &mount.kind else { continue };
            let same = |other: &teu_containers::record::MountRecord| {
                other.destination == mount.destination
            };
            match request.container.mounts.iter_mut().find(|other| same(other)) {
                None => request.container.mounts.push(mount),
                Some(wanted) => {
                    if matches!(wanted.kind, MountKind::Volume { anonymous: true, .. }) {
                        *wanted = mount;
                    }
                }
            }
        }
        Ok(())
    }

    fn start(&self, target: &Target) -> Result<(), StepError> {
        use teu_containers::lifecycle::Attach;
        let found = self.containers.find(target.handle())?;
        if found.state.status == teu_containers::state::Status::Paused {
            return Ok(self.containers.unpause(&found.record.id)?);
        }
        if let Err(error) = self.containers.start(&found.record.id, Attach::default()) {
            // A command that was killed may have asked for it already.
            let again = self.containers.find(&found.record.id)?.state;
            let runs = again.status == teu_containers::state::Status::Running;
            if !runs && again.started_ns == found.state.started_ns {
                return Err(error.into());
            }
        }
        let service = self.project.and_then(|p| p.model.services.get(&target.service));
        for hook in service.map(|service| service.post_start.as_slice()).unwrap_or_default() {
            resources::hook(self.containers, &target.name, &found.record.id, hook, "post_start")?;
        }
        Ok(())
    }

    fn stop(&self, target: &Target) -> Result<(), StepError> {
        let found = match self.containers.find(target.handle()) {
            Err(teu_containers::Error::NoSuchContainer(_)) => return Ok(()),
            found => found?,
        };
        let service = self.project.and_then(|p| p.model.services.get(&target.service));
        if found.state.status == teu_containers::state::Status::Running {
            for hook in service.map(|service| service.pre_stop.as_slice()).unwrap_or_default() {
                resources::hook(self.containers, &target.name, &found.record.id, hook, "pre_stop")?;
            }
        }
        match self.containers.stop(&found.record.id, self.stop) {
            Err(teu_containers::Error::NoSuchContainer(_)) => Ok(()),
            done => Ok(done?),
        }
    }

    fn remove(&self, target: &Target, volumes: bool) -> Result<(), StepError> {
        let remove = teu_containers::lifecycle::Remove { force: true, volumes };
        match self.containers.remove(target.handle(), remove) {
            Err(teu_containers::Error::NoSuchContainer(_)) => Ok(()),
            done => Ok(done?),
        }
    }
}

/// Containers as they are at the moment.
#[derive(Debug)]
struct Present<'a> {
    containers: &'a Containers,
    project: &'a str,
}

impl Names for Present<'_> {
    fn of(&self, service: &str) -> Vec<String> {
        let all = observe::list(self.containers, self.project).unwrap_or_default();
        let mine = |container: &Observed| container.service == service && !container.oneoff;
        all.into_iter().filter(|c| mine(c)).map(|container| container.name).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

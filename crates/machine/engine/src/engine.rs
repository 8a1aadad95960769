//! The engine: what every handler is given, and which handler answers what.
//!
//! It keeps no state beyond what cannot be derived: attachments that wait for a start, terminals of
//! execs, builds that can be cancelled. All of it belongs to connections, and goes with them; what
//! outlives the process is in the records of `containers` and in `run/engine`.

use crate::call::{Answer, Call};
use crate::containers::attach::Waiting;
use crate::containers::exec::Execs;
use crate::error::{Error, Result};
use crate::images::registry::Registries;
use crate::lock::Lock;
use crate::route::{
    BuildRoute, ContainerRoute, ExecRoute, ImageRoute, NetworkRoute, Route, VolumeRoute,
};
use crate::{build, containers, images, networks, off, system, volumes};
use std::path::PathBuf;
use std::sync::Arc;
use teu_containers::{Containers, Home};

/// What an engine is made of.
#[derive(Debug, Clone)]
pub struct Config {
    /// The containers, opened.
    pub containers: Containers,
    /// Program and arguments that serve one build on standard input ([`teu_builder::worker`]).
    pub worker_command: Vec<String>,
    /// Clients of registries.
    pub registries: Arc<dyn Registries>,
    /// Version of Teu.
    pub version: &'static str,
}

/// What every handler is given.
#[derive(Debug)]
pub struct Engine {
    /// What it was made of.
    pub config: Config,
    pub(crate) waiting: Waiting,
    pub(crate) execs: Execs,
    pub(crate) builds: build::Builds,
    _lock: Lock,
}

impl Engine {
    /// Makes its folder, and takes its lock: two engines on one home are refused.
    pub fn new(config: Config) -> Result<Arc<Self>> {
        let folder = config.containers.home().run.join("engine");
        std::fs::create_dir_all(&folder).map_err(Error::io("make the engine's folder"))?;
        let lock = Lock::take(&folder)?;
        let execs = Execs::open(folder.join("execs"))?;
        let builds = build::Builds::default();
        let waiting = Waiting::default();
        Ok(Arc::new(Self { config, waiting, execs, builds, _lock: lock }))
    }

    /// The containers.
    pub fn containers(&self) -> &Containers {
        &self.config.containers
    }

    /// Where everything is.
    pub fn home(&self) -> &Home {
        self.containers().home()
    }

    /// Where builds keep their cache.
    pub fn build_state(&self) -> PathBuf {
        self.home().data.join("build")
    }

    /// Answers a request; on a thread that may block.
    pub fn answer(self: &Arc<Self>, call: Call) -> Result<Answer> {
        match call.route.clone() {
            Route::Ping => Ok(Answer::Text("OK")),
            Route::Version => system::version::version(self),
            Route::Info => system::info::info(self),
            Route::Auth => images::registry::auth(self, &call),
            Route::DataUsage => system::usage::usage(self, &call),
            Route::Events => system::events::events(self, call),
            Route::Distribution(name) => images::registry::distribution(self, &name, &call),
            Route::Grpc | Route::Session => {
                Err(Error::bad("this path is for connections that are upgraded to h2c"))
            }
            Route::Container(route) => self.container(route, call),
            Route::Exec(ExecRoute::Start(id)) => containers::exec::start(self, &id, &call),
            Route::Exec(ExecRoute::Resize(id)) => containers::exec::resize(self, &id, &call),
            Route::Exec(ExecRoute::Inspect(id)) => containers::exec::inspect(self, &id),
            Route::Image(route) => self.image(route, call),
            Route::Network(route) => self.network(route, &call),
            Route::Volume(route) => self.volume(route, &call),
            Route::Build(BuildRoute::Build) => build::build(self, call),
            Route::Build(BuildRoute::Prune) => build::prune(self, &call),
            Route::Build(BuildRoute::Cancel) => build::cancel(self, &call),
            Route::Off(what) => off::answer(&what),
        }
    }

    fn container(self: &Arc<Self>, route: ContainerRoute, call: Call) -> Result<Answer> {
        use ContainerRoute as R;
        use containers as c;
        match route {
            R::List => c::list::list(self, &call),
            R::Create => c::create::create(self, &call),
            R::Prune => c::lifecycle::prune(self, &call),
            R::Inspect(id) => c::inspect::inspect(self, &id, &call),
            R::Remove(id) => c::lifecycle::remove(self, &id, &call),
            R::Start(id) => c::lifecycle::start(self, &id, &call),
            R::Stop(id) => c::lifecycle::stop(self, &id, &call),
            R::Restart(id) => c::lifecycle::restart(self, &id, &call),
            R::Kill(id) => c::lifecycle::kill(self, &id, &call),
            R::Pause(id) => c::lifecycle::pause(self, &id),
            R::Unpause(id) => c::lifecycle::unpause(self, &id),
            R::Rename(id) => c::lifecycle::rename(self, &id, &call),
            R::Update(id) => c::update::update(self, &id, &call),
            R::Wait(id) => c::wait::wait(self, &id, &call),
            R::Top(id) => c::inspect::top(self, &id, &call),
            R::Stats(id) => c::stats::stats(self, &id, &call),
            R::Logs(id) => c::logs::logs(self, &id, &call),
            R::Attach(id) => c::attach::attach(self, &id, &call),
            R::AttachWebSocket(id) => c::attach::attach_web_socket(self, &id, &call),
            R::Resize(id) => c::lifecycle::resize(self, &id, &call),
            R::Exec(id) => c::exec::create(self, &id, &call),
            R::ArchiveGet(id) => c::archive::get(self, &id, &call),
            R::ArchiveHead(id) => c::archive::head(self, &id, &call),
            R::ArchivePut(id) => c::archive::put(self, &id, call),
            R::Changes(id) => c::inspect::changes(self, &id),
            R::Export(id) => c::archive::export(self, &id),
            R::Checkpoint(id) => c::lifecycle::checkpoint(self, &id),
            R::Commit => c::commit::commit(self, &call),
        }
    }

    fn image(self: &Arc<Self>, route: ImageRoute, call: Call) -> Result<Answer> {
        use ImageRoute as R;
        match route {
            R::List => images::list::list(self, &call),
            R::Create => images::create::create(self, call),
            R::Load => images::archive::load(self, call),
            R::Prune => images::prune(self, &call),
            R::Search => images::registry::search(self, &call),
            R::SaveMany => {
                let names = call.query.all("names").map(str::to_owned).collect();
                images::archive::save(self, names)
            }
            R::Save(name) => images::archive::save(self, vec![name]),
            R::Inspect(name) => images::inspect::inspect(self, &name, &call),
            R::History(name) => images::inspect::history(self, &name),
            R::Push(name) => images::push::push(self, &name, &call),
            R::Tag(name) => images::tag(self, &name, &call),
            R::Remove(name) => images::remove(self, &name, &call),
        }
    }

    fn network(&self, route: NetworkRoute, call: &Call) -> Result<Answer> {
        use NetworkRoute as R;
        match route {
            R::List => networks::list(self, call),
            R::Create => networks::create::create(self, call),
            R::Prune => networks::prune(self, call),
            R::Inspect(name) => networks::inspect(self, &name),
            R::Remove(name) => networks::remove(self, &name),
            R::Connect(name) => networks::create::connect(self, &name, call),
            R::Disconnect(name) => networks::create::disconnect(self, &name, call),
        }
    }

    fn volume(&self, route: VolumeRoute, call: &Call) -> Result<Answer> {
        use VolumeRoute as R;
        match route {
            R::List => volumes::list(self, call),
            R::Create => volumes::create(self, call),
            R::Prune => volumes::prune(self, call),
            R::Inspect(name) => volumes::inspect(self, &name),
            R::Remove(name) => volumes::remove(self, &name, call),
            R::Update(_) => off::cluster_volume(),
        }
    }
}

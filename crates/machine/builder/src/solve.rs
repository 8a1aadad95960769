//! The solver: stages become layers, several at once, each step from the cache where its key is
//! known there.
//!
//! One thread per needed stage; a stage that needs another waits for it (only earlier ones can be
//! needed, so nobody waits in a circle). Work that takes the machine is bounded by permits. The
//! calling thread only passes events on. The first failure stops everything else.

use crate::cache::import::Import;
use crate::dockerfile::Dockerfile;
use crate::dockerfile::instruction::{Located, parse_trigger};
use crate::dockerfile::problem::{ParseError, Problem};
use crate::dockerfile::source::Lines;
use crate::error::{Cause, Error, StepError};
use crate::plan::{Origin, Plan};
use crate::progress::{Event, Step as Shown, StepId};
use crate::record::{Record, Records};
use crate::request::{BuildRequest, Environment};
use crate::session::{Scratch, Session};
use crate::stage::{Scope, StageState, Step};
use crate::tree::{Owner, Tree};
use cancel::Cancel;
use permits::Permits;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Instant, SystemTime};
use teu_images::Image;
use teu_oci::{Digest, Platform};

mod base;
pub mod cancel;
mod copy;
mod layer;
mod memo;
mod permits;
mod run;
mod sources;
mod workdir;

/// A stage that has been built.
#[derive(Debug)]
pub struct Built {
    /// Its configuration and layers.
    pub state: StageState,
    /// The image it was built on, which must be unpacked before its layers can be joined.
    pub base: Option<Arc<Image>>,
    tree: OnceLock<Arc<Tree>>,
}

#[derive(Debug)]
enum Slot {
    Idle,
    Running,
    Done(Arc<Built>),
    Failed,
}

/// A build in progress.
#[derive(Debug)]
pub struct Solver<'a> {
    pub(crate) request: &'a BuildRequest,
    pub(crate) environment: &'a Environment<'a>,
    pub(crate) file: &'a Dockerfile,
    pub(crate) plan: &'a Plan,
    pub(crate) scope: Scope,
    pub(crate) platform: Platform,
    pub(crate) context: Option<Arc<Tree>>,
    pub(crate) records: Records,
    pub(crate) session: &'a Session,
    pub(crate) epoch: Option<i64>,
    is_one_of_several: bool,
    pub(crate) events: Sender<Event>,
    pub(crate) cancel: Arc<Cancel>,
    pub(crate) network: run::Network,
    permits: Permits,
    slots: Vec<(Mutex<Slot>, Condvar)>,
    named: Mutex<HashMap<String, Arc<Tree>>>,
    images: Mutex<HashMap<String, Arc<Built>>>,
    fetched: Mutex<BTreeMap<String, Digest>>,
    imports: Arc<Vec<Import<'a>>>,
    used: Mutex<Vec<Used>>,
    ids: Arc<AtomicU32>,
    cached: AtomicU32,
    learnt: AtomicU32,
}

/// Where a step stands, for names and errors.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    name: String,
    stage: String,
    lines: Lines,
}

/// How a step ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Cached,
    Done,
}

/// What made a layer.
pub(crate) struct Made {
    pub scratch: Scratch,
    /// False if its inputs changed while they were read.
    pub trusted: bool,
}

/// What is the same for all platforms of a build.
#[derive(Debug)]
pub struct Common<'a> {
    /// The request.
    pub request: &'a BuildRequest,
    /// What it works with.
    pub environment: &'a Environment<'a>,
    /// The Dockerfile.
    pub file: &'a Dockerfile,
    /// The context.
    pub context: Option<Arc<Tree>>,
    /// Scratch space.
    pub session: &'a Session,
    /// `SOURCE_DATE_EPOCH`
    pub epoch: Option<i64>,
    /// Steps are numbered through.
    pub ids: Arc<AtomicU32>,
    /// Steps say what platform they are for.
    pub is_one_of_several: bool,
}

/// What differs between them.
#[derive(Debug)]
pub struct Target {
    /// What is built for.
    pub platform: Platform,
    /// Variables before the first stage.
    pub scope: Scope,
    /// Which stages.
    pub plan: Plan,
}

/// A step that this build needed, and its layer.
#[derive(Debug, Clone)]
pub struct Used {
    /// Its stage.
    pub stage: usize,
    /// Its key.
    pub key: String,
    /// What it became.
    pub record: Record,
}

/// A platform's build that is done.
#[derive(Debug)]
pub struct Solved<'a> {
    /// What built it.
    pub solver: &'a Solver<'a>,
    /// Its target stage.
    pub built: Arc<Built>,
}

impl<'a> Solver<'a> {
    /// Prepares a build.
    pub fn new(
        common: &Common<'a>,
        target: &'a Target,
        (events, imports): (Sender<Event>, Arc<Vec<Import<'a>>>),
    ) -> Result<Self, Error> {
        let records = Records::open(common.environment.state, common.environment.images)?;
        let parallelism = match common.request.parallelism {
            // With one processor, too: a step that waits for something holds up no other stage.
            0 => std::thread::available_parallelism().map_or(1, usize::from).max(2),
            given => given,
        };
        let slots = common.file.stages.iter().map(|_| (Mutex::new(Slot::Idle), Condvar::new()));
        Ok(Self {
            slots: slots.collect(),
            request: common.request,
            environment: common.environment,
            file: common.file,
            plan: &target.plan,
            scope: target.scope.clone(),
            platform: target.platform.clone(),
            context: common.context.clone(),
            session: common.session,
            epoch: common.epoch,
            is_one_of_several: common.is_one_of_several,
            records,
            events,
            cancel: match &common.environment.cancel {
                Some(given) => Arc::clone(given),
                None => Arc::new(
                    Cancel::new()
                        .map_err(|errno| Error::io("make", "an event descriptor", errno))?,
                ),
            },
            network: run::Network::default(),
            permits: Permits::new(parallelism),
            named: Mutex::default(),
            images: Mutex::default(),
            fetched: Mutex::default(),
            imports,
            used: Mutex::default(),
            ids: Arc::clone(&common.ids),
            cached: AtomicU32::new(0),
            learnt: AtomicU32::new(0),
        })
    }

    /// Builds all needed stages and returns the target.
    pub fn solve(&self) -> Result<Arc<Built>, Error> {
        self.network.repair(self);
        let first = Mutex::new(None);
        std::thread::scope(|scope| {
            for &index in &self.plan.needed {
                let first = &first;
                scope.spawn(move || {
                    if let Err(error) = self.stage(index) {
                        self.cancel.raise();
                        let mut slot = lock(first);
                        let replaces = slot.as_ref().is_none_or(is_consequence);
                        if replaces && !(slot.is_some() && is_consequence(&error)) {
                            *slot = Some(error);
                        }
                    }
                });
            }
        });
        self.network.close(self);
        if let Some(error) = first.into_inner().unwrap_or_else(|e| e.into_inner()) {
            return Err(error);
        }
        self.stage(self.plan.target)
    }

    /// Images that were used so far, by the name and for the platform that they were asked for.
    pub fn used_images(&self) -> Vec<(String, Platform, Arc<Image>)> {
        let images = lock(&self.images);
        let used = images.iter().filter_map(|(place, built)| {
            let (platform, name) = place.split_once(' ')?;
            let name = name.strip_prefix("docker-image://").unwrap_or(name);
            Some((name.to_owned(), platform.parse().ok()?, Arc::clone(built.base.as_ref()?)))
        });
        used.collect()
    }

    /// Files that were fetched by URL so far, with their digests.
    pub fn fetched(&self) -> Vec<(String, Digest)> {
        lock(&self.fetched).iter().map(|(url, digest)| (url.clone(), digest.clone())).collect()
    }

    /// Steps that were needed so far, from the cache or not: those of the target and the stages it
    /// is built on, or with `max` of all stages.
    pub fn used(&self, max: bool) -> Vec<Used> {
        let mut stages: Vec<usize> = vec![self.plan.target];
        while let Some(Origin::Stage(base)) = stages.last().map(|&last| &self.plan.bases[last]) {
            stages.push(*base);
        }
        let mut used = lock(&self.used).clone();
        used.retain(|used| max || stages.contains(&used.stage));
        used
    }

    /// Steps that the cache answered.
    pub fn cached(&self) -> u32 {
        self.cached.load(Ordering::Relaxed)
    }

    /// Says whether something new was recorded.
    pub fn has_learnt(&self) -> bool {
        self.learnt.load(Ordering::Relaxed) > 0
    }

    /// Where records are.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// A stage, built now unless somebody has, or is at it.
    pub(crate) fn stage(&self, index: usize) -> Result<Arc<Built>, Error> {
        let (slot, changed) = &self.slots[index];
        let mut state = lock(slot);
        loop {
            match &*state {
                Slot::Done(built) => return Ok(Arc::clone(built)),
                Slot::Failed => return Err(self.canceled(index)),
                Slot::Running => state = changed.wait(state).unwrap_or_else(|e| e.into_inner()),
                Slot::Idle => break,
            }
        }
        *state = Slot::Running;
        drop(state);
        let result = self.build_stage(index).map(Arc::new);
        *lock(slot) = match &result {
            Ok(built) => Slot::Done(Arc::clone(built)),
            Err(_) => Slot::Failed,
        };
        changed.notify_all();
        result
    }

    fn canceled(&self, index: usize) -> Error {
        let place = self.place(index, "", self.file.stages[index].lines);
        self.fault(&place, Cause::Canceled)
    }

    fn build_stage(&self, index: usize) -> Result<Built, Error> {
        let stage = &self.file.stages[index];
        let total = 1 + stage.instructions.iter().filter(|i| crate::plan::changes_files(i)).count();
        let from = self.place(index, &format!("1/{total}] {}", stage.text), stage.lines);
        let (mut state, base) = self.base(index, &from)?;
        let mut triggers = Vec::new();
        for text in state.take_triggers() {
            let wrong = |problem| ParseError::new(&self.file.source, stage.lines, problem);
            if triggers.len() == crate::stage::TRIGGER_LIMIT {
                return Err(wrong(Problem::TooManyInstructions).into());
            }
            triggers.push(parse_trigger(&text, stage.lines).map_err(wrong)?);
        }
        let steps = triggers.iter().filter(|i| crate::plan::changes_files(i)).count();
        let total = total + steps;
        let mut number = 1;
        for located in triggers.iter().chain(&stage.instructions) {
            if self.cancel.is_raised() {
                return Err(self.canceled(index));
            }
            let step = self.apply(&mut state, located)?;
            let Some(step) = step else { continue };
            number += 1;
            let name = format!("{number}/{total}] {}", located.text);
            let place = self.place(index, &name, located.lines);
            self.step(index, &mut state, base.as_ref(), step, &place)?;
        }
        Ok(Built { state, base, tree: OnceLock::new() })
    }

    fn apply<'l>(
        &self,
        state: &mut StageState,
        located: &'l Located,
    ) -> Result<Option<Step<'l>>, Error> {
        state
            .apply(located)
            .map_err(|problem| ParseError::new(&self.file.source, located.lines, problem).into())
    }

    fn step(
        &self,
        index: usize,
        state: &mut StageState,
        base: Option<&Arc<Image>>,
        step: Step<'_>,
        place: &Place,
    ) -> Result<(), Error> {
        let (id, begun) = self.started(place);
        let at = At { index, id, base };
        let result = match step {
            Step::Run(run) => self.run(state, run, &at),
            Step::Copy(copy) => self.copy(state, &copy, &at),
            Step::Workdir(path) => self.workdir(state, &path, &at),
        };
        match result {
            Ok(Ending::Cached) => {
                self.cached.fetch_add(1, Ordering::Relaxed);
                self.tell(Event::Cached(id));
                Ok(())
            }
            Ok(Ending::Done) => {
                self.tell(Event::Done { step: id, elapsed: begun.elapsed() });
                Ok(())
            }
            Err(Cause::Canceled) => {
                self.tell(Event::Canceled(id));
                Err(self.fault(place, Cause::Canceled))
            }
            Err(cause) => {
                self.tell(Event::Failed { step: id, error: cause.to_string() });
                Err(self.fault(place, cause))
            }
        }
    }

    /// The directories below a step, topmost first.
    pub(crate) fn lower(
        &self,
        state: &StageState,
        base: Option<&Arc<Image>>,
    ) -> Result<Vec<PathBuf>, Cause> {
        if state.layers.is_empty() {
            return Ok(Vec::new());
        }
        let images = self.environment.images;
        if let Some(base) = base {
            images.chain(base)?;
        }
        let diff_ids: Vec<_> = state.layers.iter().map(|layer| layer.diff_id.clone()).collect();
        Ok(images.chain_of(&diff_ids)?.lower)
    }

    fn may_use_cache(&self, index: usize) -> bool {
        let name = self.file.stages[index].name.as_deref();
        let number = index.to_string();
        let filtered = |filter: &String| {
            name.is_some_and(|name| name.eq_ignore_ascii_case(filter)) || *filter == number
        };
        !self.request.no_cache && !self.request.no_cache_filter.iter().any(filtered)
    }

    /// The time a layer says it was made.
    pub(crate) fn now(&self) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = i128::try_from(now.as_nanos()).unwrap_or(0);
        crate::time::rfc3339(self.epoch.map_or(now, |epoch| i128::from(epoch) * 1_000_000_000))
    }

    fn place(&self, index: usize, rest: &str, lines: Lines) -> Place {
        let stage = match &self.file.stages[index].name {
            Some(name) => name.clone(),
            None if self.file.stages.len() > 1 => format!("stage-{index}"),
            None => String::new(),
        };
        let platform = match self.is_one_of_several {
            true => {
                self.stage_platform(index).unwrap_or_else(|_| self.platform.clone()).to_string()
            }
            false => String::new(),
        };
        let words = [platform.as_str(), stage.as_str(), rest];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        Place { name: format!("[{}", words.join(" ")), stage, lines }
    }

    pub(crate) fn started(&self, place: &Place) -> (StepId, Instant) {
        let id = self.next_id();
        self.tell(Event::Started(Shown {
            id,
            name: place.name.clone(),
            stage: place.stage.clone(),
            line: place.lines.first,
        }));
        (id, Instant::now())
    }

    pub(crate) fn next_id(&self) -> StepId {
        self.ids.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn tell(&self, event: Event) {
        // Nobody listens any more when the build is being given up.
        let _ = self.events.send(event);
    }

    fn fault(&self, place: &Place, cause: Cause) -> Error {
        Error::Step(Box::new(StepError {
            name: place.name.clone(),
            lines: place.lines,
            source_text: Some(Arc::clone(&self.file.source)),
            cause,
        }))
    }
}

/// Where a step runs.
pub(crate) struct At<'a> {
    pub index: usize,
    pub id: StepId,
    pub base: Option<&'a Arc<Image>>,
}

impl Built {
    pub(crate) fn new(state: StageState, base: Option<Arc<Image>>) -> Self {
        Self { state, base, tree: OnceLock::new() }
    }

    /// The stage's files, joined.
    pub(crate) fn tree(&self, solver: &Solver<'_>, name: &str) -> Result<Arc<Tree>, Cause> {
        if let Some(tree) = self.tree.get() {
            return Ok(Arc::clone(tree));
        }
        let lower = solver.lower(&self.state, self.base.as_ref())?;
        let empty = solver.session.directory("empty")?;
        let root = crate::overlay::readable(&lower, &empty)?;
        let name = name.to_owned();
        let tree = Tree { root, name, ignore: None, owner: Owner::Kept, cache: None };
        Ok(Arc::clone(self.tree.get_or_init(|| Arc::new(tree))))
    }
}

/// The lock's content, whoever panicked while holding it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|error| error.into_inner())
}

/// Says whether an error only follows from another one.
fn is_consequence(error: &Error) -> bool {
    matches!(error, Error::Step(step) if matches!(step.cause, Cause::Canceled))
}

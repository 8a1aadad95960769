//! Control groups: limits, accounting, freezing and killing, for v1 hierarchies, v2 and the mixture.
//!
//! A group is one path below every hierarchy it is in. Making it must cost a container's start less
//! than a millisecond, which decides two things (measured on Linux 6.18, p50):
//!
//! * **Which v1 hierarchies.** Each costs about 35 µs for `mkdir`, 15 µs to enter and 30 µs for
//!   `rmdir`. Always: `memory` (OOM flag, usage), `pids`, `cpuacct` and `blkio` (usage of a container
//!   cannot be accounted later). `devices` when there are rules. The v2 tree wherever it is mounted,
//!   even without a controller: `cgroup.kill` ends a fork bomb in one write, `cgroup.freeze` makes the
//!   v1 `freezer` needless, `cgroup.events` says when the last process is gone. `name=systemd` where
//!   systemd runs, lest it take our processes for its session's. Everything else (`cpu`, `cpuset`,
//!   `hugetlb`, `net_cls`, `net_prio`, …) only when a limit asks for it; a later `update` adds them.
//! * **Who enters.** Moving another process takes a lock that waits for an RCU grace period (5 ms,
//!   up to 20). A task that writes `0` to v1's `tasks` moves itself without that lock (10 µs), and v2
//!   has `CLONE_INTO_CGROUP`. Hence [`Entry`]: descriptors opened by the parent, used by the child.
//!
//! Each level of a path costs the same again in every hierarchy: keep paths short.
//!
//! Invariants: a limit that cannot be enforced is an error or a warning, never dropped in silence;
//! a failed `create` leaves nothing behind; `delete` removes only directories.

use directory::Delegation;
use std::path::{Path, PathBuf};
use teu_oci::runtime::linux::Resources;

mod apply;
mod delegated;
mod devices;
mod directory;
mod entry;
mod error;
mod files;
mod freeze;
mod kill;
pub mod layout;
mod oom;
mod path;
mod plan;
mod stats;
#[cfg(test)]
mod tests;

pub use devices::default_rules as default_device_rules;
pub use entry::Entry;
pub use error::{Error, Warning};
pub use layout::Layout;
pub use oom::OomWatch;
pub use stats::{BlockIo, BlockIoDevice, Cpu, Memory, Pids, Stats};

use plan::{Phase, Place, Plan};

/// v1 hierarchies every group is in; see the header.
const ALWAYS: [&str; 4] = ["memory", "pids", "cpuacct", "blkio"];

/// v2 controllers every group has, where the v2 tree owns them.
const ALWAYS_UNIFIED: [&str; 4] = ["memory", "pids", "cpu", "io"];

/// In which v1 hierarchies a group is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Those that accounting and the given limits need.
    Needed,
    /// All, as other people's tools expect that look at the files themselves.
    All,
}

/// One control group: a path in every hierarchy where it exists.
#[derive(Debug, Clone)]
pub struct Cgroup {
    layout: &'static Layout,
    path: String,
    places: Vec<Place>,
    warnings: Vec<Warning>,
}

/// A mount that shows a hierarchy, for the bundle's `cgroup` file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// `cpu,cpuacct`; `systemd` for `name=systemd`; empty for the v2 tree.
    pub name: String,
    /// Names of the controllers, for links such as `cpu` → `cpu,cpuacct`.
    pub controllers: Vec<String>,
    /// Directory of the group on the host.
    pub path: PathBuf,
    /// It is the v2 tree.
    pub unified: bool,
}

impl Cgroup {
    /// Makes a group with its limits, in the hierarchies that are needed.
    pub fn create(path: &str, resources: &Resources) -> Result<Self, Error> {
        Self::create_in(path, resources, Extent::Needed)
    }

    /// Makes a group with its limits.
    pub fn create_in(path: &str, resources: &Resources, extent: Extent) -> Result<Self, Error> {
        let layout = Layout::detect()?;
        let path = path::normalise(path)?;
        let plan = Plan::new(layout, resources, Phase::Create);
        let plan = plan.map_err(|error| error.of_layout(layout))?;
        let places = places(layout, &plan, resources, extent);
        let mut group = Self { layout, path, places, warnings: plan.warnings.clone() };
        let mut made = Vec::new();
        let result = group.make(&plan, resources, &mut made);
        if result.is_err() {
            // Only what we made, deepest first; who came between keeps it by being in it.
            for directory in made.iter().rev() {
                let _ = std::fs::remove_dir(directory);
            }
        }
        result.map(|()| group)
    }

    fn make(
        &mut self,
        plan: &Plan,
        resources: &Resources,
        made: &mut Vec<PathBuf>,
    ) -> Result<(), Error> {
        for place in self.places.clone() {
            let before = made.len();
            directory::make(self.mount(place), &self.path, made)?;
            let directory = self.directory(place);
            if made.last() != Some(&directory) {
                let count = files::pids(&directory)?.len();
                if count > 0 {
                    return Err(Error::InUse { path: directory, count });
                }
            }
            match place {
                Place::V1(index) if self.layout.hierarchy("cpuset") == Some(index) => {
                    for directory in &made[before..] {
                        directory::fill_cpuset(directory)?;
                    }
                }
                Place::Unified => self.delegate(plan, Delegation::Missing)?,
                Place::V1(_) => {}
            }
        }
        devices::apply(self, &resources.devices)?;
        let warnings = match apply::write(self, &plan.settings) {
            // Somebody gives the controllers to a group beside ours: the kernel says that they are there
            // before their files are, and who asks for them waits for both.
            Err(Error::NoFile { .. }) if self.unified().is_some() => {
                self.delegate(plan, Delegation::Anew)?;
                apply::write(self, &plan.settings)?
            }
            written => written?,
        };
        self.warnings.extend(warnings);
        Ok(())
    }

    /// The group at a path, as far as it exists.
    pub fn open(path: &str) -> Result<Self, Error> {
        let layout = Layout::detect()?;
        let path = path::normalise(path)?;
        let mut group = Self { layout, path, places: Vec::new(), warnings: Vec::new() };
        group.places =
            group.all_places().filter(|place| group.directory(*place).is_dir()).collect();
        // With nowhere to make one, each is there and is nothing: it limits, counts and stops nobody.
        if group.places.is_empty() && !layout.is_empty() {
            Err(Error::Absent { path: group.path })
        } else {
            Ok(group)
        }
    }

    /// Whether a group is at that path in any hierarchy.
    pub fn exists(path: &str) -> Result<bool, Error> {
        match Self::open(path) {
            Ok(_) => Ok(true),
            Err(Error::Absent { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether there is none: an ordinary user to whom no groups were delegated.
    #[must_use]
    pub fn is_nowhere(&self) -> bool {
        self.places.is_empty()
    }

    /// Path below the mounts.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Limits that were dropped when the group was made.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Changes limits of a group in use; what is absent stays as it is.
    pub fn apply(&self, resources: &Resources) -> Result<Vec<Warning>, Error> {
        apply::update(self, resources)
    }

    /// Descriptors with which a child enters by itself.
    pub fn entry(&self) -> Result<Entry, Error> {
        Entry::open(self)
    }

    /// Moves a process, which the kernel takes milliseconds for; prefer [`Cgroup::entry`].
    pub fn join(&self, pid: i32) -> Result<(), Error> {
        for place in &self.places {
            let directory = self.directory(*place);
            files::write(&directory.join("cgroup.procs"), &pid.to_string())
                .map_err(|source| Error::Join { pid, path: directory, source })?;
        }
        Ok(())
    }

    /// All processes of the group and of groups below it.
    pub fn pids(&self) -> Result<Vec<i32>, Error> {
        let mut pids = Vec::new();
        // Every hierarchy has the same processes; a container with a v1 mount of its own could have
        // moved some away in one, so all are asked.
        for place in &self.places {
            files::pids_below(&self.directory(*place), &mut pids)?;
        }
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }

    /// Usage now.
    pub fn stats(&self) -> Result<Stats, Error> {
        stats::read(self)
    }

    /// Stops all processes and waits until they are stopped.
    pub fn freeze(&self) -> Result<(), Error> {
        freeze::freeze(self)
    }

    /// Lets them go on.
    pub fn thaw(&self) -> Result<(), Error> {
        freeze::thaw(self)
    }

    /// Whether the group is stopped, or about to be.
    pub fn is_frozen(&self) -> Result<bool, Error> {
        freeze::is_frozen(self)
    }

    /// Kills all processes, those that are being forked included, and waits until they are gone.
    pub fn kill_all(&self) -> Result<(), Error> {
        kill::kill_all(self)
    }

    /// Removes the group and groups below it, in every hierarchy; waits for dying processes.
    pub fn delete(&self) -> Result<(), Error> {
        kill::delete(self)
    }

    /// Removes groups above that are empty now, as far as `top` (which goes too when empty).
    pub fn delete_empty_parents(&self, top: &str) -> Result<(), Error> {
        let top = path::normalise(top)?;
        for place in self.all_places() {
            let mut path = Path::new(&self.path).parent();
            while let Some(parent) = path.filter(|p| p.starts_with(&top)) {
                let text = parent.to_string_lossy();
                if std::fs::remove_dir(directory::below(self.mount(place), &text)).is_err() {
                    break;
                }
                path = parent.parent();
            }
        }
        Ok(())
    }

    /// A descriptor that becomes readable when the kernel kills for lack of memory.
    pub fn oom_watch(&self) -> Result<OomWatch, Error> {
        OomWatch::open(self)
    }

    /// How many processes the kernel has killed for lack of memory.
    pub fn oom_kills(&self) -> Result<u64, Error> {
        oom::kills(self)
    }

    /// Every hierarchy of the machine and the group's directory in it, for a read-only view.
    pub fn views(&self) -> Vec<View> {
        let view = |place: Place| {
            let controllers = match place {
                Place::V1(index) => self.layout.v1[index].controllers.clone(),
                Place::Unified => Vec::new(),
            };
            let name = controllers.join(",").replace("name=", "");
            let path = self.directory(place);
            View { name, controllers, path, unified: place == Place::Unified }
        };
        self.places.iter().copied().map(view).collect()
    }

    fn all_places(&self) -> impl Iterator<Item = Place> + use<> {
        let unified = self.layout.unified.is_some().then_some(Place::Unified);
        (0..self.layout.v1.len()).map(Place::V1).chain(unified)
    }

    fn mount(&self, place: Place) -> &Path {
        match (place, &self.layout.unified) {
            (Place::V1(index), _) => &self.layout.v1[index].mount,
            (Place::Unified, Some(unified)) => &unified.mount,
            (Place::Unified, None) => Path::new("/nonexistent"),
        }
    }

    fn directory(&self, place: Place) -> PathBuf {
        directory::below(self.mount(place), &self.path)
    }

    /// Our directory where a v1 controller is, if we are in its hierarchy.
    fn v1(&self, controller: &str) -> Option<PathBuf> {
        let place = Place::V1(self.layout.hierarchy(controller)?);
        self.places.contains(&place).then(|| self.directory(place))
    }

    /// Our directory in the v2 tree.
    fn unified(&self) -> Option<PathBuf> {
        self.places.contains(&Place::Unified).then(|| self.directory(Place::Unified))
    }

    /// Gives the controllers to our group, from the root down.
    fn delegate(&self, plan: &Plan, how: Delegation) -> Result<(), Error> {
        let wanted = ALWAYS_UNIFIED
            .iter()
            .filter(|name| self.layout.unified_has(name))
            .chain(&plan.unified)
            .copied()
            .collect();
        directory::delegate(self.mount(Place::Unified), &self.path, &wanted, how)
    }
}

/// Where a new group is made.
fn places(layout: &Layout, plan: &Plan, resources: &Resources, extent: Extent) -> Vec<Place> {
    let mut wanted = plan.hierarchies.clone();
    if extent == Extent::All {
        wanted.extend(0..layout.v1.len());
    }
    wanted.extend(ALWAYS.iter().filter_map(|name| layout.hierarchy(name)));
    if devices::needed(&resources.devices) {
        wanted.extend(layout.hierarchy("devices"));
    }
    if layout.unified.is_none() {
        wanted.extend(layout.hierarchy("freezer"));
    }
    if layout.systemd {
        wanted.extend(layout.hierarchy("name=systemd"));
    }
    let unified = layout.unified.is_some().then_some(Place::Unified);
    wanted.into_iter().map(Place::V1).chain(unified).collect()
}

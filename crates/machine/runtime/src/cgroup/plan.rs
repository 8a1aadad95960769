//! Limits as they were asked for become writes to files of the kernel: pure, so that both versions
//! of control groups are tested on any machine.
//!
//! A limit that cannot be enforced is an error naming controller and field, or a warning where the
//! field's tools warn; it is never dropped in silence.

use super::layout::Layout;
use super::{Error, Warning};
use std::borrow::Cow;
use std::collections::BTreeSet;
use teu_oci::runtime::linux::Resources;

mod block_io;
mod cpu;
mod memory;

#[cfg(test)]
mod tests;

/// Where a file lies: the directory of our group in a v1 hierarchy or in the v2 tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Index into [`Layout::v1`].
    V1(usize),
    /// The v2 tree.
    Unified,
}

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Which tree.
    pub place: Place,
    /// Whose file it is, for messages.
    pub controller: &'static str,
    /// The field of the bundle that asked for it.
    pub field: &'static str,
    /// File in our directory and what is written; the first that exists is taken.
    pub candidates: Vec<(Cow<'static, str>, String)>,
    /// A missing file is only a warning.
    pub optional: bool,
}

/// Whether the group is new, in which case every limit still has the kernel's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Being made: nothing to read, nothing in it.
    Create,
    /// In use, with the present memory limit (v1: in bytes, none for unlimited).
    Update {
        /// What `memory.limit_in_bytes` says, where v1 is used.
        memory_limit_bytes: Option<u64>,
    },
}

/// Everything [`Resources`] ask for, except devices.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order of writing.
    pub settings: Vec<Setting>,
    /// v1 hierarchies that a limit needs.
    pub hierarchies: BTreeSet<usize>,
    /// v2 controllers that a limit needs.
    pub unified: BTreeSet<&'static str>,
    /// What was dropped.
    pub warnings: Vec<Warning>,
}

/// Builds a [`Plan`]: which controller is where, and what has been decided so far.
pub(super) struct Planner<'a> {
    layout: &'a Layout,
    phase: Phase,
    plan: Plan,
}

impl Plan {
    /// Decides all writes.
    pub fn new(layout: &Layout, resources: &Resources, phase: Phase) -> Result<Self, Error> {
        let mut planner = Planner { layout, phase, plan: Self::default() };
        if let Some(memory) = &resources.memory {
            planner.memory(memory)?;
        }
        if let Some(cpu) = &resources.cpu {
            planner.cpu(cpu)?;
        }
        if let Some(pids) = &resources.pids
            && (pids.limit > 0 || phase != Phase::Create)
        {
            let value = if pids.limit > 0 { pids.limit.to_string() } else { "max".to_owned() };
            planner.set("pids", "pids.limit", (&["pids.max"], &["pids.max"]), value)?;
        }
        if let Some(block_io) = &resources.block_io {
            planner.block_io(block_io)?;
        }
        planner.huge_pages(resources)?;
        planner.network(resources)?;
        planner.raw(resources)?;
        Ok(planner.plan)
    }
}

impl Planner<'_> {
    /// Where a controller is, noting that it is needed.
    fn place(&mut self, controller: &'static str) -> Option<Place> {
        if let Some(index) = self.layout.hierarchy(controller) {
            self.plan.hierarchies.insert(index);
            return Some(Place::V1(index));
        }
        let name = v2_name(controller);
        if self.layout.unified_has(name) {
            self.plan.unified.insert(name);
            return Some(Place::Unified);
        }
        None
    }

    fn require(&mut self, controller: &'static str, field: &'static str) -> Result<Place, Error> {
        self.place(controller).ok_or(Error::NoController { controller, field })
    }

    /// The same value in v1 and v2, under two names.
    fn set(
        &mut self,
        controller: &'static str,
        field: &'static str,
        (v1, v2): (&[&'static str], &[&'static str]),
        value: String,
    ) -> Result<(), Error> {
        let place = self.require(controller, field)?;
        let files = if place == Place::Unified { v2 } else { v1 };
        self.push(place, controller, field, files, value);
        Ok(())
    }

    fn push(
        &mut self,
        place: Place,
        controller: &'static str,
        field: &'static str,
        files: &[&'static str],
        value: String,
    ) {
        let candidates = files.iter().map(|file| (Cow::Borrowed(*file), value.clone())).collect();
        let setting = Setting { place, controller, field, candidates, optional: false };
        self.plan.settings.push(setting);
    }

    fn warn(&mut self, text: impl Into<String>) {
        self.plan.warnings.push(Warning(text.into()));
    }

    fn huge_pages(&mut self, resources: &Resources) -> Result<(), Error> {
        const FIELD: &str = "hugepageLimits";
        for limit in &resources.hugepage_limits {
            let size = &limit.page_size;
            let digits = size.trim_end_matches(['K', 'M', 'G', 'B']);
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                let reason = format!("{size:?} is not a page size such as 2MB or 1GB");
                return Err(Error::Invalid { field: FIELD, reason });
            }
            let place = self.require("hugetlb", FIELD)?;
            let suffix = if place == Place::Unified { "max" } else { "limit_in_bytes" };
            // The reservation is limited too: else a process could reserve and never fault in.
            for (name, optional) in [("", false), ("rsvd.", true)] {
                self.plan.settings.push(Setting {
                    place,
                    controller: "hugetlb",
                    field: FIELD,
                    candidates: vec![(
                        format!("hugetlb.{size}.{name}{suffix}").into(),
                        limit.limit.to_string(),
                    )],
                    optional,
                });
            }
        }
        Ok(())
    }

    fn network(&mut self, resources: &Resources) -> Result<(), Error> {
        let Some(network) = &resources.network else { return Ok(()) };
        if let Some(class) = network.class_id.filter(|class| *class != 0) {
            let files: &[&str] = &["net_cls.classid"];
            self.set("net_cls", "network.classID", (files, files), class.to_string())?;
        }
        for priority in &network.priorities {
            let files: &[&str] = &["net_prio.ifpriomap"];
            let value = format!("{} {}", priority.name, priority.priority);
            self.set("net_prio", "network.priorities", (files, files), value)?;
        }
        Ok(())
    }

    /// `unified`: raw files of v2, wherever the v2 tree has their controller.
    fn raw(&mut self, resources: &Resources) -> Result<(), Error> {
        const FIELD: &str = "unified";
        for (file, value) in &resources.unified {
            if file.contains('/') || !file.contains('.') {
                let reason = format!("{file:?} is not the name of a cgroup v2 file");
                return Err(Error::Invalid { field: FIELD, reason });
            }
            let name = file.split('.').next().unwrap_or_default();
            let known = V2_CONTROLLERS.iter().find(|controller| **controller == name);
            match known {
                Some(controller) if self.layout.unified_has(controller) => {
                    self.plan.unified.insert(controller);
                }
                Some(controller) => return Err(Error::NoController { controller, field: FIELD }),
                None if name == "cgroup" && self.layout.unified.is_some() => {}
                None => {
                    let reason = format!("{file:?} belongs to no controller of cgroup v2 here");
                    return Err(Error::Invalid { field: FIELD, reason });
                }
            }
            self.plan.settings.push(Setting {
                place: Place::Unified,
                controller: known.copied().unwrap_or("cgroup"),
                field: FIELD,
                candidates: vec![(file.clone().into(), value.clone())],
                optional: false,
            });
        }
        Ok(())
    }
}

/// Controllers of the v2 tree that have files of their own.
const V2_CONTROLLERS: [&str; 8] =
    ["cpu", "cpuset", "hugetlb", "io", "memory", "misc", "pids", "rdma"];

/// v2 named two controllers anew.
fn v2_name(controller: &'static str) -> &'static str {
    match controller {
        "blkio" => "io",
        "cpuacct" => "cpu",
        other => other,
    }
}

/// What v2 wants for "no limit".
fn max_or(value: i64) -> String {
    if value < 0 { "max".to_owned() } else { value.to_string() }
}

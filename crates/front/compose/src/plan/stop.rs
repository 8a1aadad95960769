//! Ending a project, or a part of it: who needs others ends first.

use super::{Action, Plan, Target};
use crate::labels;
use crate::observe::{Observed, Seen};
use std::collections::{BTreeMap, BTreeSet};

/// Which images `down` removes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RemoveImages {
    /// None.
    #[default]
    Keep,
    /// Those without a name in the file.
    Local,
    /// All that services use.
    All,
}

/// How `down` goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DownOptions {
    /// Named and anonymous volumes too.
    pub volumes: bool,
    /// Containers of services that are no more.
    pub orphans: bool,
    /// The project's services; `None` for all there are (no file at hand).
    pub services: Option<BTreeSet<String>>,
    /// Only these services; empty for the whole project.
    pub only: BTreeSet<String>,
    /// Images to remove, by name.
    pub images: Vec<String>,
    /// Names of volumes that are not the project's own.
    pub external: BTreeSet<String>,
}

impl Observed {
    /// As a step's target.
    pub fn target(&self) -> Target {
        Target { id: Some(self.id.clone()), name: self.name.clone(), service: self.service.clone() }
    }
}

/// An action on each container, dependents before those they depend on (`reverse`), or after.
/// Gives the indices of the steps by service.
pub fn in_order(
    plan: &mut Plan,
    containers: &[&Observed],
    reverse: bool,
    mut act: impl FnMut(&mut Plan, &Observed, Vec<usize>) -> usize,
) -> BTreeMap<String, Vec<usize>> {
    let mut needs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for container in containers {
        let mine = needs.entry(&container.service).or_default();
        mine.extend(container.depends_on.iter().map(|(name, _)| name.as_str()));
    }
    let order = sorted(&needs);
    let order: Vec<&str> = if reverse { order.into_iter().rev().collect() } else { order };
    let mut done: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for service in order {
        let before = |other: &&str| match reverse {
            true => needs.get(*other).is_some_and(|needs| needs.contains(service)),
            false => needs.get(service).is_some_and(|needs| needs.contains(*other)),
        };
        let after: Vec<usize> = needs
            .keys()
            .filter(|other| **other != service && before(other))
            .flat_map(|other| done.get(*other).cloned().unwrap_or_default())
            .collect();
        for container in containers.iter().filter(|container| container.service == service) {
            let index = act(plan, container, after.clone());
            done.entry(service.to_owned()).or_default().push(index);
        }
    }
    done
}

/// Services, those that others need first. Labels of different times may contradict each other: a
/// circle is cut where it is met.
fn sorted<'a>(needs: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Vec<&'a str> {
    fn visit<'a>(
        name: &'a str,
        needs: &BTreeMap<&'a str, BTreeSet<&'a str>>,
        met: &mut BTreeSet<&'a str>,
        out: &mut Vec<&'a str>,
    ) {
        if let (true, Some(mine)) = (met.insert(name), needs.get(name)) {
            mine.iter().for_each(|other| visit(other, needs, met, out));
            out.push(name);
        }
    }
    let (mut met, mut out) = (BTreeSet::new(), Vec::new());
    needs.keys().for_each(|name| visit(name, needs, &mut met, &mut out));
    out
}

/// `down`.
pub fn down(project: &str, seen: &Seen, options: &DownOptions) -> Plan {
    let mut plan = Plan::default();
    let wanted = |container: &&Observed| {
        let known = options.services.as_ref().is_none_or(|all| {
            options.orphans || container.oneoff || all.contains(&container.service)
        });
        known && (options.only.is_empty() || options.only.contains(&container.service))
    };
    let containers: Vec<&Observed> = seen.containers.iter().filter(wanted).collect();
    let stops = in_order(&mut plan, &containers, true, |plan, container, after| {
        plan.add(Action::Stop(container.target()), after)
    });
    let mut removed = Vec::new();
    for container in &containers {
        let after = stops.get(&container.service).cloned().unwrap_or_default();
        let remove = Action::Remove(container.target(), options.volumes);
        removed.push(plan.add(remove, after));
    }
    if options.only.is_empty() {
        let ours = |of: &BTreeMap<String, String>| {
            of.get(labels::PROJECT).is_some_and(|name| name == project)
        };
        for (name, _) in seen.networks.iter().filter(|(_, of)| ours(of)) {
            plan.add(Action::RemoveNetwork(name.clone()), removed.clone());
        }
        let volumes = seen
            .volumes
            .iter()
            .filter(|(name, of)| options.volumes && ours(of) && !options.external.contains(*name));
        for (name, _) in volumes {
            plan.add(Action::RemoveVolume(name.clone()), removed.clone());
        }
    }
    for image in &options.images {
        plan.add(Action::RemoveImage(image.clone()), removed.clone());
    }
    plan
}

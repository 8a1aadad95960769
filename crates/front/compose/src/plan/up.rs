//! `up` and `create`: from what is there to what the project wants.

use super::names::{container_name, passing_name};
use super::replace::{Order, order};
use super::{Action, Making, Plan, Target, Until};
use crate::model::{Condition, Service};
use crate::observe::{Observed, Seen, orphans};
use crate::project::Project;
use std::collections::{BTreeMap, BTreeSet};

/// When a container is made anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Recreate {
    /// When its configuration or image has changed.
    #[default]
    Changed,
    /// In any case.
    Always,
    /// Never.
    Never,
}

/// How `up` goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpOptions {
    /// Services that were named; empty for all.
    pub named: BTreeSet<String>,
    /// Of those.
    pub recreate: Recreate,
    /// Those that named ones depend on likewise.
    pub recreate_dependencies: bool,
    /// Anonymous volumes are not taken over.
    pub renew_volumes: bool,
    /// Containers of services that are no more go.
    pub remove_orphans: bool,
    /// Nothing is said about them either.
    pub ignore_orphans: bool,
    /// Containers are made but not started.
    pub create_only: bool,
    /// Waits until everything is healthy.
    pub wait: bool,
    /// A service whose containers are neither made nor started (`run` makes one of its own).
    pub dormant: Option<String>,
    /// `_` between the parts of a name, as Compose v1 had it.
    pub compatibility: bool,
}

/// What a plan is made from.
#[derive(Debug)]
pub struct UpRequest<'a> {
    /// What is wanted.
    pub project: &'a Project,
    /// What is there.
    pub seen: &'a Seen,
    /// Ids of the images, by service.
    pub images: &'a BTreeMap<String, String>,
    /// Services whose image brings a probe along.
    pub probes: &'a BTreeSet<String>,
    /// How.
    pub options: &'a UpOptions,
}

/// The plan.
pub fn up(request: &UpRequest<'_>) -> Plan {
    let mut planner = Planner {
        request,
        plan: Plan::default(),
        resources: BTreeMap::new(),
        services: BTreeMap::new(),
        waits: BTreeMap::new(),
    };
    planner.resources();
    for name in sorted(request.project) {
        planner.service(&name);
    }
    planner.orphans();
    planner.wait_for_all();
    planner.plan
}

/// Services of a project, those that others need first.
pub(crate) fn sorted(project: &Project) -> Vec<String> {
    fn visit(name: &str, project: &Project, out: &mut Vec<String>) {
        let Some(service) = project.model.services.get(name) else { return };
        if out.iter().any(|other| other == name) {
            return;
        }
        service.depends_on.keys().for_each(|other| visit(other, project, out));
        out.push(name.to_owned());
    }
    let mut out = Vec::new();
    project.model.services.keys().for_each(|name| visit(name, project, &mut out));
    out
}

/// What a service's steps are, for those that depend on it.
#[derive(Default)]
struct Planned {
    /// After these its containers exist.
    made: Vec<usize>,
    /// After these they run.
    running: Vec<usize>,
    /// Its containers in the end.
    targets: Vec<Target>,
    /// Stops of containers that are replaced.
    stops: Vec<usize>,
    /// Some of its containers were replaced.
    replaced: bool,
}

struct Planner<'a> {
    request: &'a UpRequest<'a>,
    plan: Plan,
    resources: BTreeMap<(&'static str, String), usize>,
    services: BTreeMap<String, Planned>,
    waits: BTreeMap<(String, Condition, bool), usize>,
}

impl<'a> Planner<'a> {
    fn resources(&mut self) {
        let model = &self.request.project.model;
        let seen = self.request.seen;
        for (key, network) in &model.networks {
            if !network.external && !seen.networks.contains_key(&network.name) {
                let action = Action::CreateNetwork { key: key.clone(), name: network.name.clone() };
                let index = self.plan.add(action, Vec::new());
                self.resources.insert(("network", key.clone()), index);
            }
        }
        for (key, volume) in &model.volumes {
            if !volume.external && !seen.volumes.contains_key(&volume.name) {
                let action = Action::CreateVolume { key: key.clone(), name: volume.name.clone() };
                let index = self.plan.add(action, Vec::new());
                self.resources.insert(("volume", key.clone()), index);
            }
        }
    }

    /// Whether a container is not what the service wants.
    fn is_obsolete(&self, name: &str, container: &Observed) -> bool {
        let options = self.request.options;
        let named = options.named.is_empty() || options.named.contains(name);
        match options.recreate {
            Recreate::Never => return false,
            Recreate::Always if named || options.recreate_dependencies => return true,
            _ if options.recreate_dependencies && !named => return true,
            _ => {}
        }
        let project = self.request.project;
        let same = match (project.service_tree(name), &container.hash) {
            (Some(tree), Some(hash)) => crate::print::is_hash_of(tree, hash),
            (tree, hash) => tree.is_none() && hash.is_none(),
        };
        let image = self.request.images.get(name);
        let moved = image.is_some() && container.image_id.as_ref() != image;
        !same || moved || self.borrows_from_replaced(name)
    }

    /// Services whose namespaces a service joins.
    fn lenders(service: &Service) -> Vec<String> {
        let fields = [&service.network_mode, &service.ipc, &service.pid];
        let name = |field: &Option<String>| {
            field.as_deref().and_then(|text| text.strip_prefix("service:")).map(str::to_owned)
        };
        let mut all: Vec<String> = fields.into_iter().filter_map(name).collect();
        all.sort();
        all.dedup();
        all
    }

    fn borrows_from_replaced(&self, name: &str) -> bool {
        let Some(service) = self.request.project.model.services.get(name) else { return false };
        Self::lenders(service)
            .iter()
            .any(|lender| self.services.get(lender).is_some_and(|planned| planned.replaced))
    }

    /// Steps after which a service's dependencies are as it wants them.
    fn dependencies(&mut self, service: &Service) -> Vec<usize> {
        let mut after = Vec::new();
        for (other, dependency) in &service.depends_on {
            let Some(planned) = self.services.get(other) else { continue };
            let until = match dependency.condition {
                Condition::ServiceStarted => {
                    after.extend(planned.running.iter().copied());
                    continue;
                }
                Condition::ServiceHealthy => Until::Healthy,
                Condition::ServiceCompletedSuccessfully => Until::Completed,
            };
            let key = (other.clone(), dependency.condition, dependency.required);
            let index = match self.waits.get(&key) {
                Some(&index) => index,
                None => {
                    let (targets, required) = (planned.targets.clone(), dependency.required);
                    let running = planned.running.clone();
                    let index = self.plan.add(Action::Wait { targets, until, required }, running);
                    self.waits.insert(key, index);
                    index
                }
            };
            after.push(index);
        }
        after
    }

    fn service(&mut self, name: &str) {
        let request = self.request;
        let Some(service) = request.project.model.services.get(name) else { return };
        let before = match request.options.create_only {
            true => Vec::new(),
            false => self.dependencies(service),
        };
        let mut planned = Planned::default();
        if request.options.dormant.as_deref() == Some(name) {
            // Nobody waits for it, but what it needs is waited for.
            self.services.insert(name.to_owned(), planned);
            return;
        }
        let (kept, surplus) = self.choose(name, service);
        let taken: BTreeSet<u32> = kept.iter().map(|container| container.number).collect();
        let missing = (service.replicas() as usize).saturating_sub(kept.len());
        let free = (1..).filter(|number| !taken.contains(number)).take(missing);
        for container in &surplus {
            let stop = self.plan.add(Action::Stop(container.target()), Vec::new());
            self.plan.add(Action::Remove(container.target(), false), vec![stop]);
        }
        let parallelism = service.deploy.update_config.as_ref().and_then(|u| u.parallelism);
        let parallelism = parallelism.unwrap_or(1) as usize;
        let mut ends: Vec<usize> = Vec::new();
        for container in kept {
            if self.is_obsolete(name, container) {
                let mut before = before.clone();
                if parallelism > 0 && ends.len() >= parallelism {
                    before.push(ends[ends.len() - parallelism]);
                }
                ends.push(self.replace(name, service, container, &before, &mut planned));
            } else {
                self.keep(name, service, container, &before, &mut planned);
            }
        }
        for number in free {
            let own = self.name(name, service, number);
            let making = self.making(name, number, own.clone(), None, service);
            let mut after = self.needed(service);
            after.extend(self.holder(&making.name));
            let made = self.plan.add(Action::Create(making), after);
            planned.made.push(made);
            let target = Target { id: None, name: own, service: name.to_owned() };
            self.start(&target, made, &before, &mut planned);
            planned.targets.push(target);
        }
        self.services.insert(name.to_owned(), planned);
    }

    /// Containers that stay or are replaced, and those that are too many. Current ones stay first,
    /// then those that run, then low numbers.
    fn choose(&self, name: &str, service: &Service) -> (Vec<&'a Observed>, Vec<&'a Observed>) {
        let seen = self.request.seen;
        let mut all: Vec<&'a Observed> =
            seen.containers.iter().filter(|c| c.service == name && !c.oneoff).collect();
        all.sort_by_key(|c| (self.is_obsolete(name, c), !c.runs(), c.number, c.name.clone()));
        let mut numbers = BTreeSet::new();
        // Two of one number: an `up` was killed while one gave way to the other.
        let (mut kept, mut surplus): (Vec<&'a Observed>, Vec<&'a Observed>) =
            all.into_iter().partition(|container| numbers.insert(container.number));
        let replicas = service.replicas() as usize;
        if kept.len() > replicas {
            let mut over = kept.split_off(replicas);
            over.sort_by_key(|container| std::cmp::Reverse(container.number));
            surplus.extend(over);
        }
        kept.sort_by_key(|container| container.number);
        (kept, surplus)
    }

    fn name(&self, name: &str, service: &Service, number: u32) -> String {
        let separator = if self.request.options.compatibility { '_' } else { '-' };
        container_name(self.request.project.name(), name, service, number, separator)
    }

    fn making(
        &self,
        name: &str,
        number: u32,
        own: String,
        replaces: Option<(String, String)>,
        service: &Service,
    ) -> Making {
        let lender = |lender: String| {
            let target = self.services.get(&lender)?.targets.first()?.clone();
            Some((lender, target))
        };
        Making {
            service: name.to_owned(),
            number,
            name: own,
            replaces,
            renew_volumes: self.request.options.renew_volumes,
            namespaces: Self::lenders(service).into_iter().filter_map(lender).collect(),
        }
    }

    /// Steps without which a container of the service cannot be made.
    fn needed(&self, service: &Service) -> Vec<usize> {
        let mut after = Vec::new();
        let mut need = |kind, key: &String| {
            after.extend(self.resources.get(&(kind, key.clone())).copied());
        };
        service.networks.keys().for_each(|key| need("network", key));
        let named = service.volumes.iter().filter(|mount| mount.kind == "volume");
        named.filter_map(|mount| mount.source.as_ref()).for_each(|key| need("volume", key));
        let mut others = Self::lenders(service);
        let from = service.volumes_from.iter().filter(|from| !from.starts_with("container:"));
        others.extend(from.filter_map(|from| from.split(':').next()).map(str::to_owned));
        for other in others {
            if let Some(planned) = self.services.get(&other) {
                after.extend(planned.made.iter().copied());
            }
        }
        after
    }

    fn start(&mut self, target: &Target, made: usize, before: &[usize], planned: &mut Planned) {
        if self.request.options.create_only {
            return;
        }
        let after = std::iter::once(made).chain(before.iter().copied()).collect();
        let index = self.plan.add(Action::Start(target.clone()), after);
        planned.running.push(index);
    }

    /// A container that is as it should be: it is left alone if it runs.
    fn keep(
        &mut self,
        name: &str,
        service: &Service,
        container: &Observed,
        before: &[usize],
        planned: &mut Planned,
    ) {
        let own = self.name(name, service, container.number);
        let mut target = container.target();
        let mut after = before.to_vec();
        if container.name != own {
            // Whoever has the name is surplus, and goes first.
            let holder = self.holder(&own);
            let index = self.plan.add(Action::Rename(target.clone(), own.clone()), holder);
            planned.made.push(index);
            planned.running.push(index);
            after.push(index);
            target.name = own;
        }
        let restarts = service.depends_on.iter().any(|(other, dependency)| {
            let replaced = self.services.get(other).is_some_and(|planned| planned.replaced);
            dependency.restart && replaced
        });
        let running = container.status == teu_containers::state::Status::Running;
        if !self.request.options.create_only {
            if container.runs() && restarts {
                let stop = self.plan.add(Action::Stop(target.clone()), before.to_vec());
                planned.running.push(self.plan.add(Action::Start(target.clone()), vec![stop]));
            } else if !running && container.status != teu_containers::state::Status::Restarting {
                planned.running.push(self.plan.add(Action::Start(target.clone()), after));
            }
        }
        planned.targets.push(target);
    }

    /// The step that takes away whoever has a name.
    fn holder(&self, name: &str) -> Vec<usize> {
        let removes =
            |action: &Action| matches!(action, Action::Remove(target, _) if target.name == name);
        self.plan.steps.iter().position(|step| removes(&step.action)).into_iter().collect()
    }

    /// A container gives way to its successor; gives the last step.
    fn replace(
        &mut self,
        name: &str,
        service: &Service,
        old: &Observed,
        before: &[usize],
        planned: &mut Planned,
    ) -> usize {
        planned.replaced = true;
        let own = self.name(name, service, old.number);
        let passing = passing_name(&old.id, &own);
        let replaces = Some((old.id.clone(), old.name.clone()));
        let making = self.making(name, old.number, passing.clone(), replaces, service);
        let mut after = self.needed(service);
        after.extend(self.holder(&making.name));
        let made = self.plan.add(Action::Create(making), after);
        planned.made.push(made);
        let new = Target { id: None, name: passing, service: name.to_owned() };
        let order = order(service, self.request.probes.contains(name));
        let start_first =
            order == Order::StartFirst && old.runs() && !self.request.options.create_only;
        let last;
        let stop;
        if start_first {
            let after = std::iter::once(made).chain(before.iter().copied()).collect();
            let start = self.plan.add(Action::Start(new.clone()), after);
            let targets = vec![new.clone()];
            let wait = Action::Wait { targets, until: Until::Ready, required: true };
            let ready = self.plan.add(wait, vec![start]);
            stop = self.plan.add(Action::Stop(old.target()), vec![ready]);
            let gone = self.plan.add(Action::Remove(old.target(), false), vec![stop]);
            last = self.plan.add(Action::Rename(new.clone(), own.clone()), vec![gone]);
        } else {
            // Who lives in the old one's namespaces ends before it.
            let borrows = !Self::lenders(service).is_empty();
            let mut after = vec![made];
            if !borrows {
                after.extend(before.iter().copied());
            }
            stop = self.plan.add(Action::Stop(old.target()), after);
            for lender in Self::lenders(service) {
                let stops = self.services.get(&lender).map(|p| p.stops.clone());
                for index in stops.unwrap_or_default() {
                    self.plan.steps[index].after.push(stop);
                }
            }
            let gone = self.plan.add(Action::Remove(old.target(), false), vec![stop]);
            let named = self.plan.add(Action::Rename(new.clone(), own.clone()), vec![gone]);
            last = match self.request.options.create_only {
                true => named,
                false => {
                    let target = Target { name: own.clone(), ..new.clone() };
                    let after = std::iter::once(named).chain(before.iter().copied()).collect();
                    self.plan.add(Action::Start(target), after)
                }
            };
        }
        planned.stops.push(stop);
        planned.running.push(last);
        planned.targets.push(Target { name: own, ..new });
        last
    }

    fn orphans(&mut self) {
        let (request, project) = (self.request, self.request.project);
        let known: BTreeSet<&str> = project
            .model
            .services
            .keys()
            .chain(project.disabled.keys())
            .map(String::as_str)
            .collect();
        let orphans = orphans(&request.seen.containers, &known);
        if orphans.is_empty() || request.options.ignore_orphans {
            return;
        }
        if request.options.remove_orphans {
            for container in orphans {
                let stop = self.plan.add(Action::Stop(container.target()), Vec::new());
                self.plan.add(Action::Remove(container.target(), false), vec![stop]);
            }
            return;
        }
        let names: Vec<&str> = orphans.iter().map(|container| container.name.as_str()).collect();
        self.plan.warnings.push(format!(
            "Found orphan containers ([{}]) for this project. If you removed or renamed this service in your compose file, you can run this command with the --remove-orphans flag to clean it up.",
            names.join(" ")
        ));
    }

    /// `--wait`.
    fn wait_for_all(&mut self) {
        if !self.request.options.wait || self.request.options.create_only {
            return;
        }
        let named = &self.request.options.named;
        for (name, planned) in &self.services {
            if (named.is_empty() || named.contains(name)) && !planned.targets.is_empty() {
                let targets = planned.targets.clone();
                let wait = Action::Wait { targets, until: Until::Ready, required: true };
                self.plan.add(wait, planned.running.clone());
            }
        }
    }
}

//! What is to be done: pure, from a project and what is observed to steps that wait for each other.
//!
//! A plan says everything that will happen, so that it can be shown first (`--dry-run`); carrying it
//! out decides nothing. Plans are made anew from what is there, so that an `up` that was killed in
//! the middle is taken up by the next one: a container made under its passing name is found by its
//! labels and given its own.

use std::fmt;

mod names;
mod replace;
mod stop;
mod up;

pub use names::{container_name, passing_name};
pub use stop::{DownOptions, RemoveImages, down, in_order};
pub use up::{Recreate, UpOptions, UpRequest, up};

/// A container, there or to be made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Its id, where it is there already.
    pub id: Option<String>,
    /// Its name at that point of the plan.
    pub name: String,
    /// Its service.
    pub service: String,
}

impl Target {
    /// How it is found.
    pub fn handle(&self) -> &str {
        self.id.as_deref().unwrap_or(&self.name)
    }
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Until {
    Healthy,
    Completed,
    /// Healthy if it has a probe, else running.
    Ready,
}

/// A container to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Making {
    /// Its service.
    pub service: String,
    /// Its number.
    pub number: u32,
    /// Its name, perhaps a passing one.
    pub name: String,
    /// The container it stands in for, by id and name: anonymous volumes go on.
    pub replaces: Option<(String, String)>,
    /// Anonymous volumes are made anew.
    pub renew_volumes: bool,
    /// Containers whose namespaces it joins, by service.
    pub namespaces: Vec<(String, Target)>,
}

/// One thing that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A network is made, by key.
    CreateNetwork {
        /// Its key.
        key: String,
        /// Its name.
        name: String,
    },
    /// A volume is made, by key.
    CreateVolume {
        /// Its key.
        key: String,
        /// Its name.
        name: String,
    },
    /// A container is made.
    Create(Making),
    /// It is started.
    Start(Target),
    /// It is stopped.
    Stop(Target),
    /// It is removed, with its anonymous volumes or without.
    Remove(Target, bool),
    /// It gets another name.
    Rename(Target, String),
    /// Waits for containers; what is not required may fail.
    Wait {
        /// For which.
        targets: Vec<Target>,
        /// For what.
        until: Until,
        /// Failing fails the plan.
        required: bool,
    },
    /// A network goes.
    RemoveNetwork(String),
    /// A volume goes.
    RemoveVolume(String),
    /// An image goes.
    RemoveImage(String),
}

impl Action {
    /// `Container`, name, what is being done, what has been done.
    pub fn words(&self) -> (&'static str, String, &'static str, &'static str) {
        let container = |name: &str, now, then| ("Container", name.to_owned(), now, then);
        match self {
            Self::CreateNetwork { name, .. } => ("Network", name.clone(), "Creating", "Created"),
            Self::CreateVolume { name, .. } => ("Volume", name.clone(), "Creating", "Created"),
            Self::Create(making) => match &making.replaces {
                Some((_, old)) => container(old, "Recreate", "Recreated"),
                None => container(&making.name, "Creating", "Created"),
            },
            Self::Start(target) => container(&target.name, "Starting", "Started"),
            Self::Stop(target) => container(&target.name, "Stopping", "Stopped"),
            Self::Remove(target, _) => container(&target.name, "Removing", "Removed"),
            Self::Rename(_, to) => container(to, "Renaming", "Renamed"),
            Self::Wait { targets, until, .. } => {
                let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
                let done = match until {
                    Until::Healthy => "Healthy",
                    Until::Completed => "Exited",
                    Until::Ready => "Ready",
                };
                container(&names.join(", "), "Waiting", done)
            }
            Self::RemoveNetwork(name) => ("Network", name.clone(), "Removing", "Removed"),
            Self::RemoveVolume(name) => ("Volume", name.clone(), "Removing", "Removed"),
            Self::RemoveImage(name) => ("Image", name.clone(), "Removing", "Removed"),
        }
    }
}

/// A step, and those that come before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub action: Action,
    /// After which steps, by index; all of them smaller or later, never in a circle.
    pub after: Vec<usize>,
}

/// Everything that will happen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// Things to tell a person.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Adds a step and gives its index.
    pub fn add(&mut self, action: Action, after: Vec<usize>) -> usize {
        self.steps.push(Step { action, after });
        self.steps.len() - 1
    }

    /// An order in which no step comes before one it waits for.
    pub fn ordered(&self) -> Vec<&Step> {
        let mut done = vec![false; self.steps.len()];
        let mut out = Vec::with_capacity(self.steps.len());
        loop {
            let before = out.len();
            for (index, step) in self.steps.iter().enumerate() {
                if !done[index] && step.after.iter().all(|&other| done[other]) {
                    done[index] = true;
                    out.push(step);
                }
            }
            if out.len() == before {
                return out;
            }
        }
    }
}

impl fmt::Display for Plan {
    /// A line a step, in an order in which they can happen.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in self.ordered() {
            let (kind, name, now, _) = step.action.words();
            writeln!(f, "DRY-RUN MODE -  {kind} {name}  {now}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

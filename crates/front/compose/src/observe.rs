//! What is there of a project, as labels tell it.

use crate::labels;
use std::collections::{BTreeMap, BTreeSet};
use teu_containers::list::{ListOptions, Summary};
use teu_containers::state::Status;
use teu_containers::{Containers, Error};

/// A container of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its service.
    pub service: String,
    /// Its number within the service.
    pub number: u32,
    /// Made by `run`.
    pub oneoff: bool,
    /// Hash of the configuration it was made from.
    pub hash: Option<String>,
    /// Id of the image it was made from.
    pub image_id: Option<String>,
    /// The image as it was called.
    pub image: String,
    /// Where it is.
    pub status: Status,
    /// `starting`, `healthy`, `unhealthy`.
    pub health: Option<String>,
    /// Of its last run.
    pub exit_code: i32,
    /// Services that its own needs, and whether it is restarted with them.
    pub depends_on: Vec<(String, bool)>,
    /// Its project.
    pub project: String,
    /// All labels.
    pub labels: BTreeMap<String, String>,
}

impl Observed {
    /// `None` for a container that is of no project.
    pub fn of(summary: &Summary) -> Option<Self> {
        let label = |key: &str| summary.labels.get(key).cloned();
        let project = label(labels::PROJECT)?;
        let depends_on = label(labels::DEPENDS_ON).unwrap_or_default();
        let dependency = |entry: &str| {
            let mut parts = entry.split(':');
            let name = parts.next().filter(|name| !name.is_empty())?;
            Some((name.to_owned(), parts.nth(1) == Some("true")))
        };
        Some(Self {
            id: summary.id.clone(),
            name: summary.name.clone(),
            service: label(labels::SERVICE)?,
            number: label(labels::NUMBER).and_then(|text| text.parse().ok()).unwrap_or(1),
            oneoff: label(labels::ONEOFF).is_some_and(|text| text.eq_ignore_ascii_case("true")),
            hash: label(labels::HASH),
            image_id: summary.image_id.as_ref().map(ToString::to_string),
            image: summary.image.clone(),
            status: summary.state.status,
            health: summary.state.health.as_ref().map(|health| health.status.clone()),
            exit_code: summary.state.exit_code,
            depends_on: depends_on.split(',').filter_map(dependency).collect(),
            project,
            labels: summary.labels.clone(),
        })
    }

    /// Whether it has processes.
    pub fn runs(&self) -> bool {
        matches!(self.status, Status::Running | Status::Paused | Status::Restarting)
    }
}

/// What there is of a project.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Its containers.
    pub containers: Vec<Observed>,
    /// Names of all networks there are, with their labels.
    pub networks: BTreeMap<String, BTreeMap<String, String>>,
    /// Names of all volumes there are, with their labels.
    pub volumes: BTreeMap<String, BTreeMap<String, String>>,
}

/// Looks at a project.
pub fn observe(containers: &Containers, project: &str) -> Result<Seen, Error> {
    let mut seen = Seen { containers: list(containers, project)?, ..Seen::default() };
    for network in containers.networks().list()? {
        seen.networks.insert(network.name, network.labels);
    }
    for volume in containers.volumes().list()? {
        seen.volumes.insert(volume.record.name, volume.record.labels);
    }
    Ok(seen)
}

/// A project's containers, by service and number.
pub fn list(containers: &Containers, project: &str) -> Result<Vec<Observed>, Error> {
    let label = format!("{}={project}", labels::PROJECT);
    let filters = vec![("label".to_owned(), label)];
    let options = ListOptions { all: true, filters, ..ListOptions::default() };
    let mut all: Vec<Observed> =
        containers.list(&options)?.iter().filter_map(Observed::of).collect();
    all.sort_by(|a, b| (&a.service, a.number, &a.name).cmp(&(&b.service, b.number, &b.name)));
    Ok(all)
}

/// All containers of all projects.
pub fn list_all(containers: &Containers) -> Result<Vec<Observed>, Error> {
    let filters = vec![("label".to_owned(), labels::PROJECT.to_owned())];
    let options = ListOptions { all: true, filters, ..ListOptions::default() };
    Ok(containers.list(&options)?.iter().filter_map(Observed::of).collect())
}

/// Containers that no service stands behind.
pub fn orphans<'a>(seen: &'a [Observed], services: &BTreeSet<&str>) -> Vec<&'a Observed> {
    seen.iter().filter(|c| !c.oneoff && !services.contains(c.service.as_str())).collect()
}

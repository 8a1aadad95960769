//! `commit`: an image of what a container is now.

use crate::ask::ask;
use crate::shim::protocol::Request;
use crate::state::Status;
use crate::{Containers, Found, Result, time};
use teu_images::LayerOptions;
use teu_oci::image::config::Empty;
use teu_oci::image::{Config, History, ImageConfig};
use teu_oci::{Digest, Reference};
use teu_runtime::cgroup::Cgroup;

/// `commit`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitRequest {
    /// Names of the new image.
    pub names: Vec<Reference>,
    /// Who made it.
    pub author: Option<String>,
    /// Why.
    pub message: Option<String>,
    /// What the image's configuration is to be; what it leaves empty is the container's.
    pub config: Option<Config>,
    /// Dockerfile instructions (`CMD …`, `ENV …`).
    pub changes: Vec<String>,
    /// The container stands still meanwhile.
    pub pause: bool,
}

/// Thaws what was frozen for a commit, also when the commit fails.
struct Frozen<'a> {
    containers: &'a Containers,
    found: &'a Found,
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let request = Request::Unpause { id: self.found.record.id.clone() };
        if let Ok(Some(connection)) = self.containers.shim(&self.found.pod.id) {
            let _ = ask(&connection, &self.found.pod.id, &request, &[]);
        }
    }
}

impl Containers {
    /// An image of what it is now: its image with one more layer, and its own configuration.
    pub fn commit(&self, name: &str, request: &CommitRequest) -> Result<Digest> {
        let found = self.find(name)?;
        let base = match &found.record.image_id {
            Some(id) => self.images.resolve(id.as_str())?,
            None => self.images.resolve(&found.record.image)?,
        };
        let mut config = base.config.clone();
        let own = configuration(&found, &base.config.config);
        // Its layers become the new image's.
        self.images.await_whole(&base)?;
        // Refused before anything is frozen or written.
        config.config = match request.config.clone() {
            None => changed(own, &request.changes)?,
            Some(given) => merged(changed(given, &request.changes)?, own),
        };
        // Nothing can stop what no control group holds: it is taken as it is.
        let path = self.home.container_cgroup(&found.pod, &found.record.id);
        let can_pause = !Cgroup::open(&path).is_ok_and(|group| group.is_nowhere());
        let frozen = (request.pause && can_pause && found.state.status == Status::Running)
            .then(|| self.freeze(&found))
            .transpose()?;
        let chain = self.chain(&found)?;
        let options = LayerOptions { mtime_clamp: None, take: false };
        let layer = self.images.commit_layer(&self.upper(&found), chain.id.as_ref(), options)?;
        drop(frozen);
        describe(&mut config, &found, request, layer.diff_id.clone());
        let mut layers = base.manifest.layers.clone();
        layers.push(layer.descriptor);
        let image = self.images.write_image(&config, &layers, Some(&request.names))?;
        self.journal(&found.record, "commit", &[("imageID", image.id.as_str())]);
        Ok(image.id)
    }

    fn freeze<'a>(&'a self, found: &'a Found) -> Result<Frozen<'a>> {
        let request = Request::Pause { id: found.record.id.clone() };
        ask(&self.running_shim(found)?, &found.pod.id, &request, &[])?;
        Ok(Frozen { containers: self, found })
    }
}

/// How the container was started is how containers of the image start.
fn configuration(found: &Found, base: &Config) -> Config {
    let record = &found.record;
    let list = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    let mut config = base.clone();
    config.user.clone_from(&record.user);
    config.env.clone_from(&record.env);
    config.entrypoint = list(&record.entrypoint);
    config.cmd = list(&record.command);
    config.working_dir.clone_from(&record.working_dir);
    config.labels.clone_from(&record.labels);
    config.exposed_ports =
        record.exposed_ports.iter().map(|port| (port.clone(), Empty {})).collect();
    config.healthcheck.clone_from(&record.healthcheck);
    config.stop_signal = (!record.stop_signal.is_empty()).then(|| record.stop_signal.clone());
    config
}

fn changed(mut config: Config, changes: &[String]) -> Result<Config> {
    teu_images::change::apply(&mut config, changes)?;
    Ok(config)
}

/// One configuration over another, as Docker merges them: lists by their keys, a command of one's own
/// does without the other's entrypoint only if it brings one.
fn merged(mut over: Config, under: Config) -> Config {
    if over.user.is_empty() {
        over.user = under.user;
    }
    if over.working_dir.is_empty() {
        over.working_dir = under.working_dir;
    }
    let key = |entry: &String| entry.split('=').next().unwrap_or_default().to_owned();
    let named: Vec<String> = over.env.iter().map(key).collect();
    over.env.extend(under.env.into_iter().filter(|entry| !named.contains(&key(entry))));
    for (name, value) in under.labels {
        over.labels.entry(name).or_insert(value);
    }
    over.exposed_ports.extend(under.exposed_ports);
    over.volumes.extend(under.volumes);
    let some = |words: &Option<Vec<String>>| words.as_ref().is_some_and(|list| !list.is_empty());
    if !some(&over.entrypoint) {
        if !some(&over.cmd) {
            over.cmd = under.cmd;
        }
        if over.entrypoint.is_none() {
            over.entrypoint = under.entrypoint;
        }
    }
    over.healthcheck = over.healthcheck.or(under.healthcheck);
    over.stop_signal = over.stop_signal.or(under.stop_signal);
    over
}

fn describe(config: &mut ImageConfig, found: &Found, request: &CommitRequest, diff_id: Digest) {
    let now = time::rfc3339(time::now_ns());
    let command = found.record.entrypoint.iter().chain(&found.record.command);
    let created_by: Vec<&str> = command.map(String::as_str).collect();
    config.created = Some(now.clone());
    if request.author.is_some() {
        config.author.clone_from(&request.author);
    }
    config.rootfs.diff_ids.push(diff_id);
    config.history.push(History {
        created: Some(now),
        created_by: Some(created_by.join(" ")),
        author: request.author.clone(),
        comment: request.message.clone(),
        empty_layer: false,
    });
}

#[cfg(test)]
mod tests;

//! Networks, volumes and images of a project; files and commands in its containers.

use super::{Execution, StepError};
use crate::labels;
use crate::model::{Hook, Network};
use crate::print::{network_hash, volume_hash};
use crate::request::{ContentFile, variables};
use std::collections::BTreeSet;
use std::net::IpAddr;
use teu_containers::Containers;
use teu_containers::copy::CopyOptions;
use teu_containers::exec::{ExecRequest, ExecStreams};
use teu_images::tar::{Builder, Kind, WriteEntry};
use teu_network::{NetworkSpec, Subnet, SubnetSpec};
use teu_volumes::VolumeSpec;

impl Execution<'_> {
    pub(super) fn create_network(&self, key: &str, name: &str) -> Result<(), StepError> {
        let project = self.project()?;
        let Some(network) = project.model.networks.get(key) else { return Ok(()) };
        let tree = project.tree.get("networks").and_then(|all| all.get(key));
        let hash = tree.map(network_hash).unwrap_or_default();
        let labels = labels::of_resource(project, labels::NETWORK, key, &network.labels, hash);
        let spec = NetworkSpec { labels, ..network_spec(network)? };
        match self.containers.networks().create(spec) {
            Err(teu_network::Error::NameTaken { .. }) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(made) => {
                self.tell("network", "create", &made.id, name);
                Ok(())
            }
        }
    }

    pub(super) fn create_volume(&self, key: &str, name: &str) -> Result<(), StepError> {
        let project = self.project()?;
        let Some(volume) = project.model.volumes.get(key) else { return Ok(()) };
        let tree = project.tree.get("volumes").and_then(|all| all.get(key));
        let hash = tree.map(volume_hash).unwrap_or_default();
        let spec = VolumeSpec {
            name: Some(name.to_owned()),
            driver: volume.driver.clone().unwrap_or_default(),
            labels: labels::of_resource(project, labels::VOLUME, key, &volume.labels, hash),
            options: volume.driver_opts.clone(),
            ..VolumeSpec::default()
        };
        self.containers.create_volume(&spec)?;
        Ok(())
    }

    pub(super) fn remove_network(&self, name: &str) -> Result<(), StepError> {
        match self.containers.networks().remove(name) {
            Err(teu_network::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(()) => {
                self.tell("network", "destroy", name, name);
                Ok(())
            }
        }
    }

    pub(super) fn remove_volume(&self, name: &str) -> Result<(), StepError> {
        use teu_containers::Error;
        match self.containers.remove_volume(name) {
            Err(Error::Volumes(teu_volumes::Error::NoSuchVolume(_))) => Ok(()),
            done => Ok(done?),
        }
    }

    pub(super) fn remove_image(&self, name: &str) -> Result<(), StepError> {
        let in_use = self.containers.images_in_use()?;
        let request = teu_images::RemoveRequest { text: name, force: false, in_use: &in_use };
        match self.containers.images().remove(&request) {
            Err(teu_images::Error::NoSuchImage { .. }) => Ok(()),
            done => Ok(done.map(drop)?),
        }
    }

    /// Networks have no journal of their own.
    fn tell(&self, kind: &str, action: &str, id: &str, name: &str) {
        use teu_containers::events::Event;
        let attributes = [("name".to_owned(), name.to_owned())].into();
        let _ = self.containers.emit(&Event::new(kind, action, id, attributes));
    }
}

/// A network as the network library is asked for it.
fn network_spec(network: &Network) -> Result<NetworkSpec, StepError> {
    let wrong = |reason: String| StepError::NetworkSpec { name: network.name.clone(), reason };
    match network.driver.as_deref() {
        None | Some("" | "default" | "bridge") => {}
        Some(other) => return Err(wrong(format!("plugin {other:?} not found: only bridge is"))),
    }
    if network.ipam.driver.as_deref().is_some_and(|driver| driver != "default") {
        return Err(wrong("ipam: only the default driver exists".to_owned()));
    }
    let subnet = |text: &String| {
        text.parse::<Subnet>().map_err(|error| wrong(format!("invalid subnet {text}: {error}")))
    };
    let mut subnets = Vec::new();
    for pool in &network.ipam.config {
        let Some(text) = &pool.subnet else { continue };
        let gateway = pool.gateway.as_ref().map(|text| text.parse::<IpAddr>()).transpose();
        subnets.push(SubnetSpec {
            subnet: subnet(text)?,
            gateway: gateway.map_err(|error| wrong(format!("invalid gateway: {error}")))?,
            range: pool.ip_range.as_ref().map(subnet).transpose()?,
        });
    }
    Ok(NetworkSpec {
        name: network.name.clone(),
        driver: String::new(),
        subnets,
        internal: network.internal,
        ipv6: network.enable_ipv6,
        ipv4: network.enable_ipv4,
        options: network.driver_opts.clone(),
        ..NetworkSpec::default()
    })
}

/// Writes files into a container that does not run yet, with the directories on their way.
pub fn write_files(
    containers: &Containers,
    id: &str,
    files: &[ContentFile],
) -> Result<(), StepError> {
    if files.is_empty() {
        return Ok(());
    }
    let mut tar = Builder::new(Vec::new());
    let mut made = BTreeSet::new();
    for file in files {
        let path = file.path.trim_start_matches('/');
        for (at, _) in path.match_indices('/') {
            let directory = &path[..at];
            if made.insert(directory.to_owned())
                && containers.stat_path(id, &format!("/{directory}")).is_err()
            {
                tar.append(&WriteEntry::new(directory.as_bytes(), Kind::Directory, 0o755, 0), &[])?;
            }
        }
        let size = file.content.len() as u64;
        let mut entry = WriteEntry::new(path.as_bytes(), Kind::File, file.mode, size);
        (entry.uid, entry.gid) = (file.uid, file.gid);
        tar.append(&entry, &file.content)?;
    }
    let bytes = tar.finish()?;
    let options = CopyOptions { archive: true, follow_link: false };
    Ok(containers.copy_in(id, "/", &mut bytes.as_slice(), options)?)
}

/// Runs a command of `post_start` or `pre_stop` to its end.
pub(super) fn hook(
    containers: &Containers,
    name: &str,
    id: &str,
    hook: &Hook,
    kind: &'static str,
) -> Result<(), StepError> {
    let request = ExecRequest {
        command: hook.command.clone(),
        env: variables(&hook.environment),
        user: hook.user.clone(),
        working_dir: hook.working_dir.clone(),
        tty: None,
        privileged: hook.privileged,
        id: None,
    };
    match containers.exec(id, &request, ExecStreams::default())?.wait()? {
        0 => Ok(()),
        code => Err(StepError::Hook { name: name.to_owned(), hook: kind, code }),
    }
}

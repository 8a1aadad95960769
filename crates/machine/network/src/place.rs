//! The folder of one network beneath `run`: what is held now, by whom.
//!
//! ```text
//! <run>/networks/<id>/
//!   lock                 held by whoever changes anything here
//!   active.json          the kernel knows the network; how to take it back
//!   leases               addresses and counts
//!   endpoints/<pod>.json
//!   leaving/<pod>.json   it holds nothing any more, but its link is still to be removed
//!   names/<name>/<pod>   a link whose target is the addresses: DNS reads nothing else
//!   reverse/<address>    a link whose target is the name
//! ```

use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::files::{self, Lock, failed};
use crate::record::Network;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A network that the kernel knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    /// As it was brought up.
    pub network: Network,
    /// Its bridges, those that were begun too; the first has the addresses.
    pub bridges: Vec<String>,
    /// How many of them are whole: a crash leaves the next one half made.
    #[serde(default)]
    pub whole: usize,
    /// Whether it has IPv6 here.
    pub ipv6: bool,
}

/// An endpoint, and what it holds beyond what others see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Which of the network's bridges carries it.
    pub shard: usize,
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Place {
    dir: PathBuf,
}

impl Place {
    /// Of a network.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Id of the network.
    pub fn id(&self) -> &str {
        self.dir.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Makes what is missing of it.
    pub fn make(&self) -> Result<()> {
        // The last one made tells of the rest.
        if self.dir.join("leaving").exists() {
            return Ok(());
        }
        for name in ["endpoints", "names", "reverse", "leaving"] {
            files::directory(&self.dir.join(name))?;
        }
        Ok(())
    }

    /// Removes it.
    pub fn delete(&self) -> Result<()> {
        fs::remove_dir_all(&self.dir).map_err(failed("remove", &self.dir))
    }

    /// Waits for its lock.
    pub fn lock(&self) -> Result<Lock> {
        files::lock(&self.dir.join("lock"))
    }

    /// The leases' file.
    pub fn leases(&self) -> PathBuf {
        self.dir.join("leases")
    }

    /// What the kernel knows of the network.
    pub fn active(&self) -> Result<Option<Active>> {
        files::read(&self.dir.join("active.json"))
    }

    /// Notes it.
    pub fn set_active(&self, active: &Active) -> Result<()> {
        files::write(&self.dir.join("active.json"), active)
    }

    /// Notes that it knows nothing any more.
    pub fn clear_active(&self) -> Result<()> {
        files::remove(&self.dir.join("active.json"))
    }

    /// Ids of the pods that hold something.
    pub fn pods(&self) -> Result<Vec<String>> {
        self.pods_in("endpoints")
    }

    /// Ids of the pods whose link is still to be removed.
    pub fn leaving(&self) -> Result<Vec<String>> {
        self.pods_in("leaving")
    }

    fn pods_in(&self, folder: &str) -> Result<Vec<String>> {
        let names = files::names_in(&self.dir.join(folder))?;
        let pod = |name: String| name.strip_suffix(".json").map(str::to_owned);
        Ok(names.into_iter().filter_map(pod).collect())
    }

    /// Whether it is there: a network that was removed has none, nor one whose instance was deleted.
    pub fn exists(&self) -> bool {
        self.dir.exists()
    }

    fn leaving_path(&self, pod: &str) -> PathBuf {
        self.dir.join("leaving").join(format!("{pod}.json"))
    }

    /// Notes that a pod holds nothing but its link.
    pub fn leave(&self, pod: &str) -> Result<()> {
        let path = self.held_path(pod);
        fs::rename(&path, self.leaving_path(pod)).map_err(failed("move", &path))
    }

    /// Whether a pod's link is still to be removed.
    pub fn is_leaving(&self, pod: &str) -> bool {
        self.leaving_path(pod).exists()
    }

    /// Notes that a pod's link is gone.
    pub fn left(&self, pod: &str) -> Result<()> {
        files::remove(&self.leaving_path(pod))
    }

    fn held_path(&self, pod: &str) -> PathBuf {
        self.dir.join("endpoints").join(format!("{pod}.json"))
    }

    /// What a pod holds.
    pub fn held(&self, pod: &str) -> Result<Option<Held>> {
        files::read(&self.held_path(pod))
    }

    /// What all hold.
    pub fn all_held(&self) -> Result<Vec<Held>> {
        let mut all = Vec::new();
        for pod in self.pods()? {
            all.extend(self.held(&pod)?);
        }
        Ok(all)
    }

    /// Notes what a pod holds.
    pub fn hold(&self, held: &Held) -> Result<()> {
        files::write(&self.held_path(&held.endpoint.pod), held)
    }

    /// Notes that a pod holds nothing.
    pub fn unhold(&self, pod: &str) -> Result<()> {
        files::remove(&self.held_path(pod))
    }

    /// Lets the endpoint be found by its names, and its names by its addresses.
    pub fn name(&self, endpoint: &Endpoint, ipv6: bool) -> Result<()> {
        let told = addresses(endpoint).filter(|address| ipv6 || address.is_ipv4());
        let told: Vec<_> = told.map(|address| address.to_string()).collect();
        let target = told.join(",");
        for name in &endpoint.names {
            let dir = self.dir.join("names").join(name.to_ascii_lowercase());
            files::directory(&dir)?;
            relink(&target, &dir.join(&endpoint.pod))?;
        }
        if let Some(first) = endpoint.names.first() {
            let target = format!("{first}.{}", endpoint.network);
            for address in addresses(endpoint) {
                relink(&target, &self.dir.join("reverse").join(address.to_string()))?;
            }
        }
        Ok(())
    }

    /// Lets it be found no more.
    pub fn unname(&self, endpoint: &Endpoint) -> Result<()> {
        for name in &endpoint.names {
            let dir = self.dir.join("names").join(name.to_ascii_lowercase());
            files::remove(&dir.join(&endpoint.pod))?;
            // Others may bear the name too: then it stays.
            let _ = fs::remove_dir(&dir);
        }
        for address in addresses(endpoint) {
            files::remove(&self.dir.join("reverse").join(address.to_string()))?;
        }
        Ok(())
    }
}

/// The addresses of an endpoint.
pub fn addresses(endpoint: &Endpoint) -> impl Iterator<Item = IpAddr> {
    [endpoint.ipv4, endpoint.ipv6].into_iter().flatten().map(|subnet| subnet.address)
}

fn relink(target: &str, path: &Path) -> Result<()> {
    let make = || match symlink(target, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            symlink(target, path)
        }
        outcome => outcome,
    };
    make().map_err(failed("create", path))
}

/// Refuses ids and names that would be paths.
pub fn check_component(text: &str) -> Result<()> {
    let usable = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let is_name = (1..=253).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(usable);
    if is_name { Ok(()) } else { Err(Error::Alias { alias: text.to_owned() }) }
}

//! A build's own directory for what goes out or comes in once: archives, exported files, sockets.

use std::path::{Path, PathBuf};

/// Removed with all in it when dropped.
#[derive(Debug)]
pub struct Outbox(PathBuf);

impl Outbox {
    /// A new one beneath the state directory.
    pub fn new(state: &Path) -> std::io::Result<Self> {
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = parent(state).join(name);
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        // What cannot be removed now is swept when the service starts again.
        let _ = teu_builder::mounts::remove_tree(&self.0);
    }
}

/// Removes what a service that died has left. Only one at a time has the state directory.
pub fn sweep(state: &Path) {
    let _ = teu_builder::mounts::remove_tree(&parent(state));
}

fn parent(state: &Path) -> PathBuf {
    state.join("outbox")
}

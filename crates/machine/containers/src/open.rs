//! [`Containers`]: one home, opened. Everything else in this crate hangs from it.

use crate::shim::Nursery;
use crate::{Error, Home, Result};
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use teu_images::Store;
use teu_network::Networks;
use teu_volumes::Volumes;

/// Containers, pods and volumes of one home. Cheap to open, holds no lock, can be shared.
#[derive(Debug, Clone)]
pub struct Containers {
    pub(crate) home: Home,
    pub(crate) program: PathBuf,
    pub(crate) volumes: Volumes,
    pub(crate) images: Store,
    pub(crate) networks: Networks,
    pub(crate) nursery: Option<Arc<Nursery>>,
}

impl Containers {
    /// Opens a home, creating its folders, which only their owner may enter (B2 row 16). `program`
    /// is what shims are started from: this binary, best as a copy that cannot be written.
    pub fn open(home: Home, program: PathBuf) -> Result<Self> {
        for dir in [&home.data, &home.run] {
            private(dir)?;
        }
        for dir in ["pods", "names", "events", "tmp"] {
            private(&home.data.join(dir))?;
        }
        private(&home.run.join("pods"))?;
        let volumes = Volumes::open(&home.data.join("volumes"))?;
        let images = Store::open(&home.data.join("images"))?;
        let networks = Networks::open(home.networks())?;
        let containers = Self { home, program, volumes, images, networks, nursery: None };
        // What cannot be finished now is tried again by the next command.
        let _ = containers.sweep();
        let _ = containers.networks.mend();
        Ok(containers)
    }

    /// For a server, which starts many shims: they come from a [`Nursery`]. Not for an ordinary user,
    /// each of whose processes is noted by itself.
    #[must_use]
    pub fn with_nursery(mut self) -> Self {
        let alone = !teu_sys::namespace::is_own_user_namespace();
        self.nursery = alone.then(|| Arc::new(Nursery::new(&self.home, &self.program)));
        self
    }

    /// The images.
    pub fn images(&self) -> &Store {
        &self.images
    }

    /// The networks.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// Where it is.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The volumes; whether one is in use is known here ([`Containers::remove_volume`]).
    pub fn volumes(&self) -> &Volumes {
        &self.volumes
    }
}

/// A directory with mode 0700 of our own.
pub(crate) fn private(dir: &Path) -> Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(_) => fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(Error::io("create", dir))?,
    }
    let meta = fs::metadata(dir).map_err(Error::io("stat", dir))?;
    let ours = meta.uid() == rustix::process::geteuid().as_raw();
    if ours && meta.mode() & 0o077 != 0 {
        let mode = fs::Permissions::from_mode(0o700);
        fs::set_permissions(dir, mode).map_err(Error::io("close", dir))?;
    }
    Ok(())
}

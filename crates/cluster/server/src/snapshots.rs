//! Snapshots of the whole store: saved while it runs or not, listed, restored into an empty folder.

use crate::config::{Config, StoreConfig};
use crate::credentials::make_private_folder;
use crate::time::{SystemWall, Wall};
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use teu_store::embedded::{Embedded, OpenError, ReadError};
use teu_store::{Error as StoreError, Revision, Store};

/// What a snapshot's name ends with.
const SUFFIX: &str = ".snapshot";

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A file.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A folder.
    #[error(transparent)]
    Folder(#[from] crate::credentials::CredentialsError),
    /// The store.
    #[error("cannot open the store: {0}")]
    Open(#[from] OpenError),
    /// The store, while it wrote.
    #[error("cannot save the store: {0}")]
    Store(#[from] StoreError),
    /// It is no snapshot.
    #[error("{} is no snapshot, or a damaged one: {source}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
    /// The server answered otherwise than by a path.
    #[error("the server could not do it: {answer}")]
    Server {
        /// What it said.
        answer: String,
    },
    /// With etcd, its own tools do this.
    #[error("objects are in etcd, whose own tools save and restore it: etcdctl snapshot")]
    Etcd,
}

/// A snapshot that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Where.
    pub path: PathBuf,
    /// How large.
    pub bytes: u64,
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SnapshotError {
    move |source| SnapshotError::Io { action, path: path.to_path_buf(), source }
}

/// The folder of those without a path of their own.
fn folder(config: &Config) -> PathBuf {
    config.data.join("snapshots")
}

/// Saves a store to a file, or to a new one in the usual folder. Written beside, synced, renamed; only for
/// its owner.
pub fn save(
    store: &dyn Store,
    config: &Config,
    file: Option<&Path>,
) -> Result<PathBuf, SnapshotError> {
    let path = match file {
        Some(file) => file.to_path_buf(),
        None => {
            make_private_folder(&folder(config))?;
            // Colons are trouble in names of files.
            let time = SystemWall.text().replace(':', "-");
            folder(config).join(format!("{time}{SUFFIX}"))
        }
    };
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    // All secrets are in it. One of this name can only be left from before.
    let _ = fs::remove_file(&beside);
    let made = File::options().write(true).create_new(true).mode(0o600).open(&beside);
    let made = made.map_err(io_error("make", &beside))?;
    let sink = made.try_clone().map_err(io_error("write", &beside))?;
    let saved = store.snapshot(Box::new(sink)).wait().map_err(SnapshotError::from);
    let saved = saved.and_then(|_| made.sync_all().map_err(io_error("write", &beside)));
    let saved =
        saved.and_then(|()| fs::rename(&beside, &path).map_err(io_error("put in place", &path)));
    if saved.is_err() {
        let _ = fs::remove_file(&beside);
    }
    saved.map(|()| path)
}

/// Saves the store of a server that does not run.
pub fn save_stopped(config: &Config, file: Option<&Path>) -> Result<PathBuf, SnapshotError> {
    check_embedded(config)?;
    let folder = config.store_folder();
    // Opening would begin a store where there is none.
    fs::metadata(&folder).map_err(io_error("find", &folder))?;
    save(&Embedded::open(&folder)?, config, file)
}

/// Makes a snapshot the content of a data folder that has none yet.
pub fn restore(config: &Config, file: &Path) -> Result<Revision, SnapshotError> {
    check_embedded(config)?;
    let open = || File::open(file).map_err(io_error("read", file));
    let damaged = |source| SnapshotError::Damaged { path: file.to_path_buf(), source };
    Embedded::inspect(&mut BufReader::new(open()?)).map_err(damaged)?;
    make_private_folder(&config.data)?;
    Ok(Embedded::restore(&config.store_folder(), &mut BufReader::new(open()?))?)
}

/// Those in the usual folder, the oldest first.
pub fn list(config: &Config) -> Result<Vec<Snapshot>, SnapshotError> {
    let folder = folder(config);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io_error("read", &folder))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(io_error("read", &folder))?.path();
        if path.to_string_lossy().ends_with(SUFFIX) {
            let bytes = fs::metadata(&path).map_err(io_error("read", &path))?.len();
            found.push(Snapshot { path, bytes });
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn check_embedded(config: &Config) -> Result<(), SnapshotError> {
    match config.store {
        StoreConfig::Embedded => Ok(()),
        StoreConfig::Etcd { .. } => Err(SnapshotError::Etcd),
    }
}

//! The verbs of `cp`.

use super::path::{self, Form, Source, Target};
use super::stream::{TarStream, write_source};
use super::view::RootView;
use super::{CopyError, CopyOptions, CopyOut, PathStat, host};
use crate::disk::DirLock;
use crate::{Containers, Error, Found, Result};
use std::io::Read;
use std::os::fd::AsFd as _;
use std::path::Path;
use teu_images::unpack::{UnpackOptions, unpack};

/// A view of a root, and the lock under which a stopped container stays stopped.
struct Held {
    view: RootView,
    _lock: Option<DirLock>,
}

impl Containers {
    fn hold(&self, name: &str) -> Result<(Found, Held)> {
        let found = self.find(name)?;
        if found.state.needs_shim() {
            let view = self.view(&found)?;
            return Ok((found, Held { view, _lock: None }));
        }
        let lock = self.lock_pod(&found.pod.id)?;
        // Somebody may have started it before we had the lock.
        let state = self.read_state(&found.pod.id, &found.record.id)?;
        let state = state.ok_or_else(|| Error::NoSuchContainer(name.to_owned()))?;
        let lock = if state.needs_shim() { None } else { Some(lock) };
        let found = Found { state, ..found };
        let view = self.view(&found)?;
        Ok((found, Held { view, _lock: lock }))
    }

    /// What is at a path in it.
    pub fn stat_path(&self, name: &str, path: &str) -> Result<PathStat> {
        let (found, held) = self.hold(name)?;
        path::stat(held.view.as_fd(), &found.record.name, path)
    }

    /// A tar of a path in it (`cp CONTAINER:PATH -`): of a directory with its name, of `dir/.` what
    /// is in it.
    pub fn copy_out(&self, name: &str, copy: &CopyOut) -> Result<(PathStat, TarStream)> {
        let (found, held) = self.hold(name)?;
        let container = &found.record.name;
        let source = path::source(held.view.as_fd(), container, &copy.path, copy.follow_link)?;
        let stat = source.stat.clone();
        let own = own_name(&source, &copy.path);
        let stream = stream(held, source, own)?;
        Ok((stat, stream))
    }

    /// Unpacks a tar into a directory in it (`cp - CONTAINER:PATH`).
    pub fn copy_in(
        &self,
        name: &str,
        path: &str,
        tar: &mut dyn Read,
        options: CopyOptions,
    ) -> Result<()> {
        let (found, held) = self.hold(name)?;
        let target = path::target(held.view.as_fd(), &found.record.name, path, true);
        let target = match target {
            Ok(target) if target.name.is_none() => target,
            Err(error @ Error::Copy(CopyError::KernelFiles(_))) => return Err(error),
            Ok(_) | Err(Error::Copy(CopyError::NoSuchDirectory(_))) => {
                let (path, container) = (path.to_owned(), found.record.name);
                return Err(CopyError::NotFound { path, container }.into());
            }
            Err(_) => return Err(CopyError::ExtractionPoint(path.to_owned()).into()),
        };
        put(tar, &target, into_container(&found, options)).map(drop)
    }

    /// `cp CONTAINER:PATH LOCAL` with Docker's path rules. Answers the bytes copied.
    pub fn copy_to_host(
        &self,
        name: &str,
        path: &str,
        local: &Path,
        options: CopyOptions,
    ) -> Result<u64> {
        let (found, held) = self.hold(name)?;
        let root = held.view.as_fd();
        let source = path::source(root, &found.record.name, path, options.follow_link)?;
        let target = host::target(local, source.is_dir())?;
        let given = given_name(&source, path, &target);
        // The container chose the names within: the same confined extractor as for images.
        let mut tar = stream(held, source, given)?;
        let me = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let owner = (!options.archive).then_some(me);
        put(&mut tar, &target, unpacking(owner))
    }

    /// `cp LOCAL CONTAINER:PATH` with Docker's path rules. Answers the bytes copied.
    pub fn copy_to_container(
        &self,
        local: &Path,
        name: &str,
        path: &str,
        options: CopyOptions,
    ) -> Result<u64> {
        let source = host::source(local, options)?;
        let (found, held) = self.hold(name)?;
        let target = path::target(held.view.as_fd(), &found.record.name, path, source.is_dir())?;
        let given = given_name(&source, &local.as_os_str().to_string_lossy(), &target);
        let mut tar = stream((), source, given)?;
        put(&mut tar, &target, into_container(&found, options))
    }
}

/// The name at the top of a tar for others: the thing's own; nothing of `dir/.` and of the root.
fn own_name(source: &Source, path: &str) -> Option<String> {
    let content = path::form(path).1 == Form::Content || source.stat.name == "/";
    (!content).then(|| source.stat.name.clone())
}

/// The name that it gets at its target: a new one, its own, or none when only its content goes there.
fn given_name(source: &Source, path: &str, target: &Target) -> Option<String> {
    match &target.name {
        Some(name) => Some(name.clone()),
        None => own_name(source, path),
    }
}

fn stream<K: Send + 'static>(keep: K, source: Source, name: Option<String>) -> Result<TarStream> {
    let failed = Error::io("start", Path::new("the tar"));
    TarStream::start((keep, source, name), |(_, source, name), out| {
        write_source(source, name.as_deref(), out)
    })
    .map_err(failed)
}

fn put(tar: super::Tar<'_>, target: &Target, options: UnpackOptions) -> Result<u64> {
    let mut tar = std::io::BufReader::with_capacity(256 << 10, tar);
    let unpacked = unpack(&mut tar, target.dir.as_fd(), &options)?;
    // The end of the stream says whether it was whole.
    std::io::copy(&mut tar, &mut std::io::sink())
        .map_err(|error| Error::Images(teu_images::Error::stream("read the tar", error)))?;
    Ok(unpacked.bytes)
}

/// Files belong to the container's root, unless owners are kept.
fn into_container(found: &Found, options: CopyOptions) -> UnpackOptions {
    let mapped = |mappings: &[teu_oci::runtime::IdMapping]| {
        mappings.iter().find(|map| map.container_id == 0).map_or(0, |map| map.host_id)
    };
    let root = (mapped(&found.pod.uid_mappings), mapped(&found.pod.gid_mappings));
    let owner = (!options.archive).then_some(root);
    unpacking(owner)
}

/// Over what is there: nothing changes its kind, directories stay as they are.
fn unpacking(owner: Option<(u32, u32)>) -> UnpackOptions {
    UnpackOptions { owner, keep_kinds: true, keep_directories: true, ..UnpackOptions::default() }
}

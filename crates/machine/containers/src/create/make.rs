//! `create` itself: looks up, merges, checks, prepares a directory, and publishes it by one rename.

use super::merge::{self, Typed};
use super::validate::{self, Machine};
use super::{CreateRequest, Created, Invalid, PodChoice, anonymous_volume};
use crate::disk::{self, DirLock};
use crate::names::{self, Bearer};
use crate::open::private;
use crate::record::network::NetworkChoice;
use crate::record::{ContainerRecord, MountKind, NamespaceMode, PodRecord};
use crate::remove::lease_name;
use crate::root::{Access, overlay};
use crate::state::ContainerState;
use crate::{Containers, Error, Result, time};
use std::fs;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use teu_images::{Chain, Image};
use teu_oci::Platform;

/// Most anonymous volumes that an image may ask for (B2 row 18).
const IMAGE_VOLUME_LIMIT: usize = 256;

/// What is being made; dropped before it is published, everything is undone.
struct Draft<'a> {
    containers: &'a Containers,
    dir: PathBuf,
    id: String,
    lock: Option<DirLock>,
    /// Volumes that did not exist before.
    volumes: Vec<String>,
    cidfile: Option<PathBuf>,
    name: Option<(String, Bearer)>,
    published: bool,
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        if let Some((name, bearer)) = &self.name
            && let Ok(names) = self.containers.lock_names()
        {
            names.free(name, bearer);
        }
        if let Ok(lease) = self.containers.images.lease(&lease_name(&self.id)) {
            let _ = lease.release();
        }
        for volume in &self.volumes {
            let _ = self.containers.volumes.remove(volume);
        }
        if let Some(cidfile) = &self.cidfile {
            let _ = fs::remove_file(cidfile);
        }
        let _ = fs::remove_dir_all(&self.dir);
        self.lock = None;
    }
}

impl Containers {
    /// Makes a container, with a pod of its own or in one. Nothing is left of one that fails.
    pub fn create(&self, mut request: CreateRequest) -> Result<Created> {
        if let Some(name) = &request.name {
            self.check_free(name)?;
        }
        let PodChoice::New(template) = &request.pod else { return self.create_in(&request) };
        let pod = self.create_pod((**template).clone())?.pod;
        request.pod = PodChoice::Existing(pod.clone());
        self.create_in(&request).inspect_err(|_| {
            let _ = self.remove_pod(&pod, true);
        })
    }

    fn create_in(&self, request: &CreateRequest) -> Result<Created> {
        let image = self.images.resolve(&request.image)?;
        check_platform(&request.image, &image)?;
        let (pod, own) = self.pod_for(request)?;
        let record = self.record_for(request, &image, &pod)?;
        let mut draft = self.draft(&record.id)?;
        let chain = self.images.chain_now(&image)?;
        let mut kept = vec![image.manifest_digest.clone()];
        kept.extend(chain.id.as_ref().map(|id| id.digest().clone()));
        self.images.lease(&lease_name(&record.id))?.keep(&kept)?;
        self.write_draft(&draft, &pod, own, &record, &chain)?;
        self.make_volumes(&mut draft, request, &record, &chain)?;
        if let Some(cidfile) = &record.cidfile {
            write_cidfile(cidfile, &record.id)?;
            draft.cidfile = Some(cidfile.clone());
        }
        self.publish(draft, request.name.as_deref(), pod, own, record)
    }

    fn check_free(&self, name: &str) -> Result<()> {
        let bare = names::check(name)?;
        match self.bearer(bare)? {
            Some(bearer) => {
                let id = bearer.container.unwrap_or(bearer.pod);
                Err(Error::NameInUse { name: bare.to_owned(), id })
            }
            None => Ok(()),
        }
    }

    /// The pod's record, and whether it is made now.
    fn pod_for(&self, request: &CreateRequest) -> Result<(PodRecord, bool)> {
        match &request.pod {
            PodChoice::New(_) => Err(Error::NoSuchPod(String::new())),
            PodChoice::Existing(name) => {
                let (pod, _) = self.find_pod(name)?;
                match pod.implicit {
                    true => Err(Error::NoSuchPod(name.clone())),
                    false => Ok((pod, false)),
                }
            }
            PodChoice::Own(template) => {
                let mut pod = (**template).clone();
                pod.implicit = true;
                pod.name = None;
                self.settle_pod(&mut pod)?;
                Ok((pod, true))
            }
        }
    }

    /// Fills in what a pod gets from us, and checks the rest.
    pub(crate) fn settle_pod(&self, pod: &mut PodRecord) -> Result<()> {
        pod.id = disk::random_id();
        pod.created_ns = time::now_ns();
        for choice in [&mut pod.ipc, &mut pod.uts] {
            self.settle_namespace(choice)?;
        }
        if let NetworkChoice::Container(name) = &mut pod.network.choice {
            *name = self.find(name)?.record.id;
        }
        if let NetworkChoice::Networks(endpoints) = &mut pod.network.choice {
            for endpoint in endpoints {
                if endpoint.network == "default" || endpoint.network.is_empty() {
                    endpoint.network = teu_network::DEFAULT_NETWORK.to_owned();
                }
                endpoint.network = self.networks.inspect(&endpoint.network)?.name;
            }
        }
        validate::pod(pod, Machine::this())?;
        Ok(())
    }

    /// Another container is named by what a person typed; the record keeps its id.
    fn settle_namespace(&self, mode: &mut NamespaceMode) -> Result<()> {
        if let NamespaceMode::Container(name) = mode {
            *name = self.find(name)?.record.id;
        }
        Ok(())
    }

    fn record_for(
        &self,
        request: &CreateRequest,
        image: &Image,
        pod: &PodRecord,
    ) -> Result<ContainerRecord> {
        let mut record = request.container.clone();
        record.id = if pod.implicit { pod.id.clone() } else { disk::random_id() };
        record.pod.clone_from(&pod.id);
        record.created_ns = time::now_ns();
        record.image.clone_from(&request.image);
        record.image_id = Some(image.id.clone());
        record.diff_ids.clone_from(&image.config.rootfs.diff_ids);
        self.settle_namespace(&mut record.pid_mode)?;
        for mount in &mut record.mounts {
            mount.destination = validate::destination(&mount.destination)?;
        }
        for from in &request.volumes_from {
            let (name, mode) = from.split_once(':').unwrap_or((from, "rw"));
            let other = self.find(name)?.record;
            merge::merge_mounts_from(&mut record, &other, mode.split(',').any(|m| m == "ro"));
        }
        let typed = Typed { entrypoint: request.entrypoint.clone() };
        let implied = merge::merge(&mut record, typed, &image.config.config)?;
        if implied.len() > IMAGE_VOLUME_LIMIT {
            return Err(Invalid::TooMany("volumes", IMAGE_VOLUME_LIMIT).into());
        }
        for destination in implied {
            record.mounts.push(anonymous_volume(&destination, String::new()));
        }
        for mount in &mut record.mounts {
            if let MountKind::Volume { name, anonymous, .. } = &mut mount.kind
                && name.is_empty()
            {
                *name = disk::random_id();
                *anonymous = true;
            }
        }
        validate::container(pod, &mut record, Machine::this())?;
        for mount in &record.mounts {
            if let MountKind::Bind { source, .. } = &mount.kind {
                bind_source(source, &request.create_sources)?;
            }
        }
        Ok(record)
    }

    fn draft(&self, id: &str) -> Result<Draft<'_>> {
        let dir = self.home.tmp().join(format!("new-{id}"));
        private(&dir)?;
        let lock = DirLock::wait(&dir)?;
        Ok(Draft {
            containers: self,
            dir,
            id: id.to_owned(),
            lock,
            volumes: Vec::new(),
            cidfile: None,
            name: None,
            published: false,
        })
    }

    /// Makes the volumes that do not exist, and fills new ones from the image. The record with their
    /// names is on disk by now, so a sweep finds the anonymous ones of a command that was killed.
    fn make_volumes(
        &self,
        draft: &mut Draft<'_>,
        request: &CreateRequest,
        record: &ContainerRecord,
        chain: &Chain,
    ) -> Result<()> {
        let mut root = None;
        for mount in &record.mounts {
            let MountKind::Volume { name, anonymous, nocopy, .. } = &mount.kind else { continue };
            let fresh = self.volumes.get(name).is_err();
            let asked = request.volumes.iter().find(|spec| spec.name.as_ref() == Some(name));
            let mut spec = asked.cloned().unwrap_or_default();
            spec.name = Some(name.clone());
            spec.anonymous = *anonymous;
            let volume = self.volumes.create(&spec)?;
            if fresh {
                draft.volumes.push(name.clone());
                self.journal_volume(name, "create");
            }
            if volume.record.initialised {
                continue;
            }
            if *nocopy || chain.lower.is_empty() {
                volume.mark_used()?;
                continue;
            }
            let root = match &root {
                Some(root) => root,
                None => root.insert(overlay(&chain.lower, Access::Read)?),
            };
            volume.fill(root.as_fd(), &mount.destination)?;
        }
        Ok(())
    }

    fn write_draft(
        &self,
        draft: &Draft<'_>,
        pod: &PodRecord,
        own: bool,
        record: &ContainerRecord,
        chain: &Chain,
    ) -> Result<()> {
        let dir = if own {
            let dir = draft.dir.join("containers").join(&record.id);
            private(&dir)?;
            disk::write_json(&draft.dir.join("pod.json"), pod)?;
            dir
        } else {
            draft.dir.clone()
        };
        disk::write_json(&dir.join("config.json"), record)?;
        disk::write_json(&dir.join("state.json"), &ContainerState::default())?;
        make_layer(&dir, chain)
    }

    fn publish(
        &self,
        mut draft: Draft<'_>,
        name: Option<&str>,
        pod: PodRecord,
        own: bool,
        mut record: ContainerRecord,
    ) -> Result<Created> {
        let bearer = Bearer { pod: pod.id.clone(), container: Some(record.id.clone()) };
        let (from, to) = match own {
            true => (draft.dir.join("containers").join(&record.id), self.home.pod(&pod.id)),
            false => (draft.dir.clone(), self.home.container(&pod.id, &record.id)),
        };
        let names = self.lock_names()?;
        record.name = names.take(name, &bearer)?;
        draft.name = Some((record.name.clone(), bearer));
        disk::write_json(&from.join("config.json"), &record)?;
        fs::rename(&draft.dir, &to).map_err(Error::io("create", &to))?;
        draft.published = true;
        drop(names);
        self.journal(&record, "create", &[]);
        Ok(Created { id: record.id.clone(), name: record.name, pod: pod.id, warnings: Vec::new() })
    }
}

/// The read/write layer. Its root looks like the image's: an overlay shows the upper's.
fn make_layer(dir: &Path, chain: &Chain) -> Result<()> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let (upper, work) = (dir.join("upper"), dir.join("work"));
    for path in [&upper, &work] {
        fs::create_dir(path).map_err(Error::io("create", path))?;
    }
    let mode = match chain.lower.first() {
        Some(top) => {
            let meta = fs::metadata(top).map_err(Error::io("stat", top))?;
            if (meta.uid(), meta.gid()) != (0, 0) {
                std::os::unix::fs::chown(&upper, Some(meta.uid()), Some(meta.gid()))
                    .map_err(Error::io("own", &upper))?;
            }
            meta.permissions()
        }
        None => fs::Permissions::from_mode(0o755),
    };
    fs::set_permissions(&upper, mode).map_err(Error::io("set the mode of", &upper))
}

/// `--mount` refuses what is not there, `-v` makes a directory of it.
fn bind_source(source: &str, create: &[PathBuf]) -> Result<()> {
    let path = Path::new(source);
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    if create.iter().any(|wanted| wanted == path) {
        return fs::create_dir_all(path).map_err(Error::io("create", path));
    }
    Err(Invalid::BindMissing(source.to_owned()).into())
}

fn check_platform(name: &str, image: &Image) -> Result<()> {
    let host = Platform::host();
    let config = &image.config;
    let foreign = !config.os.is_empty() && config.os != host.os;
    match foreign {
        true => Err(Invalid::Platform {
            image: name.to_owned(),
            have: format!("{}/{}", config.os, config.architecture),
            want: host.to_string(),
        }
        .into()),
        false => Ok(()),
    }
}

fn write_cidfile(path: &Path, id: &str) -> Result<()> {
    match disk::write_new(path, id.as_bytes(), 0o644) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Invalid::CidFile(path.display().to_string()).into())
        }
        done => done,
    }
}

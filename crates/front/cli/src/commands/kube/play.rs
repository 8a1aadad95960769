//! `teu kube play`: what a file describes is made and started.
//!
//! Files of config maps and secrets lie in `<data>/kube/<pod>/<volume>/` and are shown read-only.

use super::super::pull::{When, ensure};
use super::down::down;
use crate::context::{Context, warn};
use crate::failure::{Doing, Failure, Result};
use crate::flags::Matches;
use crate::request::{published, read_file};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use teu_containers::create::{CreateRequest, PodChoice};
use teu_containers::lifecycle::{Attach, Remove, WaitFor};
use teu_containers::record::network::EndpointRecord;
use teu_containers::record::{MountKind, MountRecord, NetworkChoice, Propagation};
use teu_kube::pod::{Choices, ContainerPlan, FileSet, HostPath, MountPlan, Pull, Volume};
use teu_kube::{Manifest, PodPlan};
use teu_network::NetworkSpec;
use teu_volumes::VolumeSpec;

/// Where played pods find each other by name.
const NETWORK: &str = "teu-kube";
/// Largest file.
const FILE_LIMIT_BYTES: u64 = 8 << 20;
/// Lines of an init container's output that its failure shows.
const SHOWN_LINES: u64 = 5;

pub(super) fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let manifest = manifest(matches.operand(0), &matches.list("configmap"))?;
    if matches.switch("down") {
        return down(ctx, &manifest, matches.switch("force"));
    }
    if manifest.pods.is_empty() && manifest.claims.is_empty() {
        return Err(Failure::new(format!("{} describes no pods", matches.operand(0))).code(125));
    }
    let choices = Choices {
        network: Some(network(ctx, &matches.list("network"))?),
        ports: published(&matches.list("publish"))?,
        node_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
    };
    for skipped in &manifest.skipped {
        warn(&format!("{skipped} is passed over: pods here are reached by name and by hostPort"));
    }
    let mut plans = Vec::new();
    for template in &manifest.pods {
        plans.push(PodPlan::new(template, &manifest, &choices)?);
    }
    for claim in &manifest.claims {
        let name = Some(claim.name.clone());
        let labels = claim.labels.clone();
        if ctx.containers()?.volumes().get(&claim.name).is_err() {
            ctx.containers()?.create_volume(&VolumeSpec {
                name,
                labels,
                ..VolumeSpec::default()
            })?;
        }
    }
    for plan in plans {
        let player = Player { ctx, matches, plan: &plan };
        player.play()?;
    }
    Ok(0)
}

/// The objects of a file (`-` for standard input) and of those beside it.
pub(super) fn manifest(path: &str, beside: &[&str]) -> Result<Manifest> {
    let mut manifest = Manifest::default();
    for path in beside.iter().chain(&[path]) {
        let mut bytes = Vec::new();
        if *path == "-" {
            std::io::stdin().take(FILE_LIMIT_BYTES).read_to_end(&mut bytes)?;
        } else {
            bytes = read_file(Path::new(path))?;
        }
        let documents = teu_compose::yaml::parse(path, &bytes)?;
        manifest.add(&documents)?;
    }
    Ok(manifest)
}

/// Where files of a pod's config maps and secrets are.
pub(super) fn files_of(ctx: &Context, pod: &str) -> PathBuf {
    ctx.home().data.join("kube").join(pod)
}

fn network(ctx: &Context, names: &[&str]) -> Result<NetworkChoice> {
    let endpoint = |name: &str| EndpointRecord { network: name.to_owned(), ..Default::default() };
    match names {
        ["host"] => Ok(NetworkChoice::Host),
        ["none"] => Ok(NetworkChoice::None),
        [] => {
            let networks = ctx.networks()?;
            if networks.inspect(NETWORK).is_err() {
                let spec = NetworkSpec { name: NETWORK.to_owned(), ..NetworkSpec::default() };
                networks.create(spec)?;
            }
            Ok(NetworkChoice::Networks(vec![endpoint(NETWORK)]))
        }
        names => Ok(NetworkChoice::Networks(names.iter().map(|name| endpoint(name)).collect())),
    }
}

struct Player<'a> {
    ctx: &'a Context,
    matches: &'a Matches,
    plan: &'a PodPlan,
}

impl Player<'_> {
    fn name(&self) -> &str {
        self.plan.record.name.as_deref().unwrap_or_default()
    }

    fn play(&self) -> Result<()> {
        let containers = self.ctx.containers()?;
        for warning in &self.plan.warnings {
            warn(warning);
        }
        if self.matches.switch("replace")
            && let Ok((old, _)) = containers.find_pod(self.name())
            && !old.implicit
        {
            containers.remove_pod(&old.id, true)?;
        }
        for container in self.plan.init.iter().chain(&self.plan.containers) {
            let when = match container.pull {
                Pull::Always => When::Always,
                Pull::IfNotPresent => When::Missing,
                Pull::Never => When::Never,
            };
            ensure(self.ctx, &container.image, None, (when, self.matches.switch("quiet")))?;
        }
        let pod = containers.create_pod(self.plan.record.clone())?.pod;
        self.fill(&pod).inspect_err(|_| {
            // Half a pod is of no use; its data stays.
            let _ = containers.remove_pod(&pod, true);
        })
    }

    /// Makes and starts all containers of a pod.
    fn fill(&self, pod: &str) -> Result<()> {
        let containers = self.ctx.containers()?;
        let mut volumes = BTreeMap::new();
        for (name, volume) in &self.plan.volumes {
            volumes.insert(name.as_str(), self.prepare(name, volume)?);
        }
        let make = |container: &ContainerPlan| self.create(pod, container, &volumes);
        let init = self.plan.init.iter().map(make).collect::<Result<Vec<String>>>()?;
        let own = self.plan.containers.iter().map(make).collect::<Result<Vec<String>>>()?;
        if self.matches.text("start") != Some("false") {
            for (id, container) in init.iter().zip(&self.plan.init) {
                self.run_to_end(id, container)?;
                containers.remove(id, Remove::default())?;
            }
            for id in &own {
                containers.start(id, Attach::default())?;
            }
        }
        self.ctx.line("Pod:")?;
        self.ctx.line(pod)?;
        self.ctx.line(if own.len() == 1 { "Container:" } else { "Containers:" })?;
        own.iter().try_for_each(|id| self.ctx.line(id))?;
        self.ctx.line("")
    }

    fn create(
        &self,
        pod: &str,
        plan: &ContainerPlan,
        volumes: &BTreeMap<&str, Prepared>,
    ) -> Result<String> {
        let mut record = plan.record.clone();
        for mount in &plan.mounts {
            record.mounts.push(place(mount, &volumes[mount.volume.as_str()])?);
        }
        let created = self.ctx.containers()?.create(CreateRequest {
            name: Some(plan.name.clone()),
            image: plan.image.clone(),
            pod: PodChoice::Existing(pod.to_owned()),
            entrypoint: plan.entrypoint.clone(),
            container: record,
            ..CreateRequest::default()
        });
        let created = created.doing(|| format!("container {}", plan.name))?;
        created.warnings.iter().for_each(|warning| warn(warning));
        Ok(created.id)
    }

    /// An init container: the next one starts when it has done its work.
    fn run_to_end(&self, id: &str, plan: &ContainerPlan) -> Result<()> {
        let containers = self.ctx.containers()?;
        containers.start(id, Attach::default())?;
        let code = containers.wait(id, WaitFor::NotRunning)?;
        if code == 0 {
            return Ok(());
        }
        let options = teu_containers::logs::LogOptions {
            tail: Some(SHOWN_LINES),
            stdout: true,
            stderr: true,
            ..Default::default()
        };
        let mut said = String::new();
        for line in containers.logs(id, &options)?.flatten() {
            said.push_str(&String::from_utf8_lossy(&line.bytes));
        }
        Err(Failure::new(format!("init container {} ended with code {code}", plan.name))
            .hint(format!("it said last: {}", said.trim()))
            .code(125))
    }

    /// Makes a volume's files and folders.
    fn prepare(&self, name: &str, volume: &Volume) -> Result<Prepared> {
        let containers = self.ctx.containers()?;
        Ok(match volume {
            Volume::Empty => {
                let made = containers.create_volume(&VolumeSpec::default())?;
                let volume = containers.volumes().get(made.name())?;
                Prepared::Volume {
                    name: volume.name().to_owned(),
                    anonymous: true,
                    fresh: Some(volume.path()),
                }
            }
            Volume::Claim { name, .. } => {
                if containers.volumes().get(name).is_err() {
                    let spec = VolumeSpec { name: Some(name.clone()), ..VolumeSpec::default() };
                    containers.create_volume(&spec)?;
                }
                Prepared::Volume { name: name.clone(), anonymous: false, fresh: None }
            }
            Volume::Host { path, kind } => {
                host_path(Path::new(path), *kind)?;
                Prepared::Path(PathBuf::from(path))
            }
            Volume::Files(files) => {
                let folder = files_of(self.ctx, self.name()).join(name);
                write_files(&folder, files)?;
                Prepared::Path(folder)
            }
        })
    }
}

/// A volume that is there.
enum Prepared {
    Volume { name: String, anonymous: bool, fresh: Option<PathBuf> },
    Path(PathBuf),
}

fn place(mount: &MountPlan, volume: &Prepared) -> Result<MountRecord> {
    let kind = match volume {
        Prepared::Volume { name, anonymous, fresh } => {
            // Nobody has written to a new one: there are no links in it that could lead elsewhere.
            if let (Some(path), Some(part)) = (fresh, &mount.subpath) {
                std::fs::create_dir_all(path.join(part))?;
            }
            MountKind::Volume {
                name: name.clone(),
                anonymous: *anonymous,
                nocopy: true,
                subpath: mount.subpath.clone(),
            }
        }
        Prepared::Path(path) => {
            let path = match &mount.subpath {
                Some(part) => path.join(part),
                None => path.clone(),
            };
            MountKind::Bind { source: path.to_string_lossy().into_owned(), recursive: true }
        }
    };
    Ok(MountRecord {
        destination: mount.destination.clone(),
        kind,
        readonly: mount.readonly,
        propagation: Propagation::default(),
    })
}

/// What has to be at a path of the host is there, or is made where that was asked for.
fn host_path(path: &Path, kind: HostPath) -> Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    let found = std::fs::metadata(path);
    match (kind, &found) {
        (HostPath::Unset | HostPath::DirectoryOrCreate, Err(_)) => {
            return std::fs::create_dir_all(path).doing(|| format!("create {}", path.display()));
        }
        (HostPath::FileOrCreate, Err(_)) => {
            let made = std::fs::OpenOptions::new().append(true).create(true).open(path);
            return made.map(drop).doing(|| format!("create {}", path.display()));
        }
        _ => {}
    }
    let kind_of = found.doing(|| format!("hostPath {}", path.display()))?.file_type();
    let fits = match kind {
        HostPath::Unset => true,
        HostPath::DirectoryOrCreate | HostPath::Directory => kind_of.is_dir(),
        HostPath::FileOrCreate | HostPath::File => kind_of.is_file(),
        HostPath::Socket => kind_of.is_socket(),
        HostPath::CharDevice => kind_of.is_char_device(),
        HostPath::BlockDevice => kind_of.is_block_device(),
    };
    match fits {
        true => Ok(()),
        false => Err(Failure::new(format!("hostPath {} is no {kind:?}", path.display())).code(125)),
    }
}

/// Makes a folder of files anew. Only root enters the folder above it; who may read a file within
/// the container is what its mode says.
fn write_files(folder: &Path, files: &FileSet) -> Result<()> {
    use std::io::Write as _;
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    let make = |path: &Path| std::fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    make(folder)?;
    for (path, content, mode) in &files.files {
        let path = folder.join(path);
        path.parent().map_or(Ok(()), make)?;
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(*mode).open(&path);
        file.and_then(|mut file| {
            file.write_all(content)?;
            // Whatever the mask was when it was made.
            file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(*mode))
        })
        .doing(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

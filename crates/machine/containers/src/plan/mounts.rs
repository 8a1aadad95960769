//! Which mounts, in which order: defaults first, then the container's own, shallow before deep, so
//! that the more specific path wins whatever the order on the command line was.

use super::process::INIT;
use super::{Error, Facts, VolumeSource, privilege};
use crate::record::{
    ContainerRecord, MountKind, MountRecord, NamespaceMode, PodRecord, Propagation,
};
use teu_oci::runtime::Mount;
use teu_runtime::defaults;

/// All mounts of a container.
pub(super) fn mounts(
    pod: &PodRecord,
    container: &ContainerRecord,
    facts: &Facts,
) -> Result<Vec<Mount>, Error> {
    let shm_bytes = if pod.shm_size_bytes == 0 { defaults::SHM_BYTES } else { pod.shm_size_bytes };
    let mut all = defaults::mounts(privilege(container), shm_bytes);
    share_memory(&mut all, pod, facts);
    let own =
        |destination: &str| container.mounts.iter().any(|m| same(&m.destination, destination));
    all.retain(|mount| {
        let beneath_dev = own("/dev") && mount.destination.starts_with("/dev/");
        !own(&mount.destination) && !beneath_dev
    });
    let mut given = texts(container, facts);
    given.retain(|mount| !own(&mount.destination));
    for mount in &container.mounts {
        let mut made = asked(mount, facts)?;
        // What a volume holds is stored as root's, whichever users a pod has: it is seen mapped.
        let is_volume = matches!(mount.kind, MountKind::Volume { .. });
        if is_volume && !pod.uid_mappings.is_empty() && made.kind.as_deref() == Some("bind") {
            made.options.push("idmap".to_owned());
        }
        given.push(made);
    }
    given.sort_by_key(|mount| depth(&mount.destination));
    all.extend(given);
    let probes = container.healthcheck.as_ref().and_then(|check| check.test.get(1));
    if container.init || probes.is_some_and(|program| program == INIT) {
        all.push(bind(INIT, &facts.init.to_string_lossy(), &["bind", "ro", "nosuid", "nodev"]));
    }
    Ok(all)
}

/// `/dev/shm`: the pod's, the host's, or memory of the container's own.
fn share_memory(all: &mut [Mount], pod: &PodRecord, facts: &Facts) {
    let Some(shm) = all.iter_mut().find(|mount| mount.destination == "/dev/shm") else { return };
    let source = match (&pod.ipc, &facts.shm) {
        (NamespaceMode::Host, _) => "/dev/shm",
        (_, Some(source)) => source,
        (_, None) => return,
    };
    *shm = bind("/dev/shm", source, &["rbind", "nosuid", "noexec", "nodev", "rprivate"]);
}

/// The pod's files over the image's.
fn texts(container: &ContainerRecord, facts: &Facts) -> Vec<Mount> {
    let access = if container.readonly_rootfs { "ro" } else { "rw" };
    ["resolv.conf", "hostname", "hosts"]
        .map(|name| {
            let source = facts.files.join(name);
            let options = ["rbind", "rprivate", access];
            bind(&format!("/etc/{name}"), &source.to_string_lossy(), &options)
        })
        .to_vec()
}

fn asked(mount: &MountRecord, facts: &Facts) -> Result<Mount, Error> {
    let access = if mount.readonly { "ro" } else { "rw" };
    let propagation = word(mount.propagation);
    Ok(match &mount.kind {
        MountKind::Bind { source, recursive } => {
            let kind = if *recursive { "rbind" } else { "bind" };
            // Read-only means all that is seen there, mounts beneath included.
            let access = if mount.readonly && *recursive { "rro" } else { access };
            bind(&mount.destination, source, &[kind, access, propagation])
        }
        MountKind::Tmpfs { size_bytes, mode, options } => {
            let mut own = Vec::new();
            if *size_bytes > 0 {
                own.push(format!("size={size_bytes}"));
            }
            if let Some(mode) = mode {
                own.push(format!("mode={mode:o}"));
            }
            own.extend(options.iter().cloned());
            tmpfs(&mount.destination, &own, access)
        }
        MountKind::Volume { name, .. } => match facts.volumes.get(&mount.destination) {
            Some(VolumeSource::Path { source, options }) => {
                let mut made = bind(&mount.destination, source, &["rbind", access, propagation]);
                made.options
                    .extend(options.iter().filter(|o| *o != "rw" || !mount.readonly).cloned());
                made
            }
            Some(VolumeSource::Tmpfs { options }) => tmpfs(&mount.destination, options, access),
            None => {
                let destination = mount.destination.clone();
                return Err(Error::NoVolume { name: name.clone(), destination });
            }
        },
    })
}

/// Nothing can be executed, no devices, no set-user-id, unless the options say so.
fn tmpfs(destination: &str, own: &[String], access: &str) -> Mount {
    let mut options: Vec<String> = Vec::new();
    for (default, opposite) in
        [("noexec", "exec"), ("nosuid", "suid"), ("nodev", "dev"), (access, "")]
    {
        let named = |option: &String| option == default || option == opposite;
        if !own.iter().any(named) {
            options.push(default.to_owned());
        }
    }
    options.extend(own.iter().cloned());
    Mount {
        destination: destination.to_owned(),
        kind: Some("tmpfs".to_owned()),
        source: Some("tmpfs".to_owned()),
        options,
        ..Mount::default()
    }
}

fn bind(destination: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind: Some("bind".to_owned()),
        source: Some(source.to_owned()),
        options: options.iter().map(ToString::to_string).collect(),
        ..Mount::default()
    }
}

/// What the root must be for the mounts' propagation to have a meaning.
pub(super) fn root_propagation(container: &ContainerRecord) -> Option<String> {
    let any = |wanted: &[Propagation]| {
        container.mounts.iter().any(|mount| wanted.contains(&mount.propagation))
    };
    if any(&[Propagation::Shared, Propagation::Rshared]) {
        Some("rshared".to_owned())
    } else if any(&[Propagation::Slave, Propagation::Rslave]) {
        Some("rslave".to_owned())
    } else {
        None
    }
}

fn word(propagation: Propagation) -> &'static str {
    match propagation {
        Propagation::Rprivate => "rprivate",
        Propagation::Private => "private",
        Propagation::Rshared => "rshared",
        Propagation::Shared => "shared",
        Propagation::Rslave => "rslave",
        Propagation::Slave => "slave",
    }
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

fn depth(path: &str) -> usize {
    components(path).count()
}

fn same(left: &str, right: &str) -> bool {
    components(left).eq(components(right))
}

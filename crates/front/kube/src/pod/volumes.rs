//! A pod's volumes, and where containers see them.

use crate::field::{Field, Result};
use crate::manifest::{Data, Manifest};
use std::collections::BTreeMap;

/// What a volume is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Volume {
    /// `emptyDir`: the pod's own, gone with it.
    Empty,
    /// `hostPath`
    Host {
        /// Absolute.
        path: String,
        /// What has to be there.
        kind: HostPath,
    },
    /// `persistentVolumeClaim`: a volume of ours by that name.
    Claim {
        /// Its name.
        name: String,
        /// In no container to be written to.
        readonly: bool,
    },
    /// `configMap`, `secret`, `projected` of both.
    Files(FileSet),
}

/// What has to be at a path of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "Kubernetes' own words")]
pub enum HostPath {
    Unset,
    DirectoryOrCreate,
    Directory,
    FileOrCreate,
    File,
    Socket,
    CharDevice,
    BlockDevice,
}

/// Files that are made for a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSet {
    /// Path within the volume, content, permissions.
    pub files: Vec<(String, Vec<u8>, u32)>,
}

/// A mount of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPlan {
    /// Absolute path in the container.
    pub destination: String,
    /// Name of the volume.
    pub volume: String,
    /// No writing.
    pub readonly: bool,
    /// Only this part of it.
    pub subpath: Option<String>,
}

/// Where a volume's files are on this machine, once it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A volume of ours.
    Volume {
        /// Its name.
        name: String,
        /// It goes with the pod.
        anonymous: bool,
    },
    /// A path.
    Path(String),
}

/// All volumes of a pod.
pub(super) fn all(spec: &Field<'_>, manifest: &Manifest) -> Result<BTreeMap<String, Volume>> {
    let mut all = BTreeMap::new();
    for field in spec.get_list("volumes")? {
        let name = field.need("name")?;
        if all.insert(name.text()?.to_owned(), volume(&field, manifest)?).is_some() {
            return Err(name.error("there is another volume of that name"));
        }
    }
    Ok(all)
}

fn volume(field: &Field<'_>, manifest: &Manifest) -> Result<Volume> {
    let known = [
        "name",
        "emptyDir",
        "hostPath",
        "configMap",
        "secret",
        "persistentVolumeClaim",
        "projected",
    ];
    if let Some((name, kind)) = field.entries()?.into_iter().find(|(name, _)| !known.contains(name))
    {
        return Err(kind.error(format!(
            "volumes of kind {name} are not supported: emptyDir, hostPath, configMap, secret, \
             persistentVolumeClaim and projected are"
        )));
    }
    if let Some(empty) = field.node().get("emptyDir") {
        if !empty.is_null()
            && let Some(empty) = field.get("emptyDir")
        {
            empty.only(&["medium", "sizeLimit"], &[])?;
        }
        return Ok(Volume::Empty);
    }
    if let Some(host) = field.get("hostPath") {
        host.only(&["path", "type"], &[])?;
        let path = host.need("path")?;
        if !path.text()?.starts_with('/') {
            return Err(path.error("must be absolute"));
        }
        return Ok(Volume::Host { path: path.text()?.to_owned(), kind: host_path(&host)? });
    }
    if let Some(claim) = field.get("persistentVolumeClaim") {
        claim.only(&["claimName", "readOnly"], &[])?;
        let name = claim.need("claimName")?.text()?.to_owned();
        return Ok(Volume::Claim { name, readonly: claim.get_switch("readOnly")? });
    }
    let mut files = FileSet::default();
    for kind in ["configMap", "secret"] {
        if let Some(source) = field.get(kind) {
            add_files(&source, kind, manifest, mode(&source, "defaultMode", 0o644)?, &mut files)?;
            return Ok(Volume::Files(files));
        }
    }
    if let Some(projected) = field.get("projected") {
        let default = mode(&projected, "defaultMode", 0o644)?;
        for source in projected.get_list("sources")? {
            source.only(&["configMap", "secret"], &[])?;
            for (kind, source) in source.entries()? {
                add_files(&source, kind, manifest, default, &mut files)?;
            }
        }
        return Ok(Volume::Files(files));
    }
    Err(field.error("says no kind of volume"))
}

fn host_path(field: &Field<'_>) -> Result<HostPath> {
    let Some(kind) = field.get("type") else { return Ok(HostPath::Unset) };
    Ok(match kind.text()? {
        "" => HostPath::Unset,
        "DirectoryOrCreate" => HostPath::DirectoryOrCreate,
        "Directory" => HostPath::Directory,
        "FileOrCreate" => HostPath::FileOrCreate,
        "File" => HostPath::File,
        "Socket" => HostPath::Socket,
        "CharDevice" => HostPath::CharDevice,
        "BlockDevice" => HostPath::BlockDevice,
        other => return Err(kind.error(format!("{other:?} is no type of a host's path"))),
    })
}

fn mode(field: &Field<'_>, name: &str, default: u32) -> Result<u32> {
    let Some(field) = field.get(name) else { return Ok(default) };
    let mode: u32 = field.number(0)?;
    match mode <= 0o777 {
        true => Ok(mode),
        false => Err(field.error("must be between 0 and 0777")),
    }
}

fn add_files(
    source: &Field<'_>,
    kind: &str,
    manifest: &Manifest,
    default: u32,
    files: &mut FileSet,
) -> Result<()> {
    source.only(&["name", "secretName", "items", "optional", "defaultMode"], &[])?;
    let name = match source.get("secretName") {
        Some(name) if kind == "secret" => name,
        _ => source.need("name")?,
    };
    let objects = if kind == "secret" { &manifest.secrets } else { &manifest.config_maps };
    let Some(data) = objects.get(name.text()?) else {
        return match source.get_switch("optional")? {
            true => Ok(()),
            false => Err(name.error(format!(
                "there is no {kind} {:?} in the files given (see --configmap)",
                name.text()?
            ))),
        };
    };
    let items = source.get_list("items")?;
    if items.is_empty() {
        let all = data.iter().map(|(key, value)| (key.clone(), value.clone(), default));
        files.files.extend(all);
    }
    for item in items {
        item.only(&["key", "path", "mode"], &[])?;
        let path = item.need("path")?;
        if !is_plain(path.text()?) {
            return Err(path.error("must stay within the volume"));
        }
        let value = value_of(data, &item.need("key")?)?;
        let mode = mode(&item, "mode", default)?;
        files.files.push((path.text()?.to_owned(), value, mode));
    }
    Ok(())
}

fn value_of(data: &Data, key: &Field<'_>) -> Result<Vec<u8>> {
    let value = data.get(key.text()?);
    value
        .cloned()
        .ok_or_else(|| key.error(format!("there is no key {:?}", key.text().unwrap_or_default())))
}

/// Relative, and of parts that lead nowhere else.
pub(super) fn is_plain(path: &str) -> bool {
    !path.is_empty()
        && !path.starts_with('/')
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

/// The mounts of a container.
pub(super) fn mounts(
    container: &Field<'_>,
    volumes: &BTreeMap<String, Volume>,
) -> Result<Vec<MountPlan>> {
    let mut mounts = Vec::new();
    for field in container.get_list("volumeMounts")? {
        let known =
            ["name", "mountPath", "readOnly", "subPath", "mountPropagation", "recursiveReadOnly"];
        field.only(&known, &[])?;
        let (name, path) = (field.need("name")?, field.need("mountPath")?);
        let Some(volume) = volumes.get(name.text()?) else {
            return Err(name.error(format!("the pod has no volume {:?}", name.text()?)));
        };
        if !path.text()?.starts_with('/') {
            return Err(path.error("must be absolute"));
        }
        let subpath = field.get("subPath");
        if let Some(part) = &subpath
            && !is_plain(part.text()?)
        {
            return Err(part.error("must stay within the volume"));
        }
        let fixed = matches!(volume, Volume::Files(_) | Volume::Claim { readonly: true, .. });
        mounts.push(MountPlan {
            destination: path.text()?.to_owned(),
            volume: name.text()?.to_owned(),
            readonly: fixed || field.get_switch("readOnly")?,
            subpath: subpath.map(|field| field.text().map(str::to_owned)).transpose()?,
        });
    }
    Ok(mounts)
}

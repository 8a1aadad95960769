//! The names of places: `docker://…`, `oci:DIR[:NAME]`, `dir:DIR`, … as skopeo writes them. A name
//! without a transport is an image of the local store.

use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::registry::{Choices, client};
use std::path::{Path, PathBuf};
use teu_images::transfer::{
    ArchiveKind, ArchiveSink, Daemon, DaemonSink, DirectorySink, DirectorySource, LayoutSink,
    Progress, RegistrySink, RegistrySource, Sink, Source,
};
use teu_images::{ArchiveSource, StoreSink, StoreSource};
use teu_oci::{Platform, Reference};

/// Where an image is, or shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A registry.
    Registry(Reference),
    /// The local store.
    Store(String),
    /// A layout in a directory.
    Layout(PathBuf, Option<String>),
    /// A layout in a tar.
    OciArchive(PathBuf, Option<String>),
    /// Docker's archive.
    DockerArchive(PathBuf, Option<String>),
    /// skopeo's directory.
    Directory(PathBuf),
    /// A running dockerd.
    Daemon(String),
}

impl Place {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self> {
        let Some((transport, rest)) = text.split_once(':') else {
            return Ok(Self::Store(text.to_owned()));
        };
        let path = || -> Result<(PathBuf, Option<String>)> {
            // A name may hold colons, the path may not.
            let (path, name) = match rest.split_once(':') {
                Some((path, name)) => (path, Some(name.to_owned()).filter(|n| !n.is_empty())),
                None => (rest, None),
            };
            match path.is_empty() {
                true => Err(Failure::new(format!("{text:?} names no path"))),
                false => Ok((PathBuf::from(path), name)),
            }
        };
        match transport {
            "docker" => match rest.strip_prefix("//") {
                Some(name) => Ok(Self::Registry(name.parse()?)),
                None => Err(Failure::new(format!("{text:?} is no registry"))
                    .hint("docker://HOST/REPOSITORY[:TAG|@DIGEST]")),
            },
            "oci" => path().map(|(path, name)| Self::Layout(path, name)),
            "oci-archive" => path().map(|(path, name)| Self::OciArchive(path, name)),
            "docker-archive" => path().map(|(path, name)| Self::DockerArchive(path, name)),
            "dir" if !rest.is_empty() => Ok(Self::Directory(PathBuf::from(rest))),
            "docker-daemon" => Ok(Self::Daemon(rest.to_owned())),
            "teu" | "store" => Ok(Self::Store(rest.to_owned())),
            "containers-storage" | "atomic" | "ostree" | "sif" | "tarball" => Err(Failure::new(
                format!("the transport {transport}: is not supported"),
            )
            .hint(
                "docker://, oci:, oci-archive:, docker-archive:, dir:, docker-daemon:, or a name",
            )),
            _ => Ok(Self::Store(text.to_owned())),
        }
    }

    /// As a person wrote it, without a password.
    pub fn name(&self) -> String {
        let named = |transport: &str, path: &Path, name: &Option<String>| {
            let name = name.as_ref().map(|name| format!(":{name}")).unwrap_or_default();
            format!("{transport}:{}{name}", path.display())
        };
        match self {
            Self::Registry(name) => format!("docker://{name}"),
            Self::Store(name) => name.clone(),
            Self::Layout(path, name) => named("oci", path, name),
            Self::OciArchive(path, name) => named("oci-archive", path, name),
            Self::DockerArchive(path, name) => named("docker-archive", path, name),
            Self::Directory(path) => format!("dir:{}", path.display()),
            Self::Daemon(name) => format!("docker-daemon:{name}"),
        }
    }

    /// Opens it for reading.
    pub fn source<'a>(
        &self,
        ctx: &'a Context,
        choices: &Choices,
        platform: Option<&Platform>,
    ) -> Result<Box<dyn Source + 'a>> {
        let store = ctx.images()?;
        Ok(match self {
            Self::Registry(name) => Box::new(RegistrySource::new(&client(choices)?, name, false)),
            Self::Store(name) => Box::new(StoreSource::new(store, name, platform)?),
            Self::Layout(path, name)
            | Self::OciArchive(path, name)
            | Self::DockerArchive(path, name) => {
                Box::new(ArchiveSource::open(store, path, name.as_deref())?)
            }
            Self::Directory(path) => Box::new(DirectorySource::new(path)),
            Self::Daemon(name) => Box::new(daemon().source(store, name)?),
        })
    }

    /// Opens it for writing; nothing is made there yet.
    pub fn sink<'a>(
        &self,
        ctx: &'a Context,
        choices: &Choices,
        progress: &'a dyn Progress,
    ) -> Result<Box<dyn Sink + 'a>> {
        let store = ctx.images()?;
        Ok(match self {
            Self::Registry(name) => {
                if let (Some(_), Some(digest)) = (&name.tag, &name.digest) {
                    return Err(Failure::new(format!(
                        "{digest}: a copy goes to a tag or a digest"
                    )));
                }
                Box::new(RegistrySink::new(&client(choices)?, name)?)
            }
            Self::Store(name) => {
                let name: Reference = name.parse()?;
                if name.digest.is_some() {
                    return Err(Failure::new("a copy in the local store is named by a tag"));
                }
                Box::new(StoreSink::new(store, vec![name], progress).with_artifacts())
            }
            Self::Layout(path, name) => Box::new(LayoutSink::new(path, name.as_deref())),
            Self::OciArchive(path, name) => {
                Box::new(ArchiveSink::new(ArchiveKind::Oci, path, name.as_deref())?)
            }
            Self::DockerArchive(path, name) => {
                Box::new(ArchiveSink::new(ArchiveKind::Docker, path, name.as_deref())?)
            }
            Self::Directory(path) => Box::new(DirectorySink::new(path)?),
            Self::Daemon(name) => Box::new(DaemonSink::new(&daemon(), store, &name.parse()?)?),
        })
    }
}

/// The daemon that `DOCKER_HOST` names, or the usual one.
fn daemon() -> Daemon {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    let socket = host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock");
    Daemon::new(Path::new(socket))
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn places() {
        for (text, expected) in [
            ("docker://localhost:5000/x", Some("docker://localhost:5000/x:latest")),
            ("docker://x@sha256:1", None),
            ("docker:x", None),
            ("oci:/a/b:busybox:latest", Some("oci:/a/b:busybox:latest")),
            ("oci:/a/b", Some("oci:/a/b")),
            ("oci-archive:x.tar", Some("oci-archive:x.tar")),
            ("docker-archive:x.tar:a:1", Some("docker-archive:x.tar:a:1")),
            ("dir:/x", Some("dir:/x")),
            ("docker-daemon:a:1", Some("docker-daemon:a:1")),
            ("containers-storage:a", None),
            ("localhost:5000/x:1", Some("localhost:5000/x:1")),
            ("busybox", Some("busybox")),
            ("store:busybox:1", Some("busybox:1")),
            ("oci::x", None),
        ] {
            let found = Place::parse(text).ok().map(|place| place.name());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}

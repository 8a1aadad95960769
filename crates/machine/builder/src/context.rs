//! What the request says about files, opened: the context, its `.dockerignore`, the Dockerfile.

use crate::error::{Error, RequestProblem};
use crate::ignore::Ignore;
use crate::overlay::HANDLE;
use crate::request::{BuildRequest, ContextSource, DockerfileSource};
use crate::tree::stat::StatCache;
use crate::tree::{Owner, Tree};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

const DOCKERFILE_LIMIT_BYTES: u64 = crate::dockerfile::FILE_LIMIT_BYTES as u64 + 1;

/// The context and the Dockerfile's bytes.
#[derive(Debug)]
pub struct Opened {
    /// Files; none for a Dockerfile alone.
    pub tree: Option<Arc<Tree>>,
    /// What errors call the Dockerfile.
    pub name: String,
    /// Its bytes.
    pub text: Vec<u8>,
}

/// Which `.dockerignore` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignoring {
    /// That beside the Dockerfile, or that of the directory, wherever links lead.
    Directory,
    /// That of the directory; links are followed within it.
    Within,
    /// None: it has been applied.
    Nothing,
}

impl Ignoring {
    /// What counts in directories that the caller names.
    pub fn of(request: &BuildRequest) -> Self {
        if request.contexts_are_filtered { Self::Nothing } else { Self::Directory }
    }
}

/// Opens what is asked for; `scratch` is an empty directory for streamed contexts.
pub fn open(request: &mut BuildRequest, state: &Path, scratch: &Path) -> Result<Opened, Error> {
    let mut ignoring = Ignoring::of(request);
    let mut unpacked = |stream| -> Result<_, Error> {
        ignoring = Ignoring::Within;
        Ok(match unpack(stream, scratch)? {
            Stream::Tar => (Some(scratch.to_owned()), None),
            Stream::Dockerfile(text) => (None, Some(text)),
        })
    };
    let (root, streamed) = match std::mem::take(&mut request.context) {
        ContextSource::Empty => (None, None),
        ContextSource::Directory(path) => (Some(path), None),
        ContextSource::Archive(path) => {
            let file = std::fs::File::open(&path);
            unpacked(Box::new(file.map_err(|source| Error::io("open", &path, source))?))?
        }
        ContextSource::Stream(stream) => unpacked(stream)?,
    };
    let root_path = root.as_deref();
    let (file, text) = match (streamed, &request.dockerfile) {
        (Some(text), DockerfileSource::Default | DockerfileSource::Within(_)) => (None, text),
        (_, DockerfileSource::Bytes(text)) => (None, text.clone()),
        (_, DockerfileSource::Named { name, text }) => (Some(PathBuf::from(name)), text.clone()),
        (_, DockerfileSource::Default) => read(root_path, Path::new("Dockerfile"), true)?,
        (_, DockerfileSource::Path(path)) => read(root_path, path, false)?,
        (_, DockerfileSource::Within(path)) => read_within(root_path, path)?,
    };
    let name = file
        .as_deref()
        .and_then(Path::file_name)
        .map_or_else(|| "Dockerfile".to_owned(), |name| name.to_string_lossy().into_owned());
    let tree = match root_path {
        Some(root) => {
            Some(Arc::new(local(root, "build context", file.as_deref(), (ignoring, state))?))
        }
        None => None,
    };
    Ok(Opened { tree, name, text })
}

/// Opens a directory of the host as a source of files.
pub fn local(
    root: &Path,
    name: &str,
    dockerfile: Option<&Path>,
    (ignoring, state): (Ignoring, &Path),
) -> Result<Tree, Error> {
    let handle =
        rustix::fs::openat(CWD, root, HANDLE, Mode::empty()).map_err(|errno| match errno {
            rustix::io::Errno::NOTDIR => Error::NotDirectory(root.to_owned()),
            errno => Error::io("open the context", root, errno),
        })?;
    let ignore = match ignoring {
        Ignoring::Nothing => None,
        Ignoring::Directory => ignore_file(root, dockerfile)?,
        Ignoring::Within => ignore_within(&handle, root, dockerfile)?,
    };
    let id = teu_oci::Digest::sha256(root.as_os_str().as_encoded_bytes());
    let dir = state.join("stat");
    std::fs::create_dir_all(&dir).map_err(|source| Error::io("make", &dir, source))?;
    let cache = StatCache::open(&dir.join(&id.hex()[..32]), SystemTime::now());
    Ok(Tree {
        root: handle,
        name: name.to_owned(),
        ignore: ignore.filter(|ignore| !ignore.is_empty()).map(Arc::new),
        owner: Owner::Root,
        cache: Some(Arc::new(cache)),
    })
}

/// `<Dockerfile>.dockerignore` beside the Dockerfile, or `.dockerignore` at the context's root.
fn ignore_file(root: &Path, dockerfile: Option<&Path>) -> Result<Option<Ignore>, Error> {
    let beside = dockerfile.map(|file| {
        let mut name = file.as_os_str().to_owned();
        name.push(".dockerignore");
        PathBuf::from(name)
    });
    for path in beside.into_iter().chain([root.join(".dockerignore")]) {
        let limit = crate::ignore::FILE_LIMIT_BYTES as u64 + 1;
        let text = match limited(&path, limit) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => return Err(Error::io("read", &path, source)),
        };
        return Ignore::parse(&text).map(Some).map_err(|source| Error::Ignore { path, source });
    }
    Ok(None)
}

/// The same of a directory that was unpacked from somebody's archive.
fn ignore_within(
    handle: &OwnedFd,
    root: &Path,
    dockerfile: Option<&Path>,
) -> Result<Option<Ignore>, Error> {
    let beside = dockerfile.and_then(|file| file.strip_prefix(root).ok()).map(|file| {
        let mut name = file.as_os_str().to_owned();
        name.push(".dockerignore");
        PathBuf::from(name)
    });
    for path in beside.into_iter().chain([PathBuf::from(".dockerignore")]) {
        let limit = crate::ignore::FILE_LIMIT_BYTES as u64 + 1;
        let text = match within(handle, &path, limit) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => return Err(Error::io("read", &path, source)),
        };
        return Ignore::parse(&text).map(Some).map_err(|source| Error::Ignore { path, source });
    }
    Ok(None)
}

/// The Dockerfile in the context, links followed within it.
fn read_within(root: Option<&Path>, path: &Path) -> Result<(Option<PathBuf>, Vec<u8>), Error> {
    let missing = || Error::NoDockerfile { path: path.to_owned(), near: None };
    let root = root.ok_or_else(missing)?;
    let handle = rustix::fs::openat(CWD, root, HANDLE, Mode::empty())
        .map_err(|errno| Error::io("open the context", root, errno))?;
    match within(&handle, path, DOCKERFILE_LIMIT_BYTES) {
        Ok(text) => Ok((Some(root.join(path)), text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(missing()),
        Err(source) => Err(Error::io("read", path, source)),
    }
}

/// A file beneath a directory, as a container would see it.
fn within(root: &OwnedFd, path: &Path, limit_bytes: u64) -> std::io::Result<Vec<u8>> {
    let file = crate::beneath::open(root, path, rustix::fs::OFlags::RDONLY)?;
    let mut bytes = Vec::new();
    std::fs::File::from(file).take(limit_bytes).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The Dockerfile: on the host (as a shell would complete it), or in the context.
fn read(
    root: Option<&Path>,
    path: &Path,
    default: bool,
) -> Result<(Option<PathBuf>, Vec<u8>), Error> {
    let inside = root.map(|root| root.join(path));
    let places: Vec<PathBuf> = match (default, inside) {
        (true, inside) => inside.into_iter().collect(),
        (false, inside) => std::iter::once(path.to_owned()).chain(inside).collect(),
    };
    for place in &places {
        match limited(place, DOCKERFILE_LIMIT_BYTES) {
            Ok(text) => return Ok((Some(place.clone()), text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::io("read", place, source)),
        }
    }
    let place = places.last().cloned().unwrap_or_else(|| path.to_owned());
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let siblings =
        std::fs::read_dir(place.parent().unwrap_or_else(|| Path::new("."))).into_iter().flatten();
    let siblings: Vec<String> = siblings
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let near = crate::dockerfile::problem::suggest(&name, siblings.iter().map(String::as_str))
        .or_else(|| siblings.iter().find(|other| other.eq_ignore_ascii_case(&name)).cloned())
        .or_else(|| siblings.into_iter().find(|other| other == "Containerfile"));
    Err(Error::NoDockerfile { path: place, near })
}

fn limited(path: &Path, limit_bytes: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(limit_bytes).read_to_end(&mut bytes)?;
    Ok(bytes)
}

enum Stream {
    Tar,
    Dockerfile(Vec<u8>),
}

/// A stream is a tar if its first bytes say so; a text is a Dockerfile.
fn unpack(mut stream: Box<dyn Read + Send>, scratch: &Path) -> Result<Stream, Error> {
    const BLOCK_BYTES: u64 = 512;
    let mut head = Vec::new();
    let fail = |source| Error::io("read", "the context from standard input", source);
    stream.by_ref().take(BLOCK_BYTES).read_to_end(&mut head).map_err(fail)?;
    let compressed = [&[0x1f, 0x8b][..], &[0x28, 0xb5, 0x2f, 0xfd], b"BZh", b"\xfd7zXZ"];
    let is_compressed = compressed.iter().any(|magic| head.starts_with(magic));
    let is_tar =
        head.get(257..262) == Some(b"ustar") || head.len() == 512 && head.iter().all(|b| *b == 0);
    if !is_compressed && !is_tar {
        if head.contains(&0) {
            let problem = RequestProblem::Stream;
            return Err(Error::Request { flag: "context", problem });
        }
        stream.take(DOCKERFILE_LIMIT_BYTES).read_to_end(&mut head).map_err(fail)?;
        return Ok(Stream::Dockerfile(head));
    }
    let whole = std::io::Cursor::new(head).chain(stream);
    crate::archive::unpack(Box::new(whole), scratch).map_err(Error::Images)?;
    Ok(Stream::Tar)
}

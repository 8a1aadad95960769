//! `RUN --mount`: first what the key needs to know, then what the container gets.

use crate::copy::{Copier, Placement};
use crate::dockerfile::mount::{Mount, MountKind};
use crate::error::Cause;
use crate::ignore::Ignore;
use crate::key::Key;
use crate::mounts;
use crate::plan::Origin;
use crate::request::SecretSource;
use crate::solve::{At, Built, Solver};
use crate::stage::StageState;
use crate::step::{Bind, Source};
use crate::tree::{Tree, clamp};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::OFlags;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a secret, as in BuildKit.
const SECRET_LIMIT_BYTES: u64 = 500 << 10;
const SECRET_MODE: u32 = 0o400;

/// A mount and what its key needs.
pub struct Prepared {
    mount: Mount,
    /// Absolute.
    target: String,
    origin: Option<Origin>,
    /// Hash of the files that a bind shows.
    content: Option<String>,
}

impl Prepared {
    /// Everything the command could see of it. A cache's content and a secret's value are no
    /// inputs: the first may differ at any time, the second must leave no trace.
    pub fn key(&self, key: Key) -> Key {
        let mount = &self.mount;
        let number = |value: Option<u32>| value.map(u32::to_le_bytes);
        key.field("mount", mount.kind.name())
            .field("target", &self.target)
            .field("source", &mount.source)
            .field("readonly", [u8::from(mount.readonly)])
            .field("id", &mount.id)
            .field("sharing", format!("{:?}", mount.sharing))
            .field("required", [u8::from(mount.required)])
            .optional("mode", number(mount.mode))
            .optional("uid", number(mount.uid))
            .optional("gid", number(mount.gid))
            .optional("env", mount.env.as_deref())
            .optional("size", mount.size_bytes.map(u64::to_le_bytes))
            .optional("content", self.content.as_deref())
    }
}

impl Solver<'_> {
    pub(super) fn prepare(
        &self,
        state: &StageState,
        mount: Mount,
        at: &At<'_>,
    ) -> Result<Prepared, Cause> {
        let target = match (mount.target.as_str(), mount.kind) {
            ("", MountKind::Ssh) => "/run/buildkit/ssh_agent.0".to_owned(),
            ("", _) => String::new(),
            (target, _) => state.absolute(target),
        };
        if target == "/" {
            return Err(crate::dockerfile::problem::Problem::Mount(
                crate::dockerfile::mount::MountProblem::Root(mount.kind.name()),
            )
            .into());
        }
        let origin = match &mount.from {
            None => None,
            Some(from) => {
                Some(crate::plan::origin(self.file, at.index, from, &self.context_names())?)
            }
        };
        let content = match mount.kind {
            MountKind::Bind => Some(self.content_of(origin.as_ref(), &mount)?),
            // A new cache begins with these files.
            MountKind::Cache => origin.as_ref().and_then(|origin| self.origin_chain(origin)),
            _ => None,
        };
        Ok(Prepared { mount, target, origin, content })
    }

    fn mount_tree(&self, origin: Option<&Origin>, mount: &Mount) -> Result<Arc<Tree>, Cause> {
        match origin {
            None => self.context_tree(),
            Some(origin) => self.origin_tree(origin, mount.from.as_deref().unwrap_or_default()),
        }
    }

    /// Hash of what a bind shows; remembered for layers, which cannot change.
    fn content_of(&self, origin: Option<&Origin>, mount: &Mount) -> Result<String, Cause> {
        let memo = origin.and_then(|origin| self.origin_chain(origin)).map(|chain| {
            let name = Key::new("content").field("chain", chain).field("path", &mount.source).hex();
            self.environment.state.join("content").join(name)
        });
        if let Some(known) = memo.as_ref().and_then(|memo| std::fs::read_to_string(memo).ok()) {
            return Ok(known);
        }
        let tree = self.mount_tree(origin, mount)?;
        let selected = tree.scan(&clamp(&mount.source), &Ignore::default())?;
        let content = selected.key(Key::new("bind")).hex();
        if let Some(memo) = memo {
            crate::solve::memo::write(&memo, &content);
        }
        Ok(content)
    }

    /// Turns a mount into what the container gets.
    pub(super) fn take(
        &self,
        prepared: Prepared,
        binds: &mut Vec<Bind>,
        env: &mut Vec<String>,
        locks: &mut Vec<OwnedFd>,
    ) -> Result<(), Cause> {
        let Prepared { mount, target, origin, .. } = prepared;
        let directory = match mount.kind {
            MountKind::Bind => {
                let tree = self.mount_tree(origin.as_ref(), &mount)?;
                let flags = OFlags::PATH | OFlags::DIRECTORY;
                crate::beneath::open(&tree.root, &clamp(&mount.source), flags).is_ok()
            }
            _ => true,
        };
        let source = match mount.kind {
            MountKind::Tmpfs => Source::Tmpfs(mount.size_bytes),
            MountKind::Bind => self.bind(origin.as_ref(), &mount)?,
            MountKind::Cache => self.cache(origin.as_ref(), &mount, locks)?,
            MountKind::Secret => return self.secret(&mount, target, binds, env),
            MountKind::Ssh => return self.ssh(&mount, target, binds, env),
        };
        let readonly = mount.readonly && mount.kind != MountKind::Tmpfs;
        binds.push(Bind { target, readonly, directory, source });
        Ok(())
    }

    fn bind(&self, origin: Option<&Origin>, mount: &Mount) -> Result<Source, Cause> {
        let built = match origin {
            Some(Origin::Stage(index)) => self.stage(*index).map_err(|_| Cause::Canceled)?,
            Some(Origin::Image(image)) => self.image(image)?,
            _ => return self.bind_context(origin, mount),
        };
        self.view(&built, mount)
    }

    fn view(&self, built: &Built, mount: &Mount) -> Result<Source, Cause> {
        let lower = self.lower(&built.state, built.base.as_ref())?;
        let changes = if mount.readonly {
            None
        } else {
            let scratch = self.session.scratch(lower.first().map(PathBuf::as_path), 0)?;
            Some((scratch.upper, scratch.work))
        };
        let at = self.session.directory("view")?;
        let path = clamp(&mount.source).to_string_lossy().into_owned();
        Ok(Source::View { lower, path, at, changes })
    }

    /// Files of the host are shown as a copy: without what is ignored, owned by root as `COPY` has
    /// them, and nothing that a step does reaches them.
    fn bind_context(&self, origin: Option<&Origin>, mount: &Mount) -> Result<Source, Cause> {
        let tree = self.mount_tree(origin, mount)?;
        let selected = tree.scan(&clamp(&mount.source), &Ignore::default())?;
        let dir = self.session.directory("context")?;
        let root = std::fs::File::open(&dir).map_err(|source| Cause::io("open", &dir, source))?;
        let placement = Placement { owner: None, mode: None, new_mtime: 0 };
        let mut copier = Copier::new(root.as_fd(), &placement);
        if selected.directory {
            std::fs::create_dir(dir.join("files"))
                .map_err(|source| Cause::io("make", &dir, source))?;
            copier.content(&selected, Path::new("/files"))?;
        } else {
            copier.file(&selected, Path::new("/"), "files".as_ref())?;
        }
        Ok(Source::Within(dir.join("files"), String::new()))
    }

    fn cache(
        &self,
        origin: Option<&Origin>,
        mount: &Mount,
        locks: &mut Vec<OwnedFd>,
    ) -> Result<Source, Cause> {
        let used = mounts::take(self.environment.state, &mount.id, mount.sharing)?;
        if used.new {
            let (mode, owner) =
                (mount.mode.unwrap_or(0o755), (mount.uid.unwrap_or(0), mount.gid.unwrap_or(0)));
            let root = std::fs::File::open(&used.path)
                .map_err(|source| Cause::io("open", &used.path, source))?;
            let fail = |errno| Cause::io("prepare", &used.path, errno);
            if let Some(origin) = origin {
                let tree = self.origin_tree(origin, mount.from.as_deref().unwrap_or_default())?;
                let selected = tree.scan(&clamp(&mount.source), &Ignore::default())?;
                let placement = Placement { owner: None, mode: None, new_mtime: 0 };
                Copier::new(root.as_fd(), &placement).content(&selected, Path::new("/"))?;
            }
            crate::beneath::chown(&root, owner).map_err(fail)?;
            rustix::fs::fchmod(&root, rustix::fs::Mode::from_raw_mode(mode)).map_err(fail)?;
        }
        locks.push(used.lock);
        let path = if origin.is_some() {
            String::new()
        } else {
            clamp(&mount.source).to_string_lossy().into_owned()
        };
        Ok(Source::Within(used.path, path))
    }

    fn secret(
        &self,
        mount: &Mount,
        target: String,
        binds: &mut Vec<Bind>,
        env: &mut Vec<String>,
    ) -> Result<(), Cause> {
        let Some(content) = self.secret_value(&mount.id)? else {
            return missing("secret", mount);
        };
        if content.len() as u64 > SECRET_LIMIT_BYTES {
            return Err(Cause::Limit { what: "bytes in a secret", limit: SECRET_LIMIT_BYTES });
        }
        if let Some(name) = &mount.env {
            let value = String::from_utf8_lossy(&content);
            env.push(format!("{name}={value}"));
        }
        if !target.is_empty() {
            let at = self.session.directory("secret")?;
            let access =
                (mount.mode.unwrap_or(SECRET_MODE), mount.uid.unwrap_or(0), mount.gid.unwrap_or(0));
            let source = Source::Secret { content, at, access };
            binds.push(Bind { target, readonly: true, directory: false, source });
        }
        Ok(())
    }

    /// A secret of the request, or else of the vault.
    fn secret_value(&self, id: &str) -> Result<Option<Vec<u8>>, Cause> {
        let Some(secret) = self.request.secrets.iter().find(|secret| secret.id == id) else {
            let fail = |source| Cause::Vault { kind: "secret", id: id.to_owned(), source };
            return self.environment.vault.map_or(Ok(None), |vault| vault.secret(id)).map_err(fail);
        };
        match &secret.source {
            SecretSource::Value(value) => Ok(Some(value.clone())),
            SecretSource::File(path) => {
                let fail = |source| Cause::io("read the secret", path, source);
                let file = std::fs::File::open(path).map_err(fail)?;
                let mut content = Vec::new();
                file.take(SECRET_LIMIT_BYTES + 1).read_to_end(&mut content).map_err(fail)?;
                Ok(Some(content))
            }
        }
    }

    /// The socket of an agent of the request, or else of the vault.
    fn agent(&self, id: &str) -> Result<Option<PathBuf>, Cause> {
        if let Some(agent) = self.request.ssh.iter().find(|agent| agent.id == id) {
            return Ok(Some(agent.socket.clone()));
        }
        let fail = |source| Cause::Vault { kind: "ssh", id: id.to_owned(), source };
        self.environment.vault.map_or(Ok(None), |vault| vault.agent(id)).map_err(fail)
    }

    fn ssh(
        &self,
        mount: &Mount,
        target: String,
        binds: &mut Vec<Bind>,
        env: &mut Vec<String>,
    ) -> Result<(), Cause> {
        let Some(socket) = self.agent(&mount.id)? else {
            return missing("ssh", mount);
        };
        if !std::fs::metadata(&socket).is_ok_and(|meta| meta.file_type().is_socket()) {
            let errno = rustix::io::Errno::NOTSOCK;
            return Err(Cause::io("use as an agent's socket", &socket, errno));
        }
        if !env.iter().any(|variable| variable.starts_with("SSH_AUTH_SOCK=")) {
            env.push(format!("SSH_AUTH_SOCK={target}"));
        }
        let source = Source::Within(socket, String::new());
        binds.push(Bind { target, readonly: false, directory: false, source });
        Ok(())
    }
}

/// What was not given is an error only where it is required.
fn missing(kind: &'static str, mount: &Mount) -> Result<(), Cause> {
    if mount.required {
        return Err(Cause::NotGiven { kind, id: mount.id.clone() });
    }
    Ok(())
}

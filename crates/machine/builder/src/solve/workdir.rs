//! `WORKDIR`: a directory that is there has no layer; one that is not is made.

use super::{At, Ending, Made, Solver};
use crate::beneath::{self, NewDirectory};
use crate::error::Cause;
use crate::key::Key;
use crate::overlay;
use crate::stage::StageState;
use rustix::fs::OFlags;
use std::path::Path;

impl Solver<'_> {
    pub(super) fn workdir(
        &self,
        state: &mut StageState,
        path: &str,
        at: &At<'_>,
    ) -> Result<Ending, Cause> {
        let description = format!("WORKDIR {path}");
        let user = state.image.config.user.clone();
        let key = Key::new("workdir")
            .optional("chain", state.chain.as_ref().map(ToString::to_string))
            .optional("epoch", self.epoch.map(i64::to_le_bytes))
            .field("path", path)
            .field("user", &user)
            .hex();
        // Whether there is a layer is as much of the answer as which.
        let exists = format!("{key}-exists");
        if path == "/" || (self.remembered(&exists) && !self.request.no_cache) {
            state.note(description);
            return Ok(Ending::Cached);
        }
        let known = self.records.get(&key).is_some();
        if !known || self.request.no_cache {
            let lower = self.lower(state, at.base)?;
            let empty = self.session.directory("empty")?;
            let view = overlay::readable(&lower, &empty)?;
            if beneath::open(&view, Path::new(path), OFlags::PATH | OFlags::DIRECTORY).is_ok() {
                self.remember(&exists);
                state.note(description);
                return Ok(Ending::Done);
            }
        }
        let (chain_time, base) = (state.base_time, at.base);
        let snapshot = state.clone();
        self.layer(state, at, &key, description, || {
            let lower = self.lower(&snapshot, base)?;
            let scratch = self.session.scratch(lower.first().map(|p| p.as_path()), chain_time)?;
            let root = overlay::writable(&lower, &scratch.upper, &scratch.work)?;
            let owner = match user.as_str() {
                "" => (0, 0),
                user => owner_of(&root, user)?,
            };
            let new = NewDirectory { mode: 0o755, owner, mtime: chain_time };
            beneath::make_directories(&root, Path::new(path), new).map_err(|errno| {
                Cause::Target {
                    verb: "make directory",
                    path: path.to_owned(),
                    source: errno.into(),
                }
            })?;
            Ok(Made { scratch, trusted: true })
        })
    }

    fn remembered(&self, key: &str) -> bool {
        self.environment.state.join("exists").join(key).exists()
    }

    fn remember(&self, key: &str) {
        let dir = self.environment.state.join("exists");
        let _ = std::fs::create_dir_all(&dir);
        let _ = std::fs::write(dir.join(key), b"");
    }
}

/// The numbers of the image's user, with its own group.
pub(super) fn owner_of(root: &rustix::fd::OwnedFd, user: &str) -> Result<(u32, u32), Cause> {
    teu_runtime::users::resolve(root, user, &[])
        .map(|user| (user.uid, user.gid))
        .map_err(|error| Cause::User(error.to_string().into()))
}

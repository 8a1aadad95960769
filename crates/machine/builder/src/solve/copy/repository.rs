//! `ADD https://…/x.git`: fetched before the key is known, because the key is its commit.

use crate::beneath;
use crate::dockerfile::instruction::Copy;
use crate::error::Cause;
use crate::git::{self, Address, GitProblem};
use crate::ignore::Ignore;
use crate::progress::Event;
use crate::solve::{At, Solver};
use crate::tree::{Owner, Selected, Tree};
use rustix::fs::OFlags;
use std::path::Path;

/// Files of a commit.
pub struct Repository {
    /// What is put.
    pub selected: Selected,
    /// The commit's hash.
    pub commit: String,
    /// Directory of it.
    pub directory: String,
}

impl Solver<'_> {
    pub(super) fn repository(
        &self,
        source: &str,
        copy: &Copy,
        exclude: &Ignore,
        at: &At<'_>,
    ) -> Result<Repository, Cause> {
        let failed = |problem| match problem {
            GitProblem::Canceled => Cause::Canceled,
            problem => Cause::Git { url: git::shown(source), problem },
        };
        let address = Address::parse(source).map_err(failed)?;
        if self.environment.outside.is_none() {
            let problem = crate::fetch::FetchProblem::NoWayOut;
            return Err(Cause::Fetch { url: source.to_owned(), problem });
        }
        let place = self.session.directory("git")?;
        let fetched = git::fetch(&address, &place, copy.keep_git_dir, &self.cancel);
        let fetched = fetched.map_err(failed)?;
        if let Some(expected) = copy.checksum.as_ref().filter(|sum| **sum != fetched.commit) {
            let (found, expected) = (fetched.commit, expected.clone());
            return Err(Cause::Checksum { url: git::shown(source), found, expected });
        }
        self.tell(Event::Note { step: at.id, text: format!("commit {}", fetched.commit) });
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let files =
            rustix::fs::open(&fetched.files, flags | OFlags::CLOEXEC, rustix::fs::Mode::empty())
                .map_err(|errno| Cause::io("open", &fetched.files, errno))?;
        let directory = Path::new(&address.directory);
        let root = beneath::open(&files, directory, flags).map_err(|errno| Cause::Source {
            verb: "open",
            path: address.directory.clone(),
            place: address.url.clone(),
            source: errno.into(),
        })?;
        let tree =
            Tree { root, name: address.url.clone(), ignore: None, owner: Owner::Root, cache: None };
        let selected = tree.scan(Path::new(""), exclude)?;
        Ok(Repository { selected, commit: fetched.commit, directory: address.directory })
    }
}

//! `ADD https://…/x.git`: the files of a commit, fetched by the real `git`.
//!
//! Why not a library: what a repository on a server is, is what `git` says it is. The program runs
//! with no configuration but what is given here: no hooks, no helpers, no prompts, no credentials, no
//! protocol but those of [`PROTOCOLS`], in a directory of the build's own. What it leaves is read like
//! any context, beneath a descriptor. Modes and times are made those of the commit, so that the same
//! commit gives the same layer.

use crate::solve::cancel::Cancel;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Ways to a repository, as `GIT_ALLOW_PROTOCOL` lists them. No `ssh`, whose keys are the user's; no
/// `file` or `ext`, which read and run what is here.
const PROTOCOLS: &str = "https:http:git";
/// Where `git` and its parts are.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Bytes of one file that it may write, packs included.
const FILE_LIMIT_BYTES: u64 = 16 << 30;
/// Bytes of its output that are kept.
const OUTPUT_LIMIT_BYTES: usize = 64 << 10;
/// Characters of a name of a branch, tag or commit.
const REFERENCE_LIMIT: usize = 255;

/// What is said on every call: nothing of the repository's choosing is run.
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.autocrlf=false",
    "credential.helper=",
    "advice.detachedHead=false",
    "gc.auto=0",
    "maintenance.auto=false",
];

/// Why there are no files of a repository.
#[derive(Debug, thiserror::Error)]
pub enum GitProblem {
    /// Not one of [`PROTOCOLS`].
    #[error(
        "git repositories are fetched over https, http and git only: use https://, or clone it into the context"
    )]
    Protocol,
    /// No name of a branch, tag or commit.
    #[error("{0:?} is no name of a branch, tag or commit: write the source as URL#REF:DIRECTORY")]
    Reference(String),
    /// It is not installed.
    #[error(
        "there is no git program on this machine: install it, or clone the repository into the context"
    )]
    NoProgram,
    /// It said no.
    #[error("git {verb}: {said}")]
    Failed {
        /// What it was asked.
        verb: String,
        /// Its last lines.
        said: String,
    },
    /// The build was given up.
    #[error("canceled")]
    Canceled,
    /// Around it.
    #[error("cannot {verb} {path}: {source}")]
    Io {
        /// What failed.
        verb: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A source: `URL[#REF[:DIRECTORY]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Without what follows `#`, and without who asks: it may become part of the image.
    pub url: String,
    /// `USER[:PASSWORD]`, where the source names one.
    pub login: Option<String>,
    /// Branch, tag, full ref or commit; the server's default when empty.
    pub reference: String,
    /// Directory of the repository; all of it when empty.
    pub directory: String,
}

/// The files of a commit.
#[derive(Debug)]
pub struct Checkout {
    /// Its hash.
    pub commit: String,
    /// Where they lie.
    pub files: PathBuf,
}

/// Says whether a source of `ADD` is a repository: by its protocol, or by a path that ends with `.git`.
pub fn is_git(source: &str) -> bool {
    let by_name = || {
        let rest = source.strip_prefix("https://").or_else(|| source.strip_prefix("http://"));
        rest.is_some_and(|rest| rest.split(['#', '?']).next().is_some_and(|p| p.ends_with(".git")))
    };
    ["git://", "ssh://", "git@"].iter().any(|start| source.starts_with(start)) || by_name()
}

impl Address {
    /// Reads a source that [`is_git`].
    pub fn parse(source: &str) -> Result<Self, GitProblem> {
        let (url, fragment) = source.split_once('#').unwrap_or((source, ""));
        if !["https://", "http://", "git://"].iter().any(|start| url.starts_with(start)) {
            return Err(GitProblem::Protocol);
        }
        if url.contains(|c: char| c.is_whitespace() || c.is_control()) || url.contains('?') {
            return Err(GitProblem::Reference(url.to_owned()));
        }
        let (url, login) = without_login(url);
        let (reference, directory) = fragment.split_once(':').unwrap_or((fragment, ""));
        let odd = |c: char| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(c);
        let fits = reference.len() <= REFERENCE_LIMIT
            && !reference.starts_with(['-', '+', '/'])
            && !reference.contains(odd)
            && !reference.contains("..")
            && !reference.contains("@{");
        match fits {
            true => Ok(Self {
                url,
                login: login.map(str::to_owned),
                reference: reference.to_owned(),
                directory: directory.to_owned(),
            }),
            false => Err(GitProblem::Reference(reference.to_owned())),
        }
    }
}

/// A URL without its `USER:PASSWORD@`, and that.
fn without_login(url: &str) -> (String, Option<&str>) {
    let plain = || (url.to_owned(), None);
    let Some((scheme, rest)) = url.split_once("://") else { return plain() };
    let (authority, path) = rest.split_at(rest.find(['/', '#', '?']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((login, host)) => (format!("{scheme}://{host}{path}"), Some(login)),
        None => plain(),
    }
}

/// A source as histories and errors show it, which others read.
pub fn shown(source: &str) -> String {
    without_login(source).0
}

/// Fetches a repository into an empty directory. `keep` leaves `.git` in it.
pub fn fetch(
    address: &Address,
    at: &Path,
    keep: bool,
    cancel: &Cancel,
) -> Result<Checkout, GitProblem> {
    let files = at.join("files");
    let git = Git { home: at, files: &files, address, cancel };
    fs::create_dir(&files).map_err(failed("make", &files))?;
    git.run(&["init", "-q", "--template="])?;
    // What relative paths of modules are relative to.
    git.run(&["config", "remote.origin.url", &address.url])?;
    let commit = git.commit(address)?;
    git.run(&["checkout", "-q", "-f", "--detach", &commit])?;
    if files.join(".gitmodules").symlink_metadata().is_ok_and(|meta| meta.is_file()) {
        git.run(&["submodule", "-q", "update", "--init", "--recursive"])?;
    }
    let time = git.run(&["show", "-s", "--format=%ct", &commit])?.trim().parse().unwrap_or(0);
    if !keep {
        let own = files.join(".git");
        fs::remove_dir_all(&own).map_err(failed("remove", &own))?;
    }
    plain(&files, time, keep)?;
    Ok(Checkout { commit, files })
}

struct Git<'a> {
    /// Where it looks for a user's settings, and finds none.
    home: &'a Path,
    files: &'a Path,
    address: &'a Address,
    cancel: &'a Cancel,
}

impl Git<'_> {
    /// The commit, and it alone if the server can do that; else all there is, to look for it.
    fn commit(&self, address: &Address) -> Result<String, GitProblem> {
        let url = address.url.as_str();
        let wanted = match address.reference.as_str() {
            "" => "HEAD",
            reference => reference,
        };
        let alone = self.run(&["fetch", "-q", "--no-tags", "--depth=1", "--", url, wanted]);
        let first = match alone {
            Ok(_) => return self.hash("FETCH_HEAD"),
            Err(GitProblem::Failed { verb, said }) => GitProblem::Failed { verb, said },
            Err(other) => return Err(other),
        };
        let all = ["fetch", "-q", "--no-tags", "--", url, "+refs/*:refs/all/*", "HEAD"];
        if self.run(&all).is_err() {
            return Err(first);
        }
        let names = match wanted {
            "HEAD" => vec!["FETCH_HEAD".to_owned()],
            name => [name.strip_prefix("refs/").map(|rest| format!("refs/all/{rest}"))]
                .into_iter()
                .flatten()
                .chain(["tags", "heads"].map(|kind| format!("refs/all/{kind}/{name}")))
                .chain([name.to_owned()])
                .collect(),
        };
        let mut found = names.iter().map(|name| self.hash(name));
        match found.find(|found| !matches!(found, Err(GitProblem::Failed { .. }))) {
            Some(found) => found,
            None => Err(first),
        }
    }

    fn hash(&self, name: &str) -> Result<String, GitProblem> {
        let name = format!("{name}^{{commit}}");
        Ok(self.run(&["rev-parse", "-q", "--verify", "--end-of-options", &name])?.trim().to_owned())
    }

    /// Who asks that server, said where neither the repository's settings nor `ps` show it. Git's own
    /// protocol asks nobody who he is.
    fn login(&self) -> Vec<(&'static str, String)> {
        let Address { url, login: Some(login), .. } = self.address else { return Vec::new() };
        let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| *scheme != "git")
        else {
            return Vec::new();
        };
        let host = rest.split('/').next().unwrap_or_default();
        vec![
            ("GIT_CONFIG_COUNT", "1".to_owned()),
            ("GIT_CONFIG_KEY_0", format!("url.{scheme}://{login}@{host}/.insteadOf")),
            ("GIT_CONFIG_VALUE_0", format!("{scheme}://{host}/")),
        ]
    }

    /// Runs it to its end, or to the build's.
    fn run(&self, arguments: &[&str]) -> Result<String, GitProblem> {
        let mut command = Command::new("git");
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command
            .args(arguments)
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", self.home)
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_CEILING_DIRECTORIES", self.home)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ALLOW_PROTOCOL", PROTOCOLS)
            .env("GIT_LFS_SKIP_SMUDGE", "1")
            .envs(self.login())
            .current_dir(self.files)
            // Its helpers end with it.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => GitProblem::NoProgram,
            _ => failed("start", Path::new("git"))(error),
        })?;
        let heard = hear(&mut child, self.cancel);
        if self.cancel.is_raised() || heard.is_err() {
            let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            let _ = group.map(|group| kill_process_group(group, Signal::KILL));
        }
        let status = child.wait().map_err(failed("wait for", Path::new("git")))?;
        if self.cancel.is_raised() {
            return Err(GitProblem::Canceled);
        }
        let [said, complained] = heard.map_err(|e| failed("hear", Path::new("git"))(e.into()))?;
        match status.success() {
            true => Ok(text(&said)),
            false => Err(GitProblem::Failed {
                verb: arguments.first().copied().unwrap_or_default().to_owned(),
                said: last_lines(&text(&complained)),
            }),
        }
    }
}

/// What it says on both streams, the first of it; ends with it, or with the build.
fn hear(child: &mut Child, cancel: &Cancel) -> rustix::io::Result<[Vec<u8>; 2]> {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let limit = Rlimit { current: Some(FILE_LIMIT_BYTES), maximum: Some(FILE_LIMIT_BYTES) };
        // It may have ended already.
        let _ = prlimit(Some(pid), Resource::Fsize, limit);
    }
    let mut pipes = [
        child.stdout.take().map(|pipe| File::from(OwnedFd::from(pipe))),
        child.stderr.take().map(|pipe| File::from(OwnedFd::from(pipe))),
    ];
    let mut heard = [Vec::new(), Vec::new()];
    let mut buffer = vec![0; 16 << 10];
    while pipes.iter().any(Option::is_some) {
        let open: Vec<usize> = (0..2).filter(|index| pipes[*index].is_some()).collect();
        let mut waiting: Vec<PollFd<'_>> = pipes
            .iter()
            .flatten()
            .map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN))
            .chain([PollFd::from_borrowed_fd(cancel.descriptor(), PollFlags::IN)])
            .collect();
        match poll(&mut waiting, None) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        let ready: Vec<bool> = waiting.iter().map(|fd| !fd.revents().is_empty()).collect();
        if ready.last() == Some(&true) {
            break;
        }
        for (index, _) in open.iter().zip(&ready).filter(|(_, ready)| **ready) {
            let Some(pipe) = &mut pipes[*index] else { continue };
            match pipe.read(&mut buffer) {
                Ok(count) if count > 0 => {
                    let room = OUTPUT_LIMIT_BYTES.saturating_sub(heard[*index].len());
                    heard[*index].extend_from_slice(&buffer[..count.min(room)]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => pipes[*index] = None,
            }
        }
    }
    Ok(heard)
}

/// Gives everything the permissions that git knows of, and one time. Links are not followed. What
/// submodules have of git's own (no commit can have a file of that name) goes, unless it is kept.
fn plain(directory: &Path, time: i64, keep: bool) -> Result<(), GitProblem> {
    let mut all = vec![directory.to_owned()];
    let mut next = 0;
    while next < all.len() {
        let path = all[next].clone();
        next += 1;
        let meta = path.symlink_metadata().map_err(failed("look at", &path))?;
        if meta.is_symlink() {
            continue;
        }
        let mode =
            if meta.is_dir() || meta.permissions().mode() & 0o100 != 0 { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
            .map_err(failed("change", &path))?;
        if meta.is_dir() {
            for entry in fs::read_dir(&path).map_err(failed("list", &path))? {
                let entry = entry.map_err(failed("list", &path))?;
                if entry.file_name() == ".git" && !keep {
                    fs::remove_file(entry.path()).map_err(failed("remove", &entry.path()))?;
                    continue;
                }
                all.push(entry.path());
            }
        }
        if all.len() > crate::tree::ENTRY_LIMIT {
            let error = io::Error::other("it has too many files");
            return Err(failed("read", directory)(error));
        }
    }
    let at = Timespec { tv_sec: time, tv_nsec: 0 };
    let times = Timestamps { last_access: at, last_modification: at };
    for path in all.iter().rev() {
        rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| failed("change", path)(errno.into()))?;
    }
    Ok(())
}

fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> GitProblem + use<> {
    let path = path.to_owned();
    move |source| GitProblem::Io { verb, path, source }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The last three lines, as one.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

#[cfg(test)]
mod tests;

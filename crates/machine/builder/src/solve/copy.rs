//! `COPY` and `ADD`: sources are found and hashed, then put into a fresh upper directory.

use super::{At, Ending, Made, Solver};
use crate::archive::{self, Archive};
use crate::copy::mode::ModeChange;
use crate::copy::{Copier, Placement, parse_mode};
use crate::dockerfile::instruction::Copy;
use crate::dockerfile::lines::Heredoc;
use crate::dockerfile::problem::Problem;
use crate::error::Cause;
use crate::fetch;
use crate::git;
use crate::glob::DoubleStar;
use crate::ignore::Ignore;
use crate::key::Key;
use crate::overlay;
use crate::progress::Event;
use crate::stage::{StageState, history};
use crate::tree::{Selected, Tree, clamp};
use rustix::fd::AsFd;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod download;
mod repository;

/// One thing to be put.
enum Item<'c> {
    /// Files of a tree, at a path beneath the destination (`--parents`).
    Files { selected: Selected, beneath: PathBuf },
    /// An archive whose content is put.
    Archive(Selected),
    /// A file of a URL.
    Download(download::Download),
    /// Files of a commit.
    Repository(repository::Repository),
    /// A file of the Dockerfile.
    Heredoc(&'c Heredoc),
}

/// Where things are put.
struct Target {
    path: PathBuf,
    /// It ends with a slash, or must be a directory for other reasons.
    directory: bool,
}

impl Solver<'_> {
    pub(super) fn copy(
        &self,
        state: &mut StageState,
        copy: &Copy,
        at: &At<'_>,
    ) -> Result<Ending, Cause> {
        let mode = copy.chmod.as_deref().map(parse_mode).transpose()?;
        let snapshot = state.clone();
        let memo = self.copy_memo(state, copy, at)?;
        let known = memo.as_ref().and_then(|memo| std::fs::read_to_string(memo).ok());
        if let Some(key) = known.filter(|key| self.records.get(key).is_some()) {
            return self.layer(state, at, &key, history::copy(copy), || {
                let items = self.items(copy, at)?;
                let target = target(&snapshot, copy, &items)?;
                self.put(&snapshot, copy, items, &target, mode, at)
            });
        }
        let items = self.items(copy, at)?;
        let size: u64 = items.iter().map(Item::size_bytes).sum();
        if size > 0 && copy.from.is_none() {
            let text = format!("transferring context: {}", shown_size(size));
            self.tell(Event::Note { step: at.id, text });
        }
        let target = target(state, copy, &items)?;
        let owner = self.owner_of_link(state, copy, at)?;
        let key = self.copy_key(state, copy, &items, &target, owner);
        if let Some(memo) = &memo {
            super::memo::write(memo, &key);
        }
        self.layer(state, at, &key, history::copy(copy), || {
            self.put(&snapshot, copy, items, &target, mode, at)
        })
    }

    /// Where the key of a copy from layers is remembered: they cannot change, so that their files
    /// need not be walked and hashed to know the key again.
    fn copy_memo(
        &self,
        state: &StageState,
        copy: &Copy,
        at: &At<'_>,
    ) -> Result<Option<PathBuf>, Cause> {
        let Some(from) = &copy.from else { return Ok(None) };
        let origin = crate::plan::origin(self.file, at.index, from, &self.context_names())?;
        let Some(chain) = self.origin_chain(&origin) else { return Ok(None) };
        let name = Key::new("copy from")
            .field("from", chain)
            .optional("chain", state.chain.as_ref().map(ToString::to_string))
            .optional("epoch", self.epoch.map(i64::to_le_bytes))
            .number("base time", state.base_time)
            .field("working directory", &state.image.config.working_dir)
            .list("sources", &copy.sources)
            .list("heredocs", copy.heredocs.iter().map(|heredoc| &heredoc.name))
            .list("contents", copy.heredocs.iter().map(Heredoc::content))
            .field("destination", &copy.destination)
            .list("exclude", &copy.exclude)
            .optional("chown", copy.chown.as_deref())
            .optional("chmod", copy.chmod.as_deref())
            .field("flags", [u8::from(copy.link), u8::from(copy.parents)])
            .hex();
        Ok(Some(self.environment.state.join("content").join(name)))
    }

    fn copy_key(
        &self,
        state: &StageState,
        copy: &Copy,
        items: &[Item<'_>],
        target: &Target,
        owner: Option<(u32, u32)>,
    ) -> String {
        // A layer of its own does not depend on what is below, but for whom a name means there.
        let chain = state.chain.as_ref().filter(|_| !copy.link).map(ToString::to_string);
        let mut key = Key::new(if copy.add { "add" } else { "copy" })
            .optional("chain", chain)
            .optional("epoch", self.epoch.map(i64::to_le_bytes))
            .field("target", target.path.as_os_str().as_bytes())
            .field("directory", [u8::from(target.directory)])
            .optional("chown", copy.chown.as_deref())
            .optional("owner", owner.map(|(uid, gid)| format!("{uid}:{gid}")))
            .optional("chmod", copy.chmod.as_deref())
            .field("link", [u8::from(copy.link)])
            .number("base time", state.base_time);
        for item in items {
            key = match item {
                Item::Files { selected, beneath } => {
                    selected.key(key.field("beneath", beneath.as_os_str().as_bytes()))
                }
                Item::Archive(selected) => selected.key(key.field("archive", "")),
                Item::Download(download) => key
                    .field("download", download.digest)
                    .field("name", download.name.as_bytes())
                    .field("unpack", [u8::from(download.unpack)])
                    .number("modified", download.modified),
                // A commit is its content; that of `.git` is never the same twice.
                Item::Repository(repository) => key
                    .field("commit", &repository.commit)
                    .field("subdirectory", &repository.directory)
                    .field("git", [u8::from(copy.keep_git_dir)])
                    .list("exclude", &copy.exclude),
                Item::Heredoc(heredoc) => {
                    key.field("heredoc", &heredoc.name).field("content", heredoc.content())
                }
            };
        }
        key.number("items", items.len() as i128).hex()
    }

    fn items<'c>(&self, copy: &'c Copy, at: &At<'_>) -> Result<Vec<Item<'c>>, Cause> {
        let exclude = Ignore::of_patterns(copy.exclude.iter().map(String::as_str));
        let exclude =
            exclude.map_err(|problem| Cause::User(format!("--exclude: {problem}").into()))?;
        let mut items = Vec::new();
        let mut tree = None;
        for source in &copy.sources {
            if copy.add && git::is_git(source) {
                items.push(Item::Repository(self.repository(source, copy, &exclude, at)?));
                continue;
            }
            if copy.add && fetch::is_url(source) {
                items.push(Item::Download(self.download(source, copy)?));
                continue;
            }
            if copy.checksum.is_some() {
                let hint = "it is for URLs; files of the context are hashed anyway";
                return Err(Problem::NotAllowed { flag: "--checksum".to_owned(), hint }.into());
            }
            let tree: &Arc<Tree> = match &mut tree {
                Some(tree) => tree,
                none => none.insert(self.copy_tree(copy, at)?),
            };
            self.select(tree, source, copy, &exclude, &mut items)?;
        }
        items.extend(copy.heredocs.iter().map(Item::Heredoc));
        Ok(items)
    }

    fn copy_tree(&self, copy: &Copy, at: &At<'_>) -> Result<Arc<Tree>, Cause> {
        let Some(from) = &copy.from else { return self.context_tree() };
        let origin = crate::plan::origin(self.file, at.index, from, &self.context_names())?;
        self.origin_tree(&origin, from)
    }

    fn select(
        &self,
        tree: &Tree,
        source: &str,
        copy: &Copy,
        exclude: &Ignore,
        items: &mut Vec<Item<'_>>,
    ) -> Result<(), Cause> {
        let double = if copy.parents { DoubleStar::Recursive } else { DoubleStar::Plain };
        let pivot = source.split_once("/./").map(|(before, _)| clamp(before));
        for path in tree.select(source, double)? {
            let selected = tree.scan(&path, exclude)?;
            let local = copy.add && copy.unpack != Some(false);
            if local && !selected.directory && is_archive(&selected, &path, tree)? {
                items.push(Item::Archive(selected));
                continue;
            }
            let beneath = match (copy.parents, &pivot) {
                (false, _) => PathBuf::new(),
                (true, None) => path.clone(),
                (true, Some(pivot)) => {
                    path.strip_prefix(pivot).map_or_else(|_| path.clone(), Path::to_owned)
                }
            };
            items.push(Item::Files { selected, beneath });
        }
        Ok(())
    }

    fn put(
        &self,
        state: &StageState,
        copy: &Copy,
        items: Vec<Item<'_>>,
        target: &Target,
        mode: Option<ModeChange>,
        at: &At<'_>,
    ) -> Result<Made, Cause> {
        let below = self.lower(state, at.base)?;
        let lower = if copy.link { &[][..] } else { &below[..] };
        let first = below.first().map(PathBuf::as_path);
        let scratch = self.session.scratch(first.filter(|_| !copy.link), state.base_time)?;
        let root = overlay::writable(lower, &scratch.upper, &scratch.work)?;
        let owner = match &copy.chown {
            None => None,
            Some(chown) => Some(self.owner(chown, &below, &root)?),
        };
        let placement = Placement { owner, mode, new_mtime: state.base_time };
        let mut copier = Copier::new(root.as_fd(), &placement);
        let directory = target.directory || copier.is_directory(&target.path);
        if items.is_empty() && directory {
            copier.directory(&target.path)?;
        }
        for item in items {
            if self.cancel.is_raised() {
                return Err(Cause::Canceled);
            }
            item.put(&mut copier, target, directory, state.base_time)?;
        }
        let trusted = copier.changed.is_empty();
        Ok(Made { scratch, trusted })
    }

    /// Whom the names of `--chown` mean in the image below a layer that stands alone. Of other layers,
    /// and of numbers, the key knows without looking.
    fn owner_of_link(
        &self,
        state: &StageState,
        copy: &Copy,
        at: &At<'_>,
    ) -> Result<Option<(u32, u32)>, Cause> {
        let is_name = |chown: &&str| chown.split(':').any(|part| part.parse::<u32>().is_err());
        let Some(chown) = copy.chown.as_deref().filter(is_name).filter(|_| copy.link) else {
            return Ok(None);
        };
        let below = self.lower(state, at.base)?;
        if below.is_empty() {
            return Ok(None);
        }
        self.owner_below(chown, &below).map(Some)
    }

    /// Names of owners are those of the image, also for a layer that stands alone.
    fn owner(
        &self,
        chown: &str,
        below: &[PathBuf],
        root: &rustix::fd::OwnedFd,
    ) -> Result<(u32, u32), Cause> {
        if below.is_empty() {
            return named(root, chown);
        }
        self.owner_below(chown, below)
    }

    fn owner_below(&self, chown: &str, below: &[PathBuf]) -> Result<(u32, u32), Cause> {
        let empty = self.session.directory("empty")?;
        named(&overlay::readable(below, &empty)?, chown)
    }
}

impl Item<'_> {
    fn size_bytes(&self) -> u64 {
        match self {
            Self::Files { selected, .. } | Self::Archive(selected) => selected.size_bytes(),
            _ => 0,
        }
    }

    fn put(
        self,
        copier: &mut Copier<'_>,
        target: &Target,
        directory: bool,
        base_time: i64,
    ) -> Result<(), Cause> {
        let place = |name: &OsStr| -> (PathBuf, OsString) {
            if directory {
                return (target.path.clone(), name.to_owned());
            }
            let parent = target.path.parent().unwrap_or_else(|| Path::new("/"));
            (parent.to_owned(), target.path.file_name().unwrap_or(name).to_owned())
        };
        match self {
            Self::Files { selected, beneath } if selected.directory => {
                copier.content(&selected, &target.path.join(beneath))
            }
            Self::Files { selected, beneath } if !beneath.as_os_str().is_empty() => {
                let path = target.path.join(&beneath);
                let parent = path.parent().unwrap_or_else(|| Path::new("/"));
                copier.file(&selected, parent, path.file_name().unwrap_or_default())
            }
            Self::Files { selected, .. } => {
                let (parent, name) = place(selected.path.file_name().unwrap_or_default());
                copier.file(&selected, &parent, &name)
            }
            Self::Archive(selected) => {
                let file = crate::tree::scan::open_entry(&selected.base, Path::new(""))
                    .map_err(|errno| Cause::io("open", &selected.path, errno))?;
                copier.unpack(File::from(file), &target.path)
            }
            Self::Download(download) if download.unpack => {
                let file = File::open(&download.file);
                let file = file.map_err(|source| Cause::io("open", &download.file, source))?;
                copier.unpack(file, &target.path)
            }
            Self::Download(download) => {
                let file = File::open(&download.file);
                let mut file = file.map_err(|source| Cause::io("open", &download.file, source))?;
                let (parent, name) = place(OsStr::new(&download.name));
                copier.bytes(&mut file, &parent, &name, (0o600, download.modified))
            }
            Self::Repository(repository) => copier.content(&repository.selected, &target.path),
            Self::Heredoc(heredoc) => {
                let (parent, name) = place(OsStr::new(&heredoc.name));
                let content = heredoc.content();
                copier.bytes(&mut content.as_bytes(), &parent, &name, (0o644, base_time))
            }
        }
    }
}

fn target(state: &StageState, copy: &Copy, items: &[Item<'_>]) -> Result<Target, Cause> {
    let given = copy.destination.as_str();
    let looks = given.ends_with('/') || given.ends_with("/.") || matches!(given, "." | ".." | "");
    let several = copy.sources.len() + copy.heredocs.len() > 1 || items.len() > 1;
    if several && !looks && !copy.parents {
        return Err(Cause::NotADirectory(if copy.add { "ADD" } else { "COPY" }));
    }
    Ok(Target { path: PathBuf::from(state.absolute(given)), directory: looks || copy.parents })
}

fn is_archive(selected: &Selected, path: &Path, tree: &Tree) -> Result<bool, Cause> {
    let fail = |source| Cause::Source {
        verb: "read",
        path: path.to_string_lossy().into_owned(),
        place: tree.name.clone(),
        source,
    };
    let file = crate::tree::scan::open_entry(&selected.base, Path::new(""))
        .map_err(|errno| fail(errno.into()))?;
    match archive::recognise(&File::from(file)).map_err(fail)? {
        Archive::None => Ok(false),
        Archive::Tar => Ok(true),
    }
}

fn named(root: &rustix::fd::OwnedFd, chown: &str) -> Result<(u32, u32), Cause> {
    teu_runtime::users::owner(root, chown).map_err(|error| Cause::User(error.to_string().into()))
}

/// `2.50MB`, as Docker shows it.
fn shown_size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let bytes = bytes as f64;
    match bytes {
        b if b < 1e3 => format!("{b:.0}B"),
        b if b < 1e6 => format!("{:.2}kB", b / 1e3),
        b if b < 1e9 => format!("{:.2}MB", b / 1e6),
        b => format!("{:.2}GB", b / 1e9),
    }
}

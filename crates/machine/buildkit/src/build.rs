//! One build: the client's files fetched ([`prepare`]), the worker run, the result sent
//! ([`execute`]).

use crate::frontend::{self, Asked, Options, Origin};
use crate::jobs::{Begun, Job, POSTED};
use crate::outbox::Outbox;
use crate::rpc::{Code, Status};
use crate::status::{Dockerfile, Ending};
use crate::sync::Kept;
use crate::transfer::{self, Report, Selection, Target};
use crate::wire::SolveRequest;
use crate::{Inner, export};
use listener::Client;
use rustix::fs::{CWD, Mode, OFlags};
use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};
use teu_builder::{
    BuildRequest, ContextSource, DockerfileSource, NamedContext, beneath, ignore, needs,
};

mod cache;
mod failure;
mod listener;

/// Bytes of a Dockerfile or `.dockerignore`, and one more to see that there are too many.
const TEXT_LIMIT_BYTES: u64 = (1 << 20) + 1;
const IGNORE_FILE: &str = ".dockerignore";

/// A build whose files have come.
#[derive(Debug)]
pub struct Prepared {
    request: BuildRequest,
    dockerfile: Option<Dockerfile>,
    outbox: Outbox,
    /// Contexts in use until the build has ended.
    kept: Vec<Kept>,
}

/// Fetches what one build needs.
pub async fn prepare(
    inner: &Inner,
    job: &Job,
    begun: &Begun,
    options: &Options,
) -> Result<Prepared, Status> {
    let asked = frontend::read(options, &begun.entitlements)?;
    for (name, reason) in &asked.skipped {
        let vertex = job.log.begin(name);
        job.log.end(&vertex, Ending::Failed(reason));
    }
    let Asked { mut request, filename, dockerfile, context, contexts, .. } = asked;
    let failed = |error| io("make a directory for the build", &inner.config.state, &error);
    let outbox = Outbox::new(&inner.config.state).map_err(failed)?;
    let mut fetch = Fetch { inner, job, begun, outbox: &outbox, kept: Vec::new() };
    let local = matches!(context, Origin::Local(_)) || options.contains_key("dockerfilekey");
    let (text, beside) = match local {
        true => fetch.dockerfile(&dockerfile, &filename).await?,
        false => (None, None),
    };
    let shown = text.map(|(text, vertex)| {
        request.dockerfile = DockerfileSource::Named { name: filename.clone(), text: text.clone() };
        let text = String::from_utf8_lossy(&text).into_owned();
        Dockerfile { name: filename.clone(), text, vertex }
    });
    if shown.is_none() {
        request.dockerfile = DockerfileSource::Within(filename.into());
    }
    // Its name is all that counts here; the files come below.
    let named = |(name, _): &(String, Origin)| (name.clone(), NamedContext::Image(String::new()));
    request.build_contexts = contexts.iter().map(named).collect();
    let needed = shown
        .as_ref()
        .and_then(|file| needs::of_context(file.text.as_bytes(), &request, &inner.config.images));
    request.build_contexts.clear();
    request.context = match context {
        Origin::Local(name) => {
            request.contexts_are_filtered = true;
            let title = "[internal] load build context";
            let wanted = Wanted { name: &name, title, beside, needed };
            ContextSource::Directory(fetch.context(wanted).await?)
        }
        Origin::Upload(path) => ContextSource::Archive(fetch.upload(&path).await?),
        Origin::Posted => ContextSource::Archive(fetch.posted().await?),
        Origin::Image(image) => {
            let text = format!("the context cannot be the image {image}: use COPY --from={image}");
            return Err(Status::refused(text));
        }
    };
    for (name, origin) in contexts {
        let source = match origin {
            Origin::Image(image) => NamedContext::Image(image),
            Origin::Local(local) => {
                let title = format!("[context {name}] load from client");
                let wanted = Wanted { name: &local, title: &title, beside: None, needed: None };
                NamedContext::Directory(fetch.context(wanted).await?)
            }
            Origin::Upload(_) | Origin::Posted => {
                let text = format!("the context {name} cannot come from standard input");
                return Err(Status::refused(text));
            }
        };
        request.build_contexts.push((name, source));
    }
    let kept = fetch.kept;
    Ok(Prepared { request, dockerfile: shown, outbox, kept })
}

/// Builds what was prepared and gives the client what it asked for.
pub async fn execute(
    inner: &Inner,
    (job, begun): (&Job, &Begun),
    prepared: Prepared,
    asked: &SolveRequest,
) -> Result<HashMap<String, String>, Status> {
    let Prepared { mut request, dockerfile, outbox, kept } = prepared;
    let caches = cache::plan(asked, &outbox, &mut request)?;
    let exports = export::plan(asked, &outbox, &mut request)?;
    let client = Client::new(job, begun, dockerfile.as_ref(), &outbox);
    let ended = crate::worker::run(&inner.config.worker, &request, &client).await;
    let ended = ended.map_err(|error| failure::status(&error, dockerfile.as_ref()))?;
    drop(kept);
    for delivery in &exports.deliveries {
        deliver((job, begun), delivery).await?;
    }
    let mut response = exports.response(&ended);
    for cache in &caches {
        response.extend(cache::deliver((job, begun), cache).await?);
    }
    Ok(response)
}

async fn deliver((job, begun): (&Job, &Begun), delivery: &export::Delivery) -> Result<(), Status> {
    use export::DeliveryKind::{Directory, File};
    let (title, part) = match &delivery.kind {
        File(_) => ("exporting to client tarball", "sending tarball"),
        Directory(_) => ("exporting to client directory", "copying files"),
    };
    let vertex = job.log.begin(title);
    let report = Report::new(&job.log, &vertex, part);
    let (session, number) = (&begun.session, delivery.exporter);
    let sent = match &delivery.kind {
        File(path) => transfer::send_file(session, number, path, report).await,
        Directory(path) => transfer::send_directory(session, number, path, report).await,
    };
    end(job, &vertex, sent)
}

/// What of a client's directory is wanted.
struct Wanted<'a> {
    /// The client's name of it.
    name: &'a str,
    /// What the step is called.
    title: &'a str,
    /// The `.dockerignore` that counts instead of the directory's own.
    beside: Option<Vec<u8>>,
    /// Only these paths, if it is known which.
    needed: Option<BTreeSet<String>>,
}

/// Fetches files of one build.
struct Fetch<'a> {
    inner: &'a Inner,
    job: &'a Job,
    begun: &'a Begun,
    outbox: &'a Outbox,
    kept: Vec<Kept>,
}

impl Fetch<'_> {
    /// The Dockerfile with the step that loaded it, and the `.dockerignore` beside it.
    async fn dockerfile(
        &mut self,
        name: &str,
        filename: &str,
    ) -> Result<(Option<(Vec<u8>, String)>, Option<Vec<u8>>), Status> {
        let log = &self.job.log;
        let vertex = log.begin(&format!("[internal] load build definition from {filename}"));
        let ignore = format!("{filename}{IGNORE_FILE}");
        let follow = [filename.to_owned(), ignore.clone()];
        let selection = Selection { name, follow: &follow, ..Selection::default() };
        let got = self.few(&selection, &vertex, "transferring dockerfile:").await;
        let got = got.and_then(|directory| {
            let missing = || {
                let reason = "no such file or directory";
                Status::refused(format!("failed to read dockerfile: open {filename}: {reason}"))
            };
            let text = text_of(&directory, filename)?.ok_or_else(missing)?;
            Ok((text, text_of(&directory, &ignore)?))
        });
        let (text, beside) = end(self.job, &vertex, got)?;
        Ok((Some((text, vertex)), beside))
    }

    /// A directory of the client, without what its `.dockerignore` excludes.
    async fn context(&mut self, wanted: Wanted<'_>) -> Result<PathBuf, Status> {
        let Wanted { name, title, beside, needed } = wanted;
        let text = match beside {
            Some(text) => Some(text),
            None => self.ignore_file(name, title).await?,
        };
        let exclude = match &text {
            None => Vec::new(),
            Some(text) => ignore::patterns(text).map_err(|problem| {
                Status::new(Code::Unknown, format!("{IGNORE_FILE}: {problem}"))
            })?,
        };
        let vertex = self.job.log.begin(title);
        let mut follow: Vec<String> = needed.iter().flatten().cloned().collect();
        if needed.is_some() && follow.is_empty() {
            // Nothing: a name that no file has, since no names at all mean everything.
            follow.push(IGNORE_FILE.to_owned());
        }
        let selection = Selection { name, follow: &follow, exclude: &exclude };
        let got = self.receive(&selection, &vertex, "transferring context:").await;
        let kept = end(self.job, &vertex, got)?;
        let path = kept.path().to_owned();
        self.kept.push(kept);
        Ok(path)
    }

    async fn ignore_file(&mut self, name: &str, title: &str) -> Result<Option<Vec<u8>>, Status> {
        let title = match title.strip_prefix("[context ") {
            None => "[internal] load .dockerignore".to_owned(),
            Some(rest) => format!(
                "[context {} load .dockerignore",
                rest.trim_end_matches(" load from client")
            ),
        };
        let vertex = self.job.log.begin(&title);
        let follow = [IGNORE_FILE.to_owned()];
        let selection = Selection { name, follow: &follow, ..Selection::default() };
        let got = self.few(&selection, &vertex, "transferring context:").await;
        let got = got.and_then(|directory| text_of(&directory, IGNORE_FILE));
        end(self.job, &vertex, got)
    }

    async fn upload(&mut self, url_path: &str) -> Result<PathBuf, Status> {
        let vertex = self.job.log.begin("[internal] load remote build context");
        let path = self.outbox.join("context");
        let report = Report::new(&self.job.log, &vertex, "transferring context:");
        let got = transfer::upload(&self.begun.session, url_path, &path, report).await;
        end(self.job, &vertex, got)?;
        Ok(path)
    }

    async fn posted(&mut self) -> Result<PathBuf, Status> {
        let vertex = self.job.log.begin("[internal] load remote build context");
        let posted = self.job.posted().await;
        let path = self.outbox.join(POSTED);
        let moved = std::fs::rename(posted.join(POSTED), &path);
        let got = moved.map_err(|error| io("take", &path, &error));
        end(self.job, &vertex, got)?;
        Ok(path)
    }

    /// Brings the copy of a directory up to date.
    async fn receive(
        &self,
        selection: &Selection<'_>,
        vertex: &str,
        part: &str,
    ) -> Result<Kept, Status> {
        let session = &self.begun.session;
        let key = format!("{}\0{}", selection.name, session.shared_key);
        let busy = |error: crate::sync::Error| Status::refused(error.to_string());
        let kept = self.inner.contexts.take(&key).map_err(busy)?;
        let report = Report::new(&self.job.log, vertex, part);
        let target = Target { directory: kept.path().to_owned(), guard: kept };
        let (size_bytes, mut kept) = transfer::receive(session, selection, target, report).await?;
        kept.used(size_bytes);
        Ok(kept)
    }

    /// Fetches a few small files, of which no copy is kept.
    async fn few(
        &self,
        selection: &Selection<'_>,
        vertex: &str,
        part: &str,
    ) -> Result<PathBuf, Status> {
        let name = vertex.split_once(':').map_or(vertex, |(_, digest)| digest);
        let path = self.outbox.join(name);
        std::fs::create_dir(&path).map_err(|error| io("make", &path, &error))?;
        let report = Report::new(&self.job.log, vertex, part);
        let target = Target { directory: path.clone(), guard: () };
        transfer::receive(&self.begun.session, selection, target, report).await?;
        Ok(path)
    }
}

/// Ends a step as its result says.
fn end<T>(job: &Job, vertex: &str, result: Result<T, Status>) -> Result<T, Status> {
    match &result {
        Ok(_) => job.log.end(vertex, Ending::Done),
        Err(status) if status.is(Code::Canceled) => job.log.end(vertex, Ending::Canceled),
        Err(status) => job.log.end(vertex, Ending::Failed(&status.message)),
    }
    result
}

/// A file that the client sent, links followed within what it sent; `None` if it has none.
fn text_of(directory: &Path, name: &str) -> Result<Option<Vec<u8>>, Status> {
    let fail = |error: std::io::Error| io("read", Path::new(name), &error);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, directory, flags, Mode::empty());
    let root = root.map_err(|errno| fail(errno.into()))?;
    let file = match beneath::open(&root, Path::new(name), OFlags::RDONLY | OFlags::NONBLOCK) {
        Ok(file) => std::fs::File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(fail(errno.into())),
    };
    let mut text = Vec::new();
    file.take(TEXT_LIMIT_BYTES).read_to_end(&mut text).map_err(fail)?;
    Ok(Some(text))
}

fn io(verb: &str, path: &Path, error: &std::io::Error) -> Status {
    Status::new(Code::Unknown, format!("cannot {verb} {}: {error}", path.display()))
}

//! `POST /build`, the classic one: a tar comes, lines go, and at last an id.
//!
//! The build itself runs in a process of its own ([`teu_builder::worker`]): it may be given up at any
//! moment, takes no thread of the engine with it, and forks only where there is one thread. What the
//! client says no more to is given up.

use crate::call::{Answer, Call, Outlet};
use crate::engine::Engine;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use teu_builder::worker::{Ended, Found, Question, Word};
use teu_builder::{ContextSource, PruneRequest, step};
use teu_docker::message::Message;

pub mod lines;
pub mod request;
pub mod session;

/// Builds that can be cancelled, by the id their client gave.
#[derive(Debug, Default)]
pub struct Builds(Mutex<HashMap<String, OwnedFd>>);

/// Makes its directory go when the build is over.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is swept with the builder's other temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Builds.
pub fn build(engine: &Arc<Engine>, call: Call) -> Result<Answer> {
    let asked = request::read(&call)?;
    let quiet = call.query.flag("q");
    let id = call.query.text("buildid").to_owned();
    let context = call.stream()?;
    let engine = engine.clone();
    Ok(Answer::messages(move |out| {
        let mut asked = asked;
        let scratch = engine.unpack(context, &mut asked)?;
        let worked = engine.run_build(&asked, quiet, &id, out);
        drop(scratch);
        worked
    }))
}

impl Engine {
    /// The context on disk, and the Dockerfile out of it.
    fn unpack(
        &self,
        mut context: impl Read + Send + 'static,
        asked: &mut request::Asked,
    ) -> Result<Scratch> {
        let folder = self.build_state().join("tmp");
        std::fs::create_dir_all(&folder).map_err(Error::io("make a folder for the context"))?;
        let directory = tempfile::Builder::new()
            .prefix("context-")
            .tempdir_in(&folder)
            .map_err(Error::io("make a folder for the context"))?
            .keep();
        let scratch = Scratch(directory);
        if let Some(remote) = &asked.remote {
            return Err(Error::bad(format!(
                "cannot build from {remote:?}: remote contexts are not fetched; send the context itself"
            )));
        }
        // Whatever is left of a stream must be read, or the client never reads the answer.
        let unpacked = teu_builder::archive::unpack_at(
            &mut context,
            open_directory(&scratch.0)?.as_fd(),
            None,
        );
        let _ = std::io::copy(&mut context, &mut std::io::sink());
        unpacked?;
        asked.take_dockerfile(&scratch.0)?;
        asked.request.context = ContextSource::Directory(scratch.0.clone());
        Ok(scratch)
    }

    fn worker(&self) -> Result<(Child, File)> {
        let (ours, theirs) =
            std::os::unix::net::UnixStream::pair().map_err(Error::io("make a socket"))?;
        let (program, arguments) = self
            .config
            .worker_command
            .split_first()
            .ok_or_else(|| Error::unsupported("this engine was made without a builder"))?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(Error::io("start the build"))?;
        Ok((child, File::from(OwnedFd::from(ours))))
    }

    fn run_build(
        &self,
        asked: &request::Asked,
        quiet: bool,
        id: &str,
        out: &mut Outlet,
    ) -> Result<()> {
        let (mut child, mut socket) = self.worker()?;
        if !id.is_empty() {
            let same = socket.try_clone().map_err(Error::io("keep a socket"))?;
            self.builds.lock().insert(id.to_owned(), same.into());
        }
        let done = step::send(&mut socket, &asked.request)
            .map_err(Error::io("talk to the build"))
            .and_then(|()| follow(&mut socket, quiet, out));
        self.builds.lock().remove(id);
        // The worker gives up when nobody listens.
        drop(socket);
        let _ = child.wait();
        if let Some(ended) = done? {
            self.tell(&ended, asked, quiet, out).map_err(Error::io("answer"))?;
        }
        Ok(())
    }

    fn tell(
        &self,
        ended: &Ended,
        asked: &request::Asked,
        quiet: bool,
        out: &mut Outlet,
    ) -> std::io::Result<()> {
        let Some(id) = &ended.image_id else { return Ok(()) };
        crate::images::journal(self, "create", id.as_str(), id.as_str());
        if quiet {
            return out.message(&Message::stream(format!("{id}\n")));
        }
        out.message(&Message::aux(serde_json::json!({ "ID": id })))?;
        let short = id.hex().get(..12).unwrap_or_default();
        out.message(&Message::stream(format!("Successfully built {short}\n")))?;
        for name in &asked.request.tags {
            let name = name.familiar();
            crate::images::journal(self, "tag", id.as_str(), &name);
            out.message(&Message::stream(format!("Successfully tagged {name}\n")))?;
        }
        Ok(())
    }
}

impl Builds {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, OwnedFd>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_directory(path: &Path) -> Result<File> {
    File::open(path).map_err(Error::io("open the context"))
}

/// Hears the worker to its last word; `None` when the client goes first.
fn follow(socket: &mut File, quiet: bool, out: &mut Outlet) -> Result<Option<Ended>> {
    let mut lines = lines::Lines::default();
    loop {
        let listens = out
            .hangup
            .wait_beside(&[socket.as_fd()])
            .map_err(|errno| Error::io("wait for the build")(errno.into()))?;
        if !listens {
            return Ok(None);
        }
        let word: Word = step::receive(socket)
            .map_err(|_| Error::status_of(500, "the build was cancelled, or its process died"))?;
        match word {
            Word::Event(event) => {
                for line in lines.of(&event) {
                    if !quiet {
                        out.message(&Message::stream(line)).map_err(Error::io("answer"))?;
                    }
                }
            }
            Word::Ask { number, question } => {
                let _: Question = question;
                // The classic protocol has no way to bring secrets.
                let answer = teu_builder::worker::Answer { number, found: Found::Nothing };
                step::send(socket, &answer).map_err(Error::io("talk to the build"))?;
            }
            Word::Done(ended) => return Ok(Some(ended)),
            // What is wrong with the Dockerfile is said before anything is done.
            Word::Failed(failure) if failure.message.starts_with("dockerfile parse error") => {
                return Err(Error::bad(failure.message));
            }
            Word::Failed(failure) => {
                let message = Message::failed(failure.message, failure.exit_code);
                out.message(&message).map_err(Error::io("answer"))?;
                return Ok(None);
            }
        }
    }
}

/// `POST /build/prune`
pub fn prune(engine: &Engine, call: &Call) -> Result<Answer> {
    let query = &call.query;
    let mut what = PruneRequest {
        all: query.flag("all"),
        keep_bytes: match query.number::<i64>("keep-storage")? {
            None => query.number::<i64>("reserved-space")?.unwrap_or(0),
            Some(bytes) => bytes,
        }
        .try_into()
        .unwrap_or(0),
        ..PruneRequest::default()
    };
    for (key, value) in query.filters()? {
        match key.as_str() {
            "until" | "unused-for" => {
                let now = teu_containers::time::now_ns();
                let ns = teu_containers::time::parse(&value, now)?;
                what.unused_since_s = Some(ns.div_euclid(1_000_000_000));
            }
            other => return Err(Error::bad(format!("invalid filter '{other}'"))),
        }
    }
    let images = engine.containers().images();
    let report = teu_builder::prune(&engine.build_state(), images, what)?;
    let ids: Vec<&String> = report.removed.iter().map(|record| &record.id).collect();
    let ids = if ids.is_empty() { serde_json::Value::Null } else { serde_json::json!(ids) };
    Answer::ok(&serde_json::json!({
        "CachesDeleted": ids,
        "SpaceReclaimed": report.reclaimed_bytes,
    }))
}

/// `POST /build/cancel`
pub fn cancel(engine: &Engine, call: &Call) -> Result<Answer> {
    let id = call.query.text("id");
    if id.is_empty() {
        return Err(Error::bad("build ID not provided"));
    }
    if let Some(socket) = engine.builds.lock().remove(id) {
        // The worker sees its server go, and gives up.
        let _ = rustix::net::shutdown(&socket, rustix::net::Shutdown::Both);
    }
    Answer::done()
}

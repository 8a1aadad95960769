//! `docker-daemon:`: images in and out of a running dockerd, over its socket.
//!
//! The daemon speaks archives: `GET /images/get` gives one, `POST /images/load` takes one. Requests
//! are HTTP/1.0, to which it answers without chunks and then hangs up; the archive lies in a file of
//! the store's `tmp` meanwhile.

use super::image::{Blob, Found, Sink, View};
use super::layout::{ArchiveKind, ArchiveSink};
use crate::error::{Error, Result};
use crate::remote::Document;
use crate::store::archive::source::ArchiveSource;
use crate::store::{Room, Store};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use teu_oci::Reference;
use teu_oci::image::Descriptor;

/// A daemon that says nothing for so long is dead.
const TIMEOUT: Duration = Duration::from_secs(300);
/// Bytes of an answer's head.
const HEAD_LIMIT_BYTES: u64 = 64 << 10;
/// Bytes of an answer to a load.
const ANSWER_LIMIT_BYTES: u64 = 4 << 20;

/// Where a daemon listens.
#[derive(Debug, Clone)]
pub struct Daemon {
    socket: PathBuf,
}

impl Daemon {
    /// Connects to nothing yet.
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_path_buf() }
    }

    fn request(
        &self,
        head: &str,
        body: Option<(&mut dyn Read, u64)>,
    ) -> Result<(u16, BufReader<UnixStream>)> {
        let failed = |e: io::Error| Error::io("talk to the Docker daemon at", &self.socket, e);
        let mut stream = UnixStream::connect(&self.socket).map_err(failed)?;
        stream.set_read_timeout(Some(TIMEOUT)).map_err(failed)?;
        stream.set_write_timeout(Some(TIMEOUT)).map_err(failed)?;
        let mut text = format!("{head} HTTP/1.0\r\nHost: docker\r\n");
        if let Some((_, length)) = &body {
            text.push_str(&format!(
                "Content-Type: application/x-tar\r\nContent-Length: {length}\r\n"
            ));
        }
        text.push_str("\r\n");
        stream.write_all(text.as_bytes()).map_err(failed)?;
        if let Some((body, _)) = body {
            io::copy(body, &mut stream).map_err(failed)?;
        }
        let mut reader = BufReader::with_capacity(256 << 10, stream);
        let mut lines = (&mut reader).take(HEAD_LIMIT_BYTES);
        let mut line = String::new();
        lines.read_line(&mut line).map_err(failed)?;
        let status = line.split(' ').nth(1).and_then(|status| status.trim().parse().ok());
        let wrong = || failed(io::Error::new(io::ErrorKind::InvalidData, "its answer is no HTTP"));
        let status = status.ok_or_else(wrong)?;
        loop {
            line.clear();
            if lines.read_line(&mut line).map_err(failed)? == 0 {
                return Err(wrong());
            }
            if line.trim_end().is_empty() {
                return Ok((status, reader));
            }
        }
    }

    /// What the daemon says is wrong.
    fn refused(&self, what: &str, reader: impl Read) -> Error {
        #[derive(serde::Deserialize)]
        struct Answer {
            message: String,
        }
        let mut bytes = Vec::new();
        // What can be read of it is enough.
        let _ = reader.take(ANSWER_LIMIT_BYTES).read_to_end(&mut bytes);
        let message = serde_json::from_slice(&bytes).map_or_else(
            |_| String::from_utf8_lossy(&bytes).chars().take(300).collect(),
            |answer: Answer| answer.message,
        );
        Error::io(
            "use the Docker daemon at",
            &self.socket,
            io::Error::other(format!("{what}: {message}")),
        )
    }

    /// An image of the daemon.
    pub fn source(&self, store: &Store, name: &str) -> Result<ArchiveSource> {
        let path = format!("GET /images/get?names={}", escaped(name));
        let (status, mut reader) = self.request(&path, None)?;
        if status != 200 {
            return Err(self.refused(name, reader));
        }
        let mut ingest = store.ingest()?;
        io::copy(&mut reader, &mut ingest).map_err(|e| Error::stream("read the archive", e))?;
        // Its name goes with it, its file stays as long as it is open.
        ArchiveSource::open_file(store, &ingest.reopen()?, None)
    }
}

/// A name within a query.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' | b':' => {
                char::from(b).to_string()
            }
            _ => format!("%{b:02X}"),
        })
        .collect()
}

/// Loads an image into a daemon.
#[derive(Debug)]
pub struct DaemonSink {
    daemon: Daemon,
    archive: ArchiveSink,
    path: PathBuf,
    _room: Room,
}

impl DaemonSink {
    /// Will load it under a name.
    pub fn new(daemon: &Daemon, store: &Store, name: &Reference) -> Result<Self> {
        let room = Room::new(store)?;
        let path = room.path().join("image.tar");
        let archive = ArchiveSink::new(ArchiveKind::Docker, &path, Some(&name.familiar()))?;
        Ok(Self { daemon: daemon.clone(), archive, path, _room: room })
    }
}

impl Sink for DaemonSink {
    fn has_blob(&self, blob: &Descriptor, from: Option<&(String, String)>) -> Result<Found> {
        self.archive.has_blob(blob, from)
    }

    fn put_blob(&self, blob: &Blob<'_>) -> Result<()> {
        self.archive.put_blob(blob)
    }

    fn end(&self, view: &View) -> Result<()> {
        self.archive.end(view)
    }

    fn put_document(&self, document: &Document, is_root: bool) -> Result<()> {
        self.archive.put_document(document, is_root)
    }

    fn finish(&self) -> Result<()> {
        self.archive.finish()?;
        let mut file = File::open(&self.path).map_err(|e| Error::io("open", &self.path, e))?;
        let length = file.metadata().map_err(|e| Error::io("look at", &self.path, e))?.len();
        let (status, reader) =
            self.daemon.request("POST /images/load?quiet=1", Some((&mut file, length)))?;
        if status != 200 {
            return Err(self.daemon.refused("load", reader));
        }
        let mut text = String::new();
        reader
            .take(ANSWER_LIMIT_BYTES)
            .read_to_string(&mut text)
            .map_err(|e| Error::stream("read the Docker daemon's answer", e))?;
        // It says 200 first and what went wrong afterwards.
        match text.lines().find(|line| line.contains("\"errorDetail\"")) {
            Some(line) => {
                let value: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
                let message = value["error"].as_str().unwrap_or(line).to_owned();
                Err(self.daemon.refused("load", message.as_bytes()))
            }
            None => Ok(()),
        }
    }

    fn holds_index(&self) -> bool {
        false
    }
}

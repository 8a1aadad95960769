//! A client of the distribution protocol that costs as little as can be, so that the servers are
//! what is measured.

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;

/// Connections that push or pull at the same time.
const CONNECTIONS: usize = 4;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A blob and its digest.
pub struct Blob {
    bytes: Vec<u8>,
    digest: String,
}

impl Blob {
    /// Bytes that no other blob has, and that do not compress.
    pub fn new(length: usize, seed: usize) -> Self {
        let mut state = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes.truncate(length);
        Self::of(bytes)
    }

    fn of(bytes: Vec<u8>) -> Self {
        let sum = Sha256::digest(&bytes);
        let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { digest: format!("sha256:{hex}"), bytes }
    }
}

pub struct Client {
    address: String,
}

impl Client {
    pub fn new(address: &str) -> Self {
        Self { address: address.to_owned() }
    }

    /// Pushes blobs and a manifest over them.
    pub fn push(&self, name: &str, blobs: &[Blob]) -> Result<()> {
        let config = Blob::of(format!("{{\"name\":\"{name}\"}}").into_bytes());
        let all: Vec<&Blob> = blobs.iter().chain([&config]).collect();
        self.each(&all, |connection, blob| {
            let head = format!("HEAD /v2/{name}/blobs/{}", blob.digest);
            connection.ask(&head, "", None)?;
            let begun =
                connection.ask(&format!("POST /v2/{name}/blobs/uploads/"), "", Some(&[]))?;
            let place = begun.location.context("no place for the upload")?;
            let kind = "Content-Type: application/octet-stream\r\n";
            let sent = connection.ask(&format!("PATCH {place}"), kind, Some(&blob.bytes))?;
            let place = sent.location.unwrap_or(place);
            let join = if place.contains('?') { '&' } else { '?' };
            let end = format!("PUT {place}{join}digest={}", blob.digest);
            expect(connection.ask(&end, "", Some(&[]))?.status, 201)
        })?;
        let manifest = manifest(&config, blobs);
        let put = format!("PUT /v2/{name}/manifests/latest");
        let kind = format!("Content-Type: {MANIFEST}\r\n");
        let mut connection = Connection::open(&self.address)?;
        expect(connection.ask(&put, &kind, Some(manifest.as_bytes()))?.status, 201)
    }

    /// Pulls the manifest and all blobs.
    pub fn pull(&self, name: &str, blobs: &[Blob]) -> Result<()> {
        let mut connection = Connection::open(&self.address)?;
        let get = format!("GET /v2/{name}/manifests/latest");
        expect(connection.ask(&get, &format!("Accept: {MANIFEST}\r\n"), None)?.status, 200)?;
        let all: Vec<&Blob> = blobs.iter().collect();
        self.each(&all, |connection, blob| {
            let answer =
                connection.ask(&format!("GET /v2/{name}/blobs/{}", blob.digest), "", None)?;
            expect(answer.status, 200)?;
            match answer.length == blob.bytes.len() {
                true => Ok(()),
                false => bail!("{} bytes of {}", answer.length, blob.bytes.len()),
            }
        })
    }

    /// So many connections ask for one manifest before any answer is read.
    pub fn read_manifest(&self, name: &str, readers: usize) -> Result<()> {
        let mut connections = Vec::new();
        for _ in 0..readers {
            let mut connection = Connection::open(&self.address)?;
            let get = format!("GET /v2/{name}/manifests/latest");
            connection.send(&get, &format!("Accept: {MANIFEST}\r\n"), None)?;
            connections.push(connection);
        }
        for connection in &mut connections {
            expect(connection.receive(false)?.status, 200)?;
        }
        Ok(())
    }

    /// Does something with each, over several connections.
    fn each(
        &self,
        blobs: &[&Blob],
        work: impl Fn(&mut Connection, &Blob) -> Result<()> + Sync,
    ) -> Result<()> {
        let queue = Mutex::new(blobs.iter());
        let next = || queue.lock().ok().and_then(|mut queue| queue.next().copied());
        std::thread::scope(|scope| {
            let one = || {
                let mut connection = Connection::open(&self.address)?;
                while let Some(blob) = next() {
                    work(&mut connection, blob)?;
                }
                Ok(())
            };
            let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(one)).collect();
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(result) => result,
                Err(_) => bail!("a thread of the client panicked"),
            })
        })
    }
}

fn manifest(config: &Blob, layers: &[Blob]) -> String {
    let descriptor = |kind: &str, blob: &Blob| {
        let (digest, size) = (&blob.digest, blob.bytes.len());
        format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":{size}}}"#)
    };
    let layer = |blob| descriptor("application/vnd.oci.image.layer.v1.tar", blob);
    let layers: Vec<String> = layers.iter().map(layer).collect();
    let config = descriptor("application/vnd.oci.image.config.v1+json", config);
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config},"layers":[{}]}}"#,
        layers.join(",")
    )
}

fn expect(found: u16, wanted: u16) -> Result<()> {
    if found == wanted { Ok(()) } else { bail!("status {found} instead of {wanted}") }
}

struct Connection(BufReader<TcpStream>);

struct Answer {
    status: u16,
    length: usize,
    /// Path and query.
    location: Option<String>,
}

impl Connection {
    fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(std::time::Duration::from_secs(60)))?;
        Ok(Self(BufReader::with_capacity(256 << 10, stream)))
    }

    fn send(&mut self, request: &str, headers: &str, body: Option<&[u8]>) -> Result<()> {
        let length = body.map(|body| format!("Content-Length: {}\r\n", body.len()));
        let length = length.unwrap_or_default();
        let head = format!("{request} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}{length}\r\n");
        let stream = self.0.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.unwrap_or_default())?;
        Ok(())
    }

    fn ask(&mut self, request: &str, headers: &str, body: Option<&[u8]>) -> Result<Answer> {
        self.send(request, headers, body)?;
        self.receive(request.starts_with("HEAD"))
    }

    fn receive(&mut self, is_head: bool) -> Result<Answer> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut answer = Answer { status: status.context("no answer")?, length: 0, location: None };
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => answer.length = value.parse()?,
                "location" => {
                    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
                    answer.location = rest.find('/').map(|at| rest[at..].to_owned());
                }
                _ => {}
            }
        }
        if !is_head {
            let mut body = (&mut self.0).take(answer.length as u64);
            std::io::copy(&mut body, &mut std::io::sink())?;
        }
        Ok(answer)
    }
}

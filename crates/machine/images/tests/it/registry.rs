//! A registry of a few documents, with ranges: enough to be pulled from lazily.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use teu_oci::Digest;
use teu_oci::image::Descriptor;

/// What it has, by digest or tag.
#[derive(Default)]
struct Content {
    documents: BTreeMap<String, (String, Vec<u8>)>,
    /// Requests for blobs wait while it is so.
    is_held: bool,
}

/// The server, until the test ends.
pub struct Registry {
    pub host: String,
    content: Arc<(Mutex<Content>, Condvar)>,
}

impl Registry {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let content: Arc<(Mutex<Content>, Condvar)> = Arc::default();
        let shared = content.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = shared.clone();
                std::thread::spawn(move || serve(&client, &shared));
            }
        });
        Self { host, content }
    }

    pub fn put(&self, media_type: &str, bytes: &[u8], tag: Option<&str>) -> Descriptor {
        let digest = Digest::sha256(bytes);
        let mut content = self.content.0.lock().unwrap();
        let document = (media_type.to_owned(), bytes.to_vec());
        content.documents.insert(digest.to_string(), document.clone());
        if let Some(tag) = tag {
            content.documents.insert(tag.to_owned(), document);
        }
        Descriptor::new(media_type, digest, bytes.len() as u64)
    }

    /// Other bytes under the same digest.
    pub fn spoil(&self, digest: &Digest, change: impl FnOnce(&mut Vec<u8>)) {
        let mut content = self.content.0.lock().unwrap();
        change(&mut content.documents.get_mut(digest.as_str()).unwrap().1);
    }

    /// Keeps blobs back, or lets them go.
    pub fn hold(&self, is_held: bool) {
        self.content.0.lock().unwrap().is_held = is_held;
        self.content.1.notify_all();
    }
}

fn serve(client: &TcpStream, shared: &(Mutex<Content>, Condvar)) {
    let mut reader = BufReader::new(client);
    let mut out = client;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut range = None;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(bytes) = header.strip_prefix("range: bytes=") {
                let (from, to) = bytes.split_once('-').unwrap();
                range = Some((from.parse::<usize>().unwrap(), to.parse::<usize>().unwrap()));
            }
        }
        let key = path.rsplit('/').next().unwrap_or_default();
        let mut content = shared.0.lock().unwrap();
        while content.is_held && path.contains("/blobs/") {
            content = shared.1.wait(content).unwrap();
        }
        let found = content.documents.get(key).cloned();
        drop(content);
        let answer = match (found, range) {
            _ if path == "/v2/" => (200, String::new(), b"{}".to_vec()),
            (None, _) => (404, String::new(), Vec::new()),
            (Some((kind, bytes)), None) => (200, format!("content-type: {kind}\r\n"), bytes),
            (Some((kind, bytes)), Some((from, to))) => {
                let part = bytes[from..=to.min(bytes.len() - 1)].to_vec();
                let total = bytes.len();
                let head =
                    format!("content-type: {kind}\r\ncontent-range: bytes {from}-{to}/{total}\r\n");
                (206, head, part)
            }
        };
        let (status, head, body) = answer;
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{head}\r\n");
        if out.write_all(head.as_bytes()).and_then(|()| out.write_all(&body)).is_err() {
            return;
        }
    }
}

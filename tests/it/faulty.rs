//! A server of HTTP/1.1 that a test writes itself: what it answers, where it hangs up, where it waits.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Patience with a client that says nothing.
const DEADLINE: Duration = Duration::from_secs(60);

/// What a client asked.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// With its query.
    pub path: String,
    pub headers: HashMap<String, String>,
    /// As much as came.
    pub body: Vec<u8>,
}

impl Request {
    /// The first byte of `Range`.
    pub fn start(&self) -> usize {
        let range = self.headers.get("range").and_then(|range| range.strip_prefix("bytes="));
        range.and_then(|range| range.split('-').next()?.parse().ok()).unwrap_or(0)
    }
}

/// What it hears.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Hang up after so many bytes of the body.
    pub cut: Option<usize>,
    /// Say this length instead of the real one.
    pub length: Option<usize>,
    /// Wait before hanging up, until the client has gone.
    pub hold: bool,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

type Handler = dyn Fn(&Request) -> Answer + Send + Sync;

/// The server.
pub struct Faulty {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// All requests, in order.
    pub heard: Arc<Mutex<Vec<Request>>>,
}

impl Faulty {
    /// Serves until dropped. Bodies of requests are cut where `take` says, by path.
    pub fn start(
        take: impl Fn(&Request) -> usize + Send + Sync + 'static,
        handler: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let stop = Arc::new(AtomicBool::new(false));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (stopped, log) = (stop.clone(), heard.clone());
        let handler: Arc<Handler> = Arc::new(handler);
        let take = Arc::new(take);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                let (handler, take, log) = (handler.clone(), take.clone(), log.clone());
                let Ok(stream) = stream else { continue };
                std::thread::spawn(move || serve(stream, &*take, &*handler, &log));
            }
        });
        Self { port, stop, thread: Some(thread), heard }
    }

    /// `127.0.0.1:port`
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Wakes the listener.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    stream: TcpStream,
    take: &(dyn Fn(&Request) -> usize + Send + Sync),
    handler: &Handler,
    log: &Mutex<Vec<Request>>,
) {
    let _ = stream.set_read_timeout(Some(DEADLINE));
    let _ = stream.set_write_timeout(Some(DEADLINE));
    let Ok(reading) = stream.try_clone() else { return };
    let mut reader = BufReader::new(reading);
    let mut stream = stream;
    while let Some(mut request) = head(&mut reader) {
        let length = request.headers.get("content-length").and_then(|text| text.parse().ok());
        let length: usize = length.unwrap_or(0);
        let taken = take(&request).min(length);
        let mut body = vec![0; taken];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        request.body = body;
        let answer = handler(&request);
        log.lock().expect("no thread panics").push(request.clone());
        if taken < length {
            // Hangs up amid the request.
            return;
        }
        let whole = answer.length.unwrap_or(answer.body.len());
        let mut text = format!("HTTP/1.1 {} X\r\nContent-Length: {whole}\r\n", answer.status);
        for (name, value) in &answer.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let is_head = request.method == "HEAD";
        let end = if is_head { 0 } else { answer.cut.unwrap_or(answer.body.len()) };
        let end = end.min(answer.body.len());
        if stream
            .write_all(text.as_bytes())
            .and_then(|()| stream.write_all(&answer.body[..end]))
            .is_err()
        {
            return;
        }
        if answer.hold {
            let _ = reader.read(&mut [0]);
        }
        if !is_head && (answer.cut.is_some() || answer.length.is_some()) {
            return;
        }
    }
}

fn head(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    // A greeting of TLS is no text, and is hung up on.
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            return Some(Request { method, path, headers, body: Vec::new() });
        }
        let (name, value) = line.split_once(':')?;
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}

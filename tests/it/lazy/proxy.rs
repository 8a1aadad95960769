//! A way to a registry that lets through so many bytes a second, until it is told to hurry.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Bytes that are passed on at a time.
const PIECE_BYTES: usize = 16 << 10;

pub struct Proxy {
    address: String,
    line: Arc<Line>,
}

/// What all connections share.
struct Line {
    rate_bytes_s: AtomicU64,
    /// When the next byte may pass.
    free: Mutex<Instant>,
    passed: AtomicU64,
    is_over: AtomicBool,
}

impl Line {
    /// Waits for a turn to pass so many bytes.
    fn pass(&self, bytes: usize) {
        self.passed.fetch_add(bytes as u64, Ordering::Relaxed);
        let rate = self.rate_bytes_s.load(Ordering::Relaxed);
        if rate == 0 {
            return;
        }
        let until = {
            let mut free = self.free.lock().expect("nobody panicked");
            *free =
                (*free).max(Instant::now()) + Duration::from_secs_f64(bytes as f64 / rate as f64);
            *free
        };
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
    }
}

impl Proxy {
    pub fn start(upstream: &str, rate_bytes_s: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has one").to_string();
        let line = Arc::new(Line {
            rate_bytes_s: AtomicU64::new(rate_bytes_s),
            free: Mutex::new(Instant::now()),
            passed: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        let (upstream, shared) = (upstream.to_owned(), line.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(server) = TcpStream::connect(&upstream) else { continue };
                let both = (client.try_clone(), server.try_clone());
                let (Ok(client_too), Ok(server_too)) = both else { continue };
                let line = shared.clone();
                std::thread::spawn(move || forward(client, server, None));
                std::thread::spawn(move || forward(server_too, client_too, Some(line)));
            }
        });
        Self { address, line }
    }

    pub fn host(&self) -> String {
        self.address.clone()
    }

    /// No limit from now on.
    pub fn hurry(&self) {
        self.line.rate_bytes_s.store(0, Ordering::Relaxed);
    }

    /// Bytes that came from the registry so far.
    pub fn passed(&self) -> u64 {
        self.line.passed.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.line.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(&self.address);
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, line: Option<Arc<Line>>) {
    let mut buffer = vec![0; PIECE_BYTES];
    while let Ok(length) = from.read(&mut buffer) {
        if length == 0 {
            break;
        }
        if let Some(line) = &line {
            line.pass(length);
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

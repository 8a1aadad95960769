//! The server against raw sockets: what goes over the wire is what is judged.

use super::*;
use http::StatusCode;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

mod limits;
mod listeners;
mod streams;
mod upgrades;

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(60);

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = runtime(RuntimeOptions::default()).expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("in time") })
}

/// A server on a free port, until it is told to stop.
struct Server {
    address: String,
    shutdown: Shutdown,
    task: tokio::task::JoinHandle<Result<Drained>>,
}

impl Server {
    async fn start(limits: Limits, handler: impl Handler) -> Self {
        let listener = Listener::tcp("127.0.0.1:0").await.expect("a free port");
        Self::on(listener, limits, handler)
    }

    fn on(listener: Listener, limits: Limits, handler: impl Handler) -> Self {
        let address = listener.address();
        let shutdown = Shutdown::new();
        let task = tokio::spawn(serve(listener, limits, handler, shutdown.clone()));
        Self { address, shutdown, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.expect("a connection")
    }

    /// Sends a text and reads until the server closes.
    async fn talk(&self, text: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.expect("sent");
        rest(&mut stream).await
    }

    async fn stop(self) -> Drained {
        self.shutdown.begin();
        self.task.await.expect("no panic").expect("served")
    }
}

async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is an end, too.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads until a text has come.
async fn until(stream: &mut (impl AsyncReadExt + Unpin), text: &str) -> String {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) {
        let byte = stream.read_u8().await;
        read.push(byte.unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&read))));
    }
    String::from_utf8_lossy(&read).into_owned()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

#[test]
fn a_request_is_answered_and_its_peer_is_known() {
    run(async {
        let server = Server::start(Limits::default(), async |_| unreachable_answer()).await;
        assert_eq!(server.stop().await, Drained { cut: 0 });
        let handler = |request: Request| async move {
            let PeerAddress::Tcp(from) = peer(&request).address else {
                return unreachable_answer();
            };
            let path = request.uri().path().to_owned();
            let body = request.into_body().collect(100).await.expect("a body");
            let body = String::from_utf8_lossy(&body).into_owned();
            respond::text(StatusCode::OK, format!("{path} {body} {}", from.ip()))
        };
        let server = Server::start(Limits::default(), handler).await;
        let request =
            "POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nxyz";
        let answer = server.talk(request).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n/a xyz 127.0.0.1"), "{answer}");
        server.stop().await;
    });
}

fn unreachable_answer() -> Response {
    respond::empty(StatusCode::INTERNAL_SERVER_ERROR)
}

#[test]
fn frames_reach_the_client_one_by_one_and_a_broken_body_is_seen() {
    run(async {
        let (wake, wait) = tokio::sync::watch::channel(0);
        let handler = move |request: Request| {
            let mut wait = wait.clone();
            async move {
                let (sender, body) = Body::channel(1);
                let breaks = request.uri().path() == "/break";
                tokio::spawn(async move {
                    sender.send("first").await.expect("sent");
                    let _ = wait.wait_for(|value| *value > 0).await;
                    sender.send("second").await.expect("sent");
                    if breaks {
                        sender.abort(std::io::Error::other("broken"));
                    }
                });
                respond::with(StatusCode::OK, None, body)
            }
        };
        let server = Server::start(Limits::default(), handler).await;
        let mut stream = server.connect().await;
        stream.write_all(get("/").as_bytes()).await.expect("sent");
        until(&mut stream, "first").await;
        wake.send(1).expect("the handler waits");
        let answer = rest(&mut stream).await;
        assert!(answer.contains("second\r\n0\r\n\r\n"), "{answer}");
        let broken = server.talk(&get("/break")).await;
        assert!(broken.starts_with("HTTP/1.1 200 OK"), "{broken}");
        assert!(!broken.ends_with("0\r\n\r\n"), "a broken body must not end well: {broken}");
        server.stop().await;
    });
}

#[test]
fn a_range_of_a_file_is_sent_whole_and_a_file_that_shrank_is_not() {
    run(async {
        let mut file = tempfile::tempfile().expect("a file");
        let bytes: Vec<u8> = (0..2_000_003_u32).map(|i| i as u8).collect();
        std::io::Write::write_all(&mut file, &bytes).expect("written");
        let file = std::sync::Arc::new(file);
        let handler = move |request: Request| {
            let file = file.clone();
            async move {
                let end = if request.uri().path() == "/more" { 3_000_000 } else { 2_000_000 };
                respond::with(StatusCode::OK, None, Body::file(file, 5..end))
            }
        };
        let server = Server::start(Limits::default(), handler).await;
        let mut stream = server.connect().await;
        stream.write_all(get("/").as_bytes()).await.expect("sent");
        let head = until(&mut stream, "\r\n\r\n").await;
        assert!(head.contains("content-length: 1999995"), "{head}");
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await.expect("read");
        assert!(read == bytes[5..2_000_000], "{} bytes, or other ones", read.len());
        let mut stream = server.connect().await;
        stream.write_all(get("/more").as_bytes()).await.expect("sent");
        until(&mut stream, "\r\n\r\n").await;
        let mut read = Vec::new();
        let _ = stream.read_to_end(&mut read).await;
        assert_eq!(read.len(), bytes.len() - 5);
        server.stop().await;
    });
}

#[test]
fn a_blocking_reader_and_writer_meet_over_http() {
    run(async {
        let handler = |request: Request| async move {
            let (sender, body) = Body::channel(4);
            let mut reader = request.into_body().into_reader();
            tokio::task::spawn_blocking(move || {
                let mut writer = sender.into_writer(1000);
                if std::io::copy(&mut reader, &mut writer).is_ok() {
                    writer.finish().expect("sent");
                }
            });
            respond::with(StatusCode::OK, None, body)
        };
        let server = Server::start(Limits::default(), handler).await;
        let text = "abc".repeat(5000);
        let head = format!("Host: a\r\nConnection: close\r\nContent-Length: {}", text.len());
        let answer = server.talk(&format!("PUT / HTTP/1.1\r\n{head}\r\n\r\n{text}")).await;
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
        let sent: String = body.split("\r\n").skip(1).step_by(2).collect();
        assert!(sent == text, "{} bytes came back", sent.len());
        // A body that breaks off breaks the answer.
        let mut stream = server.connect().await;
        stream
            .write_all(format!("PUT / HTTP/1.1\r\n{head}\r\n\r\nabc").as_bytes())
            .await
            .expect("sent");
        stream.shutdown().await.expect("shut down");
        let answer = rest(&mut stream).await;
        assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
        server.stop().await;
    });
}

#[test]
fn workers_run_so_many_at_a_time() {
    run(async {
        let workers = Workers::new(2);
        let running = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (workers, running) = (workers.clone(), running.clone());
                tokio::spawn(async move {
                    let work = move || {
                        let now = running.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
                        std::thread::sleep(Duration::from_millis(2));
                        running.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        now
                    };
                    workers.run(work).await
                })
            })
            .collect();
        for task in tasks {
            assert!(task.await.expect("no panic") <= 2);
        }
    });
}

//! Measures a server that is started for it: `bench FOLDER PROGRAM [ARGUMENT…]`, where the program
//! serves the API of a cluster kept below FOLDER and says `ready on https://ADDRESS` and
//! `kubeconfig FILE` (`teu --root FOLDER server --bind 127.0.0.1:0`).
//!
//! Prints one line for each figure: name, contestant, value, unit, separated by tabs;
//! `cargo xtask bench api` makes a table of them.

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use teu_server::stored::Stored;
use teu_store::embedded::Embedded;
use teu_store::{Store, Txn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const STARTS: usize = 7;
const MANY_OBJECTS: usize = 50_000;
const CONNECTIONS: usize = 8;
const CREATES: usize = 4000;
const LISTED: usize = 1000;
const LISTS: usize = 30;
const WATCHERS: usize = 1000;
const EVENTS: usize = 50;
/// Read at a time: a record of TLS.
const READ_BYTES: usize = 16 << 10;
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// Clock ticks in a second, as `/proc` counts them.
const TICKS: f64 = 100.0;

/// A server that ends with the run.
struct Server {
    child: Child,
    address: String,
    tls: Arc<ClientConfig>,
    ready: Duration,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: bench FOLDER PROGRAM [ARGUMENT…]";
    let folder = PathBuf::from(arguments.next().context(usage)?);
    let program: Vec<String> = arguments.collect();
    ensure!(!program.is_empty(), "{usage}");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    starts(&folder, &program)?;
    let server = Server::start(&program)?;
    std::thread::sleep(Duration::from_secs(2));
    print("resident, idle and empty", server.resident_kib()? / 1024.0, "MiB");
    let ticks = server.cpu_ms()?;
    std::thread::sleep(Duration::from_secs(5));
    print("CPU of 5 s idle", server.cpu_ms()? - ticks, "ms");
    runtime.block_on(async {
        creates(&server).await?;
        lists(&server).await?;
        delete_collection(&server).await?;
        watchers(&server).await
    })?;
    print("resident after all that", server.resident_kib()? / 1024.0, "MiB");
    drop(server);
    many_objects(&folder, &program)
}

#[expect(clippy::print_stdout, reason = "what it is for")]
fn print(figure: &str, value: f64, unit: &str) {
    println!("{figure}\tteu\t{value:.3}\t{unit}");
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64) * 1000.0
}

impl Server {
    fn start(program: &[String]) -> Result<Self> {
        let begun = Instant::now();
        let mut child =
            Command::new(&program[0]).args(&program[1..]).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().context("no output")?;
        let (mut address, mut kubeconfig) = (String::new(), String::new());
        let mut ready = Duration::ZERO;
        for line in BufReader::new(out).lines() {
            let line = line?;
            let after = |mark: &str| line.split_once(mark).map(|(_, rest)| rest.to_owned());
            if let Some(rest) = after("ready on https://") {
                ready = begun.elapsed();
                address = rest.split(' ').next().unwrap_or_default().to_owned();
            }
            if let Some(path) = after("kubeconfig ") {
                kubeconfig = path;
                break;
            }
        }
        let tls = credentials(Path::new(&kubeconfig))?;
        Ok(Self { child, address, tls, ready })
    }

    async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await?;
        Ok(Connection { stream, buffer: Vec::new() })
    }

    fn resident_kib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
        Ok(number.parse()?)
    }

    fn cpu_ms(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let rest = stat.rsplit_once(')').context("no stat")?.1;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
        Ok(ticks * 1000.0 / TICKS)
    }
}

/// The admin's certificate out of a kubeconfig of ours.
fn credentials(kubeconfig: &Path) -> Result<Arc<ClientConfig>> {
    let text = std::fs::read_to_string(kubeconfig)?;
    let field = |name: &str| -> Result<String> {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
        Ok(String::from_utf8(STANDARD.decode(line.with_context(|| name.to_owned())?.trim())?)?)
    };
    let mut roots = RootCertStore::empty();
    let authority = field("certificate-authority-data:")?;
    for authority in teu_pki::certificates_from_pem(&authority, "the authority")? {
        roots.add(authority)?;
    }
    let (certificate, key) = (field("client-certificate-data:")?, field("client-key-data:")?);
    let own = teu_pki::Identity::from_pem(&certificate, &key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(own.chain().to_vec(), own.key())?;
    Ok(Arc::new(config))
}

/// HTTP/1.1, kept alive.
struct Connection {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    async fn send(&mut self, method: &str, path: &str, body: &str) -> Result<()> {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(head.as_bytes()).await?;
        Ok(self.stream.flush().await?)
    }

    async fn fill(&mut self) -> Result<()> {
        self.buffer.reserve(READ_BYTES);
        ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server has gone");
        Ok(())
    }

    async fn head(&mut self) -> Result<String> {
        loop {
            let end = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            if let Some(end) = end {
                let head = String::from_utf8(self.buffer.drain(..end + 4).collect())?;
                ensure!(head.starts_with("HTTP/1.1 20"), "refused: {head}");
                return Ok(head);
            }
            self.fill().await?;
        }
    }

    /// One request; answers the length of what came.
    async fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<usize> {
        self.send(method, path, body).await?;
        let head = self.head().await?.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.context("no length")?.trim().parse()?;
        while self.buffer.len() < length {
            self.fill().await?;
        }
        self.buffer.drain(..length);
        Ok(length)
    }

    /// Waits until a text has come.
    async fn until(&mut self, text: &[u8]) -> Result<()> {
        loop {
            if let Some(at) = self.buffer.windows(text.len()).position(|bytes| bytes == text) {
                self.buffer.drain(..at + text.len());
                return Ok(());
            }
            self.fill().await?;
        }
    }
}

fn map(name: &str) -> String {
    format!(
        r#"{{"kind":"ConfigMap","apiVersion":"v1","metadata":{{"name":"{name}","labels":{{"app":"bench"}}}},"data":{{"key":"{}"}}}}"#,
        "x".repeat(300)
    )
}

fn starts(folder: &Path, program: &[String]) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let _ = std::fs::remove_dir_all(folder);
        times.push(Server::start(program)?.ready);
    }
    let _ = std::fs::remove_dir_all(folder);
    print("from exec to ready, empty", median(times), "ms");
    Ok(())
}

async fn creates(server: &Server) -> Result<()> {
    // The first request of a kind reads its part of the tables.
    server.connect().await?.ask("POST", MAPS, &map("warm")).await?;
    let (begun, ticks) = (Instant::now(), server.cpu_ms()?);
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..CONNECTIONS {
        let mut connection = server.connect().await?;
        tasks.spawn(async move {
            for number in 0..CREATES / CONNECTIONS {
                connection.ask("POST", MAPS, &map(&format!("m-{worker}-{number}"))).await?;
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let count = CREATES as f64;
    print("creates over 8 connections", count / begun.elapsed().as_secs_f64(), "creates/s");
    print("CPU of a create", (server.cpu_ms()? - ticks) / count, "ms");
    server.connect().await?.ask("DELETE", MAPS, "").await.map(|_| ())
}

async fn lists(server: &Server) -> Result<()> {
    let mut connection = server.connect().await?;
    for number in 0..LISTED {
        connection.ask("POST", MAPS, &map(&format!("l-{number}"))).await?;
    }
    for (figure, query) in
        [("consistent list of 1,000", ""), ("list of 1,000 from memory", "?resourceVersion=0")]
    {
        let mut times = Vec::new();
        for _ in 0..LISTS {
            let begun = Instant::now();
            let length = connection.ask("GET", &format!("{MAPS}{query}"), "").await?;
            ensure!(length > LISTED * 300, "the list has only {length} bytes");
            times.push(begun.elapsed());
        }
        print(figure, median(times), "ms");
    }
    Ok(())
}

async fn delete_collection(server: &Server) -> Result<()> {
    let begun = Instant::now();
    server.connect().await?.ask("DELETE", MAPS, "").await?;
    print("delete collection of 1,000", begun.elapsed().as_secs_f64() * 1000.0, "ms");
    Ok(())
}

async fn watchers(server: &Server) -> Result<()> {
    let mut connections = Vec::new();
    for _ in 0..WATCHERS {
        let mut connection = server.connect().await?;
        connection.send("GET", &format!("{MAPS}?watch=1"), "").await?;
        connection.head().await?;
        connections.push(connection);
    }
    let (seen, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    for mut connection in connections {
        let seen = seen.clone();
        tokio::spawn(async move {
            for number in 0..EVENTS {
                let name = format!("\"name\":\"w-{number}\"");
                if connection.until(name.as_bytes()).await.is_err() {
                    return;
                }
                let _ = seen.send(Instant::now());
            }
        });
    }
    let mut writer = server.connect().await?;
    let mut times = Vec::new();
    let ticks = server.cpu_ms()?;
    for number in 0..EVENTS {
        let begun = Instant::now();
        writer.ask("POST", MAPS, &map(&format!("w-{number}"))).await?;
        for _ in 0..WATCHERS {
            match arrivals.recv().await {
                Some(at) => times.push(at.saturating_duration_since(begun)),
                None => bail!("a watcher has gone"),
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    let events = EVENTS as f64;
    print("CPU of an event for 1,000 watchers", (server.cpu_ms()? - ticks) / events, "ms");
    times.sort();
    let p99 = times.get(times.len() * 99 / 100).map_or(0.0, Duration::as_secs_f64);
    print("an event at 1,000 watchers, p50", median(times), "ms");
    print("an event at 1,000 watchers, p99", p99 * 1000.0, "ms");
    Ok(())
}

/// Puts objects right into the store of the server that has run, and starts it again.
fn many_objects(folder: &Path, program: &[String]) -> Result<()> {
    let candidates = [folder.join("server/store"), folder.join("data/store")];
    let store = candidates.iter().find(|path| path.exists()).context("no store")?;
    let store = Embedded::open(store)?;
    let mut replies = Vec::new();
    for number in 0..MANY_OBJECTS {
        let name = format!("many-{number}");
        let stored = Stored::seal(&serde_json::from_str(&map(&name))?);
        let key = format!("/registry/configmaps/default/{name}");
        replies.push(store.commit(Txn::put(key, stored.json().clone())));
        if replies.len() == 500 {
            for reply in replies.drain(..) {
                reply.wait()?;
            }
        }
    }
    drop(store);
    let times = (0..3).map(|_| Ok(Server::start(program)?.ready)).collect::<Result<Vec<_>>>()?;
    print("from exec to ready, 50,000 objects", median(times), "ms");
    Ok(())
}

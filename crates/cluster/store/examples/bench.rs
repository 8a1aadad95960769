//! Measures the embedded store and Debian's etcd in turns, on the same disk: `bench FOLDER [ROUNDS]`.
//!
//! Both are driven alike: the same trait, clients as tasks of one runtime. etcd is one member with
//! its defaults, reached over 127.0.0.1. Beside the two stands what the disk itself takes: writes of one
//! block, each durable before the next, by a thread that does nothing else. No store of one client can
//! be faster. Prints one line for each figure: name, contestant, value,
//! unit, separated by tabs; `cargo xtask bench store` makes a table of them.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use teu_store::embedded::Embedded;
use teu_store::embedded::disk::{BLOCK_BYTES, Disk};
use teu_store::embedded::folder::Folder;
use teu_store::etcd::{Config, Endpoint, Etcd};
use teu_store::{Message, Range, Span, Store, Txn, WatchRequest};

const WRITE_TIME: Duration = Duration::from_secs(2);
const WRITE_BYTES: usize = 300;
const KEYS: usize = 1000;
const DISK_BLOCKS: usize = 1024;
const RANGE_KEYS: usize = 10_000;
const RANGE_BYTES: usize = 2048;
const WATCHERS: usize = 1000;
const EVENTS: usize = 20;
const START_OBJECTS: usize = 50_000;

/// An etcd that ends with the run.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Contestant {
    name: &'static str,
    store: Arc<dyn Store>,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().context("usage: bench FOLDER [ROUNDS]")?);
    let rounds: usize = arguments.next().map_or(Ok(5), |text| text.parse())?;
    std::fs::create_dir_all(&folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let embedded = Embedded::open(&folder.join("embedded"))?;
    let (_server, etcd) = start_etcd(&folder, &runtime)?;
    let contestants = [
        Contestant { name: "teu, embedded", store: Arc::new(embedded) },
        Contestant { name: "etcd", store: Arc::new(etcd) },
    ];
    writes(&runtime, &contestants, &folder.join("disk"), rounds)?;
    ranges(&runtime, &contestants, rounds)?;
    watchers(&runtime, &contestants)?;
    drop(contestants);
    start(&folder.join("start"), rounds)
}

fn start_etcd(folder: &Path, runtime: &tokio::runtime::Runtime) -> Result<(Server, Etcd)> {
    let free = || -> Result<u16> {
        Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
    };
    let (port, peer) = (free()?, free()?);
    let client = format!("http://127.0.0.1:{port}");
    let peer = format!("http://127.0.0.1:{peer}");
    let child = Command::new("etcd")
        .arg(format!("--data-dir={}", folder.join("etcd").display()))
        .arg(format!("--listen-client-urls={client}"))
        .arg(format!("--advertise-client-urls={client}"))
        .arg(format!("--listen-peer-urls={peer}"))
        .arg(format!("--initial-advertise-peer-urls={peer}"))
        .arg(format!("--initial-cluster=default={peer}"))
        .args(["--logger=zap", "--log-level=error"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("etcd (Debian's etcd-server) does not start")?;
    let server = Server(child);
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port };
        let connecting = Etcd::connect(Config::new(vec![endpoint]), runtime.handle().clone());
        match runtime.block_on(connecting) {
            Ok(etcd) => return Ok((server, etcd)),
            Err(error) if Instant::now() > end => bail!(error),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

#[expect(clippy::print_stdout, reason = "what it is for")]
fn say(figure: &str, who: &str, value: f64, unit: &str) {
    println!("{figure}\t{who}\t{value}\t{unit}");
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn writes(
    runtime: &tokio::runtime::Runtime,
    contestants: &[Contestant],
    disk: &Path,
    rounds: usize,
) -> Result<()> {
    for clients in [1, 100] {
        let mut rates = vec![Vec::new(); contestants.len()];
        let mut floor = Vec::new();
        for _ in 0..rounds {
            for (contestant, rates) in contestants.iter().zip(&mut rates) {
                rates.push(write_rate(runtime, &contestant.store, clients)?);
            }
            if clients == 1 {
                floor.push(disk_rate(disk)?);
            }
        }
        for (contestant, mut rates) in contestants.iter().zip(rates) {
            let figure = format!("durable writes of {WRITE_BYTES} bytes, {clients} client(s)");
            say(&figure, contestant.name, median(&mut rates), "writes/s");
        }
        if clients == 1 {
            let figure = format!("durable writes of {WRITE_BYTES} bytes, 1 client(s)");
            say(&figure, "the disk alone", median(&mut floor), "writes/s");
        }
    }
    Ok(())
}

/// How often the disk makes a block durable.
fn disk_rate(folder: &Path) -> Result<f64> {
    let disk = Folder::open(folder)?;
    let mut file = disk.create("blocks")?;
    file.write_all(&vec![0; DISK_BLOCKS * BLOCK_BYTES])?;
    file.sync()?;
    let mut file = disk.open_log("blocks")?;
    let (begun, block) = (Instant::now(), [b'v'; BLOCK_BYTES]);
    let mut count = 0;
    while begun.elapsed() < WRITE_TIME {
        // As long in one block as the store's log is.
        let at = count * WRITE_BYTES / BLOCK_BYTES % DISK_BLOCKS;
        file.write((at * BLOCK_BYTES) as u64, &block)?;
        count += 1;
    }
    Ok(per_second(count, begun.elapsed()))
}

fn write_rate(
    runtime: &tokio::runtime::Runtime,
    store: &Arc<dyn Store>,
    clients: usize,
) -> Result<f64> {
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let (store, stop, count) = (Arc::clone(store), Arc::clone(&stop), Arc::clone(&count));
            runtime.spawn(async move {
                let value = bytes::Bytes::from(vec![b'v'; WRITE_BYTES]);
                for number in client.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let key = format!("/registry/configmaps/default/{}", number * 7 % KEYS);
                    store.commit(Txn::put(key, value.clone())).await?;
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, teu_store::Error>(())
            })
        })
        .collect();
    std::thread::sleep(WRITE_TIME);
    let (done, time) = (count.load(Ordering::Relaxed), begun.elapsed());
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        runtime.block_on(task)??;
    }
    // Neither carries the history of one round into the next.
    let revision = store.status().wait()?.revision;
    store.compact(revision).wait()?;
    Ok(per_second(done, time))
}

fn ranges(
    runtime: &tokio::runtime::Runtime,
    contestants: &[Contestant],
    rounds: usize,
) -> Result<()> {
    let value = bytes::Bytes::from(vec![b'v'; RANGE_BYTES]);
    for contestant in contestants {
        runtime.block_on(async {
            for some in (0..RANGE_KEYS).collect::<Vec<_>>().chunks(100) {
                let put = |number: &usize| {
                    let key = format!("/registry/pods/default/{number}");
                    contestant.store.commit(Txn::put(key, value.clone()))
                };
                for reply in some.iter().map(put).collect::<Vec<_>>() {
                    reply.await?;
                }
            }
            Ok::<_, teu_store::Error>(())
        })?;
    }
    let mut times = vec![Vec::new(); contestants.len()];
    for _ in 0..rounds {
        for (contestant, times) in contestants.iter().zip(&mut times) {
            let begun = Instant::now();
            let range = Range::all(Span::prefix("/registry/pods/"));
            let listed = runtime.block_on(contestant.store.range(range))?;
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
            anyhow::ensure!(listed.kvs.len() == RANGE_KEYS, "a range is not whole");
        }
    }
    for (contestant, mut times) in contestants.iter().zip(times) {
        let figure = format!("range of {RANGE_KEYS} keys of {RANGE_BYTES} bytes");
        say(&figure, contestant.name, median(&mut times), "ms");
    }
    Ok(())
}

fn watchers(runtime: &tokio::runtime::Runtime, contestants: &[Contestant]) -> Result<()> {
    for contestant in contestants {
        let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let span = || Span::prefix("/registry/watched/");
        let mut tasks = Vec::new();
        for _ in 0..WATCHERS {
            let mut watch =
                runtime.block_on(contestant.store.watch(WatchRequest::new(span(), 0)))?;
            let sender = sender.clone();
            tasks.push(runtime.spawn(async move {
                while let Ok(message) = watch.next().await {
                    if let Message::Events(events) = message {
                        let at = Instant::now();
                        for _ in &events {
                            let _ = sender.send(at);
                        }
                    }
                }
            }));
        }
        let mut latencies = Vec::new();
        for number in 0..EVENTS {
            let put = Txn::put("/registry/watched/a", number.to_string());
            // From the answer of the write: before, nobody may see it.
            runtime.block_on(contestant.store.commit(put))?;
            let written = Instant::now();
            for _ in 0..WATCHERS {
                let at = runtime.block_on(seen.recv()).context("a watcher ended")?;
                latencies.push(at.saturating_duration_since(written).as_secs_f64() * 1000.0);
            }
        }
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        latencies.sort_by(f64::total_cmp);
        let p99 = latencies[latencies.len() * 99 / 100];
        let figure = format!("an event seen by {WATCHERS} watchers, 99th percentile");
        say(&figure, contestant.name, p99, "ms");
    }
    Ok(())
}

/// Opening a store of many objects: from its log, and from its checkpoint.
fn start(folder: &Path, rounds: usize) -> Result<()> {
    let value = bytes::Bytes::from(vec![b'v'; RANGE_BYTES]);
    let store = Embedded::open(folder)?;
    for first in (0..START_OBJECTS).step_by(500) {
        let put = |number: usize| {
            store.commit(Txn::put(format!("/registry/pods/default/{number}"), value.clone()))
        };
        for reply in (first..first + 500).map(put).collect::<Vec<_>>() {
            reply.wait()?;
        }
    }
    drop(store);
    let measure = |figure: &str| -> Result<()> {
        let mut times = Vec::new();
        for _ in 0..rounds {
            let begun = Instant::now();
            let store = Embedded::open(folder)?;
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
            drop(store);
        }
        let figure = format!("start with {START_OBJECTS} objects of {RANGE_BYTES} bytes, {figure}");
        say(&figure, "teu, embedded", median(&mut times), "ms");
        Ok(())
    };
    measure("as they were left")?;
    let store = Embedded::open(folder)?;
    store.compact(store.status().wait()?.revision).wait()?;
    store.defragment().wait()?;
    drop(store);
    measure("compacted")
}

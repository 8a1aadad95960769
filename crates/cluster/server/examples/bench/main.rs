//! Measures a server that is started for it: `bench FOLDER PROGRAM [ARGUMENT…]`, where the program
//! serves the API of a cluster kept below FOLDER and says `ready on https://ADDRESS` and
//! `kubeconfig FILE` (`teu --root FOLDER server --bind 127.0.0.1:0`).
//!
//! Prints one line for each figure: name, contestant, value, unit, separated by tabs;
//! `cargo xtask bench api` makes a table of them.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use teu_server::stored::Stored;
use teu_store::embedded::Embedded;
use teu_store::{Store, Txn};

mod connection;
mod server;
mod streams;
mod watchers;

use server::Server;

const STARTS: usize = 7;
const MANY_OBJECTS: usize = 50_000;
const CONNECTIONS: usize = 8;
const CREATES: usize = 4000;
const LISTED: usize = 1000;
const LISTS: usize = 30;
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// For an idle server to do what it should not.
const IDLE: Duration = Duration::from_secs(5);

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: bench FOLDER PROGRAM [ARGUMENT…]";
    let folder = PathBuf::from(arguments.next().context(usage)?);
    let program: Vec<String> = arguments.collect();
    ensure!(!program.is_empty(), "{usage}");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    starts(&folder, &program)?;
    let server = Server::start(&program)?;
    idle(&server)?;
    runtime.block_on(async {
        creates(&server).await?;
        lists(&server).await?;
        delete_collection(&server).await
    })?;
    watchers::run(&server, &runtime)?;
    streams::run(&server, &runtime)?;
    print("resident after all that", server.resident_kib()? / 1024.0, "MiB");
    drop(server);
    many_objects(&folder, &program, &runtime)
}

fn idle(server: &Server) -> Result<()> {
    std::thread::sleep(Duration::from_secs(2));
    print("resident, idle and empty", server.resident_kib()? / 1024.0, "MiB");
    let (ticks, wakes) = (server.cpu_ms()?, server.wakes()?);
    std::thread::sleep(IDLE);
    print("CPU of 5 s idle", server.cpu_ms()? - ticks, "ms");
    print("threads that woke in 5 s idle", server.wakes()? - wakes, "times");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what it is for")]
fn print(figure: &str, value: f64, unit: &str) {
    println!("{figure}\tteu\t{value:.3}\t{unit}");
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(0.0, milliseconds)
}

fn milliseconds(time: &Duration) -> f64 {
    time.as_secs_f64() * 1000.0
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

/// Puts objects right into the store of the server that has run, and starts it again.
fn many_objects(
    folder: &Path,
    program: &[String],
    runtime: &tokio::runtime::Runtime,
) -> Result<()> {
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
    let server = Server::start(program)?;
    std::thread::sleep(Duration::from_secs(2));
    let bytes = runtime.block_on(async {
        let mut connection = server.connect().await?;
        connection.ask("GET", &format!("{MAPS}?resourceVersion=0"), "").await
    })?;
    print("resident, 50,000 objects, listed once", server.resident_kib()? / 1024.0, "MiB");
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    let each = (bytes / MANY_OBJECTS) as f64;
    print("such an object as JSON", each, "bytes");
    Ok(())
}

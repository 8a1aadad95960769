//! The etcd backend: one member, three members, and three of which some fail.

use crate::cluster::{Cluster, TlsFiles};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use teu_store::cache::{Cache, CacheConfig, ListAt};
use teu_store::clock::Monotonic;
use teu_store::etcd::{Config, Etcd};
use teu_store::suite::load::Load;
use teu_store::suite::{self, Say, in_time, take_events};
use teu_store::{Consistency, Error, Message, Span, Store, Txn};

#[test]
fn the_suite_on_one_member() {
    let cluster = Cluster::start_calm(1);
    suite::run(&cluster.patient(0));
}

#[test]
fn the_suite_on_three_members() {
    let cluster = Cluster::start_calm(3);
    suite::run(&cluster.patient(1));
}

#[test]
fn progress_of_a_version_that_orders_it() {
    let cluster = Cluster::start(1);
    let config = Config { ordered_progress: Some(true), ..cluster.config(&cluster.ports) };
    let connecting = Etcd::connect(config, cluster.runtime.handle().clone());
    let store: Arc<dyn Store> = Arc::new(cluster.runtime.block_on(connecting).unwrap());
    let mut watch = store.watching(Span::prefix("/p/"), 0);
    let revision = store.done(Txn::put("/other", "x"));
    watch.ask().unwrap();
    loop {
        match in_time("a report", watch.next()).unwrap() {
            Message::Progress(seen) if seen >= revision => break,
            Message::Progress(_) => watch.ask().unwrap(),
            Message::Events(events) => panic!("{events:?}"),
        }
    }
}

/// What stands under a load while members fail: clients of all members, and watchers that miss
/// nothing.
fn under_load(cluster: &mut Cluster, name: &str, fail: impl FnOnce(&mut Cluster)) {
    let clients: Vec<_> = (0..4).map(|client| cluster.store(client)).collect();
    let prefix = format!("/f/{name}/");
    let span = Span::prefix(prefix.clone());
    let mut watches: Vec<_> =
        (0..3).map(|member| cluster.store(member).watching(span.clone(), 0)).collect();
    let from = clients[0].now();
    let load = Load {
        prefix,
        clients: clients.len(),
        keys: 4,
        operations: 60,
        pause: Duration::from_millis(40),
    };
    let report = std::thread::scope(|scope| {
        let running = scope.spawn(|| suite::load::run(&clients, &load));
        std::thread::sleep(Duration::from_millis(500));
        fail(cluster);
        running.join().expect("the load")
    });
    assert!(report.answered > report.lost, "{report:?}");
    // All watchers saw the same: every change, once, in order.
    let end = clients[0].done(Txn::put(format!("/f/{name}/end"), "x"));
    let seen: Vec<Vec<_>> = watches
        .iter_mut()
        .map(|watch| {
            let mut events = Vec::new();
            while events.last().is_none_or(|event: &teu_store::Event| event.kv.modified < end) {
                events.extend(take_events(watch, 1));
            }
            events
        })
        .collect();
    assert!(seen[0].windows(2).all(|pair| pair[0].kv.modified < pair[1].kv.modified));
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
    // And it is what a new one finds in the history.
    let mut late = clients[0].watching(span, from + 1);
    assert_eq!(take_events(&mut late, seen[0].len()), seen[0]);
}

#[test]
fn members_stop_and_stand_still() {
    let mut cluster = Cluster::start(3);
    under_load(&mut cluster, "killed", |cluster| {
        cluster.kill(0);
        std::thread::sleep(Duration::from_secs(1));
        cluster.run(0);
    });
    under_load(&mut cluster, "paused", |cluster| {
        for member in 0..3 {
            cluster.pause(member);
            std::thread::sleep(Duration::from_millis(1500));
            cluster.resume(member);
        }
    });
}

#[test]
fn without_a_majority_it_says_so_and_recovers() {
    let mut cluster = Cluster::start(3);
    let mut config = cluster.config(&cluster.ports);
    (config.attempt, config.call) = (Duration::from_millis(500), Duration::from_secs(2));
    let connecting = Etcd::connect(config, cluster.runtime.handle().clone());
    let store: Arc<dyn Store> = Arc::new(cluster.runtime.block_on(connecting).unwrap());
    let before = store.done(Txn::put("/m/a", "1"));
    // The last member has to have it before the others go.
    let last = cluster.store_at(&cluster.ports[2..]);
    let end = std::time::Instant::now() + suite::DEADLINE;
    while in_time("a get", last.get(b"/m/a", Consistency::Local)).unwrap().revision < before {
        assert!(std::time::Instant::now() < end);
    }
    cluster.kill(0);
    cluster.kill(1);
    let read = in_time("a get", store.get(b"/m/a", Consistency::Linearizable));
    assert!(matches!(read, Err(Error::Unavailable { .. })), "{read:?}");
    let text = read.unwrap_err().to_string();
    assert!(text.contains("127.0.0.1:"), "{text}");
    let write = in_time("a put", store.commit(Txn::put("/m/a", "2")));
    let unsure = matches!(write, Err(Error::Unavailable { .. } | Error::Uncertain { .. }));
    assert!(unsure, "{write:?}");
    // What one member has can still be read, if that is enough.
    let local = in_time("a get", store.get(b"/m/a", Consistency::Local)).unwrap();
    assert_eq!(local.kv.map(|kv| kv.modified), Some(before));
    cluster.run(0);
    let end = std::time::Instant::now() + suite::DEADLINE;
    while in_time("a put", store.commit(Txn::put("/m/b", "3"))).is_err() {
        assert!(std::time::Instant::now() < end, "it did not recover");
    }
    assert!(store.key("/m/a").is_some());
}

/// Between a client and a member; can be cut, as a network is: nothing is closed, nothing passes.
struct Line {
    port: u16,
    cut: Arc<AtomicBool>,
}

impl Line {
    fn to(member: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(AtomicBool::new(false));
        let is_cut = Arc::clone(&cut);
        // These threads end with the process: a test's, and soon.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(member) = TcpStream::connect(("127.0.0.1", member)) else { continue };
                for (from, to) in
                    [(client.try_clone().unwrap(), member.try_clone().unwrap()), (member, client)]
                {
                    let cut = Arc::clone(&is_cut);
                    std::thread::spawn(move || pass(from, to, &cut));
                }
            }
        });
        Self { port, cut }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, cut: &AtomicBool) {
    let mut buffer = [0; 16 << 10];
    while let Ok(read) = from.read(&mut buffer) {
        if cut.load(Ordering::Relaxed) {
            continue;
        }
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[test]
fn a_cut_line_is_left_for_another_member() {
    let cluster = Cluster::start(3);
    let lines: Vec<_> = cluster.ports.iter().map(|port| Line::to(*port)).collect();
    let ports: Vec<_> = lines.iter().map(|line| line.port).collect();
    let store = cluster.store_at(&ports);
    let direct = cluster.store(0);
    let mut watch = store.watching(Span::prefix("/c/"), 0);
    let mut expected = Vec::new();
    for round in 0..3 {
        for line in &lines {
            line.cut.store(false, Ordering::Relaxed);
        }
        expected.push(direct.done(Txn::put("/c/a", round.to_string())));
        // Whichever member it is at: only one line is whole, each round another.
        for (member, line) in lines.iter().enumerate() {
            line.cut.store(member != round, Ordering::Relaxed);
        }
        expected.push(direct.done(Txn::put("/c/a", "while cut")));
        let kv = in_time("a get", store.get(b"/c/a", Consistency::Linearizable)).unwrap().kv;
        assert_eq!(kv.map(|kv| kv.modified), expected.last().copied());
    }
    let events = take_events(&mut watch, expected.len());
    let seen: Vec<_> = events.iter().map(|event| event.kv.modified).collect();
    assert_eq!(seen, expected, "the watch was resumed and missed nothing");
}

/// An authority of our own, a certificate for the members, one for the client.
fn certificates(folder: &Path) -> TlsFiles {
    let authority = teu_pki::Authority::create("a test's").unwrap();
    let server = authority.issue(&teu_pki::Request::server(["127.0.0.1"])).unwrap();
    let client = authority.issue(&teu_pki::Request::client("teu")).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    std::fs::write(path("ca.pem"), authority.certificate_pem()).unwrap();
    server.save(Path::new(&path("server.pem")), Path::new(&path("server.key"))).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    let pem = authority.certificate_pem();
    for certificate in teu_pki::certificates_from_pem(&pem, "the authority").unwrap() {
        roots.add(certificate).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(client.chain().to_vec(), client.key())
        .unwrap();
    TlsFiles {
        authority: path("ca.pem"),
        certificate: path("server.pem"),
        key: path("server.key"),
        client: Arc::new(config),
    }
}

#[test]
fn over_tls_with_certificates_on_both_sides() {
    let cluster = Cluster::start_with(1, |folder| Some(certificates(folder)));
    let store = cluster.patient(0);
    let mut watch = store.watching(Span::prefix("/t/"), 0);
    let revision = store.done(Txn::create("/t/a", "secret"));
    assert_eq!(take_events(&mut watch, 1)[0].kv.modified, revision);
    // Who has no certificate, or another authority, is not let in, or does not let himself in.
    for config in [
        Config { tls: None, ..cluster.config(&cluster.ports) },
        Config {
            tls: Some(certificates(tempfile::tempdir().unwrap().path()).client),
            ..cluster.config(&cluster.ports)
        },
    ] {
        let config = Config { call: Duration::from_millis(500), ..config };
        let connecting = Etcd::connect(config, cluster.runtime.handle().clone());
        let refused = cluster.runtime.block_on(connecting);
        assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
    }
}

#[test]
fn a_cache_over_a_member_that_cannot_report_progress() {
    let cluster = Cluster::start(1);
    let store = cluster.patient(0);
    let config = CacheConfig { wait: Duration::from_millis(20), ..CacheConfig::new("/k/") };
    let clock = Arc::new(Monotonic::new());
    let decode = |kv: &teu_store::KeyValue| kv.value.len();
    let (cache, feed) = Cache::new(Arc::clone(&store), clock, config, decode);
    cluster.runtime.spawn(feed.run());
    let _entered = cluster.runtime.enter();
    for number in 1..20 {
        store.done(Txn::put("/k/a", "x".repeat(number)));
        let other = store.done(Txn::put("/other", "x"));
        let span = Span::prefix("/k/");
        let list = cache.list(&span, ListAt::Consistent);
        let list = in_time("a consistent list", list).unwrap();
        assert!(list.revision >= other);
        let objects: Vec<_> = list.items.iter().map(|item| item.object).collect();
        assert_eq!(objects, [number]);
    }
}

//! Real etcd members on 127.0.0.1, with data in a temporary folder, ended by pid.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use teu_store::Store;
use teu_store::etcd::{Config, Endpoint, Etcd};
use teu_store::suite;
use tokio::runtime::Runtime;

/// A cluster that runs as long as this lives.
pub struct Cluster {
    pub runtime: Runtime,
    pub folder: tempfile::TempDir,
    /// Ports for clients.
    pub ports: Vec<u16>,
    members: Vec<Member>,
    tls: Option<TlsFiles>,
}

struct Member {
    arguments: Vec<String>,
    child: Option<Child>,
}

/// Certificates of a cluster that speaks TLS: files for etcd, a configuration for its client.
#[derive(Clone)]
pub struct TlsFiles {
    pub authority: String,
    pub certificate: String,
    pub key: String,
    pub client: Arc<rustls::ClientConfig>,
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

impl Cluster {
    pub fn start(count: usize) -> Self {
        Self::start_with(count, |_| None)
    }

    /// Starts members and waits until they serve. Ports are free when they are chosen; should
    /// another take one before etcd does, it is tried again.
    pub fn start_with(count: usize, tls: impl Fn(&Path) -> Option<TlsFiles>) -> Self {
        Self::start_as(count, tls, &[])
    }

    /// Members that do not take one for lost that waits seconds for its disk.
    pub fn start_calm(count: usize) -> Self {
        Self::start_as(count, |_| None, &["--heartbeat-interval=500", "--election-timeout=10000"])
    }

    fn start_as(count: usize, tls: impl Fn(&Path) -> Option<TlsFiles>, options: &[&str]) -> Self {
        let mut logs = Vec::new();
        for _ in 0..10 {
            let mut cluster = Self::prepare(count, &tls);
            for member in &mut cluster.members {
                member.arguments.extend(options.iter().map(|&option| option.to_owned()));
            }
            (0..count).for_each(|member| cluster.run(member));
            if cluster.serves() {
                return cluster;
            }
            logs.extend((0..count).map(|member| {
                let path = cluster.folder.path().join(format!("m{member}.log"));
                std::fs::read_to_string(path).unwrap_or_default()
            }));
        }
        panic!("etcd did not start ten times: {logs:#?}");
    }

    fn prepare(count: usize, tls: &impl Fn(&Path) -> Option<TlsFiles>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tls = tls(folder.path());
        let ports: Vec<u16> = (0..count).map(|_| free_port()).collect();
        let peers: Vec<u16> = (0..count).map(|_| free_port()).collect();
        let all: Vec<_> = peers
            .iter()
            .enumerate()
            .map(|(member, port)| format!("m{member}=http://127.0.0.1:{port}"))
            .collect();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let token = folder.path().display().to_string();
        let member = |member: usize| {
            let client = format!("{scheme}://127.0.0.1:{}", ports[member]);
            let peer = format!("http://127.0.0.1:{}", peers[member]);
            let data = folder.path().join(format!("m{member}")).display().to_string();
            let name = format!("m{member}");
            let mut arguments: Vec<String> = [
                ("name", &*name),
                ("data-dir", &data),
                ("listen-client-urls", &client),
                ("advertise-client-urls", &client),
                ("listen-peer-urls", &peer),
                ("initial-advertise-peer-urls", &peer),
                ("initial-cluster", &all.join(",")),
                ("initial-cluster-state", "new"),
                ("initial-cluster-token", &token),
                ("logger", "zap"),
                ("log-level", "error"),
            ]
            .into_iter()
            .map(|(name, value)| format!("--{name}={value}"))
            .collect();
            if let Some(tls) = &tls {
                arguments.push(format!("--cert-file={}", tls.certificate));
                arguments.push(format!("--key-file={}", tls.key));
                arguments.push(format!("--trusted-ca-file={}", tls.authority));
                arguments.push("--client-cert-auth".to_owned());
            }
            Member { arguments, child: None }
        };
        let members = (0..count).map(member).collect();
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
        Self { runtime, folder, ports, members, tls }
    }

    /// Starts a member that does not run.
    pub fn run(&mut self, member: usize) {
        let log = std::fs::File::create(self.folder.path().join(format!("m{member}.log"))).unwrap();
        let member = &mut self.members[member];
        let child = Command::new("etcd")
            .args(&member.arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Debian's etcd-server is installed (scripts/test does it)");
        member.child = Some(child);
    }

    fn serves(&mut self) -> bool {
        let end = Instant::now() + suite::DEADLINE;
        while Instant::now() < end {
            let ended = self.members.iter_mut().filter_map(|member| member.child.as_mut());
            if ended.filter_map(|child| child.try_wait().unwrap()).next().is_some() {
                return false;
            }
            let alive = (0..self.ports.len()).all(|member| {
                let store = self.try_store(&[self.ports[member]]);
                store.is_some_and(|store| store.status().wait().is_ok())
            });
            if alive {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// Short times, so that a fault is seen soon.
    pub fn config(&self, ports: &[u16]) -> Config {
        let endpoint = |port: &u16| Endpoint { host: "127.0.0.1".to_owned(), port: *port };
        Config {
            tls: self.tls.as_ref().map(|tls| Arc::clone(&tls.client)),
            connect: Duration::from_secs(1),
            attempt: Duration::from_secs(2),
            call: Duration::from_secs(60),
            heartbeat: Duration::from_secs(1),
            ..Config::new(ports.iter().map(endpoint).collect())
        }
    }

    fn try_store(&self, ports: &[u16]) -> Option<Arc<dyn Store>> {
        let config = Config { call: Duration::from_secs(2), ..self.config(ports) };
        let store = self.runtime.block_on(Etcd::connect(config, self.runtime.handle().clone()));
        store.ok().map(|store| Arc::new(store) as Arc<dyn Store>)
    }

    /// A client of its own, which begins with the members behind these ports.
    pub fn store_at(&self, ports: &[u16]) -> Arc<dyn Store> {
        let connecting = Etcd::connect(self.config(ports), self.runtime.handle().clone());
        Arc::new(self.runtime.block_on(connecting).unwrap())
    }

    /// A client of all members, which begins with this one.
    pub fn store(&self, first: usize) -> Arc<dyn Store> {
        self.store_at(&self.beginning_with(first))
    }

    fn beginning_with(&self, first: usize) -> Vec<u16> {
        let mut ports = self.ports.clone();
        let count = ports.len();
        ports.rotate_left(first % count);
        ports
    }

    /// Likewise, for what is asked where nothing fails on purpose: a machine may be slow for seconds.
    pub fn patient(&self, first: usize) -> Arc<dyn Store> {
        let ports = self.beginning_with(first);
        let minute = Duration::from_secs(60);
        let config =
            Config { connect: minute, attempt: minute, heartbeat: minute, ..self.config(&ports) };
        let connecting = Etcd::connect(config, self.runtime.handle().clone());
        Arc::new(self.runtime.block_on(connecting).unwrap())
    }

    fn signal(&self, member: usize, signal: rustix::process::Signal) {
        let child = self.members[member].child.as_ref().expect("it runs");
        let pid = i32::try_from(child.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Holds a member still.
    pub fn pause(&self, member: usize) {
        self.signal(member, rustix::process::Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self, member: usize) {
        self.signal(member, rustix::process::Signal::CONT);
    }

    /// Kills a member.
    pub fn kill(&mut self, member: usize) {
        let mut child = self.members[member].child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for member in &mut self.members {
            if let Some(mut child) = member.child.take() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

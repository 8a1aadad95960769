//! A real etcd cluster of three on 127.0.0.1, whose members speak with each other over lines that
//! can be cut.

use super::partition::{Line, Network};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
pub const MEMBERS: usize = 3;

/// The cluster; its members are killed when this goes.
pub struct Members {
    pub network: Arc<Network>,
    /// Ports for clients.
    pub ports: Vec<u16>,
    folder: tempfile::TempDir,
    arguments: Vec<Vec<String>>,
    children: Vec<Option<Child>>,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

impl Members {
    /// Starts them and waits for a leader; ports are free when they are chosen, and should another
    /// take one before, it is tried again.
    pub fn start() -> Self {
        for _ in 0..3 {
            let mut members = Self::prepare();
            (0..MEMBERS).for_each(|member| members.run(member));
            if members.find_out() {
                return members;
            }
        }
        panic!("etcd did not start three times");
    }

    fn prepare() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let network = Arc::new(Network::default());
        let ports: Vec<u16> = (0..MEMBERS).map(|_| free_port()).collect();
        let peers: Vec<u16> = (0..MEMBERS).map(|_| free_port()).collect();
        let lines: Vec<u16> =
            (0..MEMBERS).map(|member| Line::open(&network, member, peers[member])).collect();
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let names = |member: usize| format!("m{member}={}", url(lines[member]));
        let cluster = (0..MEMBERS).map(names).collect::<Vec<_>>().join(",");
        let arguments = |member: usize| {
            let data = folder.path().join(format!("m{member}")).display().to_string();
            let pairs = [
                ("name", format!("m{member}")),
                ("data-dir", data),
                ("listen-client-urls", url(ports[member])),
                ("advertise-client-urls", url(ports[member])),
                ("listen-peer-urls", url(peers[member])),
                ("initial-advertise-peer-urls", url(lines[member])),
                ("initial-cluster", cluster.clone()),
                ("initial-cluster-token", folder.path().display().to_string()),
                ("logger", "zap".to_owned()),
                ("log-level", "error".to_owned()),
            ];
            pairs.map(|(name, value)| format!("--{name}={value}")).to_vec()
        };
        let arguments = (0..MEMBERS).map(arguments).collect();
        let children = (0..MEMBERS).map(|_| None).collect();
        Self { network, ports, folder, arguments, children }
    }

    /// Starts one that does not run.
    pub fn run(&mut self, member: usize) {
        let log = Path::new(self.folder.path()).join(format!("m{member}.log"));
        let child = Command::new("etcd")
            .args(&self.arguments[member])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(log).expect("a log"))
            .spawn();
        self.children[member] = Some(child.expect("Debian's etcd-server is installed"));
    }

    /// Waits for a leader, and finds out the members' numbers, by which lines know who speaks.
    fn find_out(&mut self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let children = self.children.iter_mut().flatten();
            if children.filter_map(|child| child.try_wait().ok().flatten()).next().is_some() {
                return false;
            }
            let states: Vec<_> = (0..MEMBERS).map(|member| self.state(member)).collect();
            if states.iter().all(|state| state.is_some_and(|(_, leader)| leader != 0)) {
                for (member, state) in states.into_iter().flatten().enumerate() {
                    self.network.name(member, state.0);
                }
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// A member's own number and its leader's (0: none), as it says itself.
    fn state(&self, member: usize) -> Option<(u64, u64)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports[member])).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let ask = "POST /v3/maintenance/status HTTP/1.0\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
        stream.write_all(ask.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let state: Value = serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()?;
        let number = |text: &Value| text.as_str().map_or(Some(0), |text| text.parse().ok());
        Some((number(&state["header"]["member_id"])?, number(&state["leader"])?))
    }

    /// Who leads, as most say.
    pub fn leader(&self) -> usize {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "etcd finds no leader");
            let states: Vec<_> = (0..MEMBERS).filter_map(|member| self.state(member)).collect();
            let said = |id: u64| states.iter().filter(|state| state.1 == id).count();
            let leads = |member: usize| said(self.network.number(member)) * 2 > MEMBERS;
            if let Some(leader) = (0..MEMBERS).find(|member| leads(*member)) {
                return leader;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until most follow another than this one.
    pub fn succeed(&self, leader: usize) {
        let begun = Instant::now();
        while self.leader() == leader {
            assert!(begun.elapsed() < PATIENCE, "nobody takes the place of {leader}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until all follow one leader again.
    pub fn settle(&self) {
        let begun = Instant::now();
        loop {
            let states: Vec<_> = (0..MEMBERS).filter_map(|member| self.state(member)).collect();
            let is_one = states.windows(2).all(|pair| pair[0].1 == pair[1].1);
            if states.len() == MEMBERS && is_one && states[0].1 != 0 {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "etcd does not become one again: {states:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn signal(&self, member: usize, signal: rustix::process::Signal) {
        let child = self.children[member].as_ref().expect("it runs");
        let pid = rustix::process::Pid::from_child(child);
        rustix::process::kill_process(pid, signal).expect("it is ours");
    }

    /// Holds one still.
    pub fn pause(&self, member: usize) {
        self.signal(member, rustix::process::Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self, member: usize) {
        self.signal(member, rustix::process::Signal::CONT);
    }

    /// SIGKILL.
    pub fn kill(&mut self, member: usize) {
        if let Some(mut child) = self.children[member].take() {
            child.kill().expect("it is ours");
            child.wait().expect("it is ours");
        }
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        (0..MEMBERS).for_each(|member| self.kill(member));
    }
}

//! A server in a process of its own, on a folder that outlives it: started, killed, started again.

use super::client::Door;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{PoisonError, RwLock};
use teu_server::{Config, Event, StoreConfig, run};

const FOLDER: &str = "TEU_SERVER_FAULTS_FOLDER";
const STORE: &str = "TEU_SERVER_FAULTS_STORE";
/// Starts that are tried.
const TRIES: usize = 3;

/// The configuration of a server in a folder.
pub fn config(folder: &Path) -> Config {
    let mut config = Config::new(folder.join("data"), folder.join("run"));
    config.bind = "127.0.0.1:0".to_owned();
    config
}

/// The process.
#[test]
#[ignore = "run by the tests beside it, which kill it"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let mut config = config(Path::new(&folder));
    config.store = StoreConfig::parse(&std::env::var(STORE).expect("a store")).expect("a store");
    if config.store != StoreConfig::Embedded {
        // Several servers are one cluster, so they have one authority.
        let secret = Path::new(&folder).join("secret");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(&secret, "one secret of all servers").expect("written");
        config.join_secret = Some(secret);
    }
    let served = run(&config, |event| {
        if let Event::Ready { address, .. } = event {
            // One call, so that the line is whole or absent.
            let line = format!("ready on {address}\n");
            std::io::stdout().write_all(line.as_bytes()).expect("somebody listens");
        }
    });
    served.expect("it serves until it is killed");
}

/// A server that is killed when this goes.
pub struct Process {
    pub folder: PathBuf,
    pub store: String,
    child: Option<Child>,
}

impl Process {
    /// None yet.
    pub fn new(folder: &Path, store: &str) -> Self {
        Self { folder: folder.to_path_buf(), store: store.to_owned(), child: None }
    }

    /// Starts it and does not wait.
    pub fn begin(&mut self) {
        // As few files at first as some system gives.
        let child = Command::new("sh")
            .args(["-c", "ulimit -S -n 256; exec \"$@\"", "sh"])
            .arg(std::env::current_exe().expect("this program"))
            .args(["--exact", "faults::process::child", "--ignored", "--nocapture"])
            .env(FOLDER, OsString::from(&self.folder))
            .env(STORE, &self.store)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        self.child = Some(child.expect("this program starts"));
    }

    /// Starts it and waits until it is ready. Its store may have to be found by another try.
    pub fn start(&mut self) -> Door {
        for _ in 0..TRIES {
            self.begin();
            let output = self.child.as_mut().and_then(|child| child.stdout.take());
            let mut lines = BufReader::new(output.expect("it is piped")).lines();
            let ready = lines.by_ref().map_while(Result::ok).find_map(|line| {
                // With one processor, the harness has begun the line with the test's name.
                let (_, address) = line.split_once("ready on ")?;
                Some(address.parse().expect("an address"))
            });
            if let Some(address) = ready {
                // What else it says goes nowhere, but it must not find a closed pipe.
                std::thread::spawn(move || lines.for_each(drop));
                return Door::read(address, &config(&self.folder).kubeconfig());
            }
            self.kill();
        }
        panic!("the server ended before it was ready, {TRIES} times");
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is ours");
            child.wait().expect("it is ours");
        }
    }
}

#[test]
fn as_many_files_as_may_be_are_for_connections() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Process::new(folder.path(), "embedded");
    server.start();
    let id = server.child.as_ref().expect("it runs").id();
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).expect("its limits");
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let counts: Vec<&str> = files.expect("a line").split_whitespace().collect();
    assert_eq!(counts[0], counts[1], "{limits}");
    assert_ne!(counts[0], "256");
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where servers are now, for those who come again.
pub struct Doors(RwLock<Vec<Door>>);

impl Doors {
    pub fn new(doors: Vec<Door>) -> Self {
        Self(RwLock::new(doors))
    }

    pub fn get(&self, server: usize) -> Door {
        let doors = self.0.read().unwrap_or_else(PoisonError::into_inner);
        doors[server % doors.len()].clone()
    }

    pub fn set(&self, server: usize, door: Door) {
        self.0.write().unwrap_or_else(PoisonError::into_inner)[server] = door;
    }
}

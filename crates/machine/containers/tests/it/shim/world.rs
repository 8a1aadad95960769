//! A home of its own for every test, with containers whose root is busybox; gone when it is dropped.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use teu_containers::Home;
use teu_containers::record::{ContainerRecord, NetworkChoice, PodRecord};
use teu_containers::shim::protocol::{Reply, Request, Streams};
use teu_containers::shim::{Connection, connect, spawn};
use teu_containers::state::ContainerState;

/// Nothing here takes longer, however busy the machine is.
const LIMIT: Duration = Duration::from_secs(60);

/// One home.
pub struct World {
    pub home: Home,
    folder: PathBuf,
    pods: Vec<PodRecord>,
}

/// The program that shims are started from: an example of this crate.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("examples/shim");
    assert!(program.exists(), "{} is missing: run all targets", program.display());
    program
}

/// The root of every container here, made by `scripts/images`.
fn rootfs() -> PathBuf {
    let folder = std::env::var_os("TEU_TEST_IMAGES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../.cache/images"),
        PathBuf::from,
    );
    let rootfs = folder.join("busybox-rootfs");
    assert!(rootfs.exists(), "{} is missing: scripts/images busybox", rootfs.display());
    rootfs
}

/// 64 hex digits that no other test has.
pub fn id() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("a{:015x}{:032x}{count:016x}", instant(), std::process::id())
}

fn instant() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
        & 0xffff_ffff_ffff
}

/// Words of a command line.
pub fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A shell script as a command.
pub fn script(text: &str) -> Vec<String> {
    vec!["sh".to_owned(), "-c".to_owned(), text.to_owned()]
}

impl World {
    pub fn new() -> Self {
        let folder = PathBuf::from(format!("/tmp/teu-shim-{}", &id()[32..]));
        std::fs::create_dir(&folder).unwrap();
        let home = Home::at(&folder);
        for name in ["pods", "events", "names", "tmp", "volumes", "networks", "run/pods"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        Self { home, folder, pods: Vec::new() }
    }

    /// A pod of one, without a network.
    pub fn container(&mut self, command: Vec<String>) -> ContainerRecord {
        self.edited(command, |_, _| ())
    }

    /// Likewise, changed before it is written.
    pub fn edited(
        &mut self,
        command: Vec<String>,
        edit: impl FnOnce(&mut PodRecord, &mut ContainerRecord),
    ) -> ContainerRecord {
        let id = id();
        let mut pod = PodRecord { id: id.clone(), implicit: true, ..PodRecord::default() };
        pod.network.choice = NetworkChoice::None;
        let mut record = ContainerRecord {
            pod: id.clone(),
            name: format!("c{}", &id[56..]),
            id,
            command,
            env: vec!["PATH=/bin".to_owned()],
            ..ContainerRecord::default()
        };
        edit(&mut pod, &mut record);
        self.write_pod(&pod);
        self.write(&record);
        record
    }

    /// Writes a pod's record.
    pub fn write_pod(&mut self, pod: &PodRecord) {
        std::fs::create_dir_all(self.home.pod(&pod.id)).unwrap();
        let text = serde_json::to_vec(pod).unwrap();
        std::fs::write(self.home.pod(&pod.id).join("pod.json"), text).unwrap();
        self.pods.push(pod.clone());
    }

    /// Writes a container's record, and its root.
    pub fn write(&self, record: &ContainerRecord) {
        let folder = self.home.container(&record.pod, &record.id);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.json"), serde_json::to_vec(record).unwrap()).unwrap();
        let upper = folder.join("upper");
        if !upper.exists() {
            let copied =
                std::process::Command::new("cp").arg("-a").arg(rootfs()).arg(&upper).status();
            assert!(copied.unwrap().success());
        }
    }

    /// The pod's shim, started where there is none.
    pub fn shim(&self, pod: &str) -> Connection {
        match connect(&self.home, pod).unwrap() {
            Some(connection) => connection,
            None => spawn(&self.home, pod, &program()).unwrap(),
        }
    }

    /// Starts a container and answers the connection.
    pub fn start(&self, record: &ContainerRecord) -> Connection {
        let connection = self.shim(&record.pod);
        let request = Request::Start { id: record.id.clone(), attach: None };
        match call(&connection, &request, &[]) {
            Reply::Started { .. } => connection,
            other => panic!("not started: {other:?}"),
        }
    }

    /// Runs a container in the foreground: exit code, output, errors.
    pub fn run(&self, record: &ContainerRecord) -> (i32, String, String) {
        let connection = self.shim(&record.pod);
        let (out, out_write) = pipe();
        let (err, err_write) = pipe();
        let streams = Streams { stdin: false, stdout: true, stderr: true };
        let request = Request::Start { id: record.id.clone(), attach: Some(streams) };
        let reply = call(&connection, &request, &[out_write.as_fd(), err_write.as_fd()]);
        drop((out_write, err_write));
        match reply {
            Reply::Started { .. } => {
                let out = reading(out);
                let err = reading(err);
                let code = exited(&connection);
                let text = |all: Vec<u8>| String::from_utf8_lossy(&all).into_owned();
                (code, text(out.join().unwrap()), text(err.join().unwrap()))
            }
            Reply::Failed { exit_code, message } => (exit_code, String::new(), message),
            other => panic!("unexpected: {other:?}"),
        }
    }

    pub fn state(&self, record: &ContainerRecord) -> ContainerState {
        let path = self.home.container(&record.pod, &record.id).join("state.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// Waits for a state, and answers it.
    pub fn until(
        &self,
        record: &ContainerRecord,
        what: impl Fn(&ContainerState) -> bool,
    ) -> ContainerState {
        let started = Instant::now();
        loop {
            let state = self.state(record);
            if what(&state) {
                return state;
            }
            assert!(started.elapsed() < LIMIT, "it stays {state:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until a container's log ends so.
    pub fn said(&self, record: &ContainerRecord, end: &str) {
        until("its log", || self.log(record).ends_with(end));
    }

    /// Everything logged.
    pub fn log(&self, record: &ContainerRecord) -> String {
        let path = self.home.container(&record.pod, &record.id).join("container.log");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        whole_lines(&text)
            .map(|line| {
                let entry: serde_json::Value = serde_json::from_str(line).unwrap();
                entry["log"].as_str().unwrap().to_owned()
            })
            .collect()
    }

    /// Actions in the journal about a container, in order.
    pub fn events(&self, record: &ContainerRecord) -> Vec<String> {
        let text =
            std::fs::read_to_string(self.home.data.join("events/journal")).unwrap_or_default();
        whole_lines(&text)
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .filter(|event| event["id"] == record.id.as_str())
            .map(|event| event["action"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Pid of a pod's shim.
    pub fn shim_pid(&self, pod: &str) -> i32 {
        let connection = connect(&self.home, pod).unwrap().expect("a shim that listens");
        let peer = rustix::net::sockopt::socket_peercred(connection.as_fd()).unwrap();
        peer.pid.as_raw_nonzero().get()
    }

    /// Waits until a pod's shim has gone, with all it had.
    pub fn ended(&self, pod: &str) {
        until("the end of a shim", || !self.home.pod_run(pod).exists());
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for pod in &self.pods {
            if let Ok(Some(connection)) = connect(&self.home, &pod.id) {
                let _ = connection.send(&Request::StopPod { timeout_ms: Some(0) }, &[]);
                let _ = connection.receive_within(LIMIT);
            }
            let started = Instant::now();
            while self.home.pod_run(&pod.id).exists() && started.elapsed() < LIMIT {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        let _ = std::fs::remove_dir_all(&self.folder);
        if std::thread::panicking() {
            return;
        }
        for pod in &self.pods {
            let path = self.home.pod_cgroup(pod);
            let left = teu_runtime::Cgroup::exists(&path).unwrap();
            assert!(!left, "the cgroup {path} stays");
        }
    }
}

/// Waits for a condition.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < LIMIT, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Without the one that is being written.
fn whole_lines(text: &str) -> std::str::Lines<'_> {
    text.rsplit_once('\n').map_or("", |(whole, _)| whole).lines()
}

pub fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

/// Reads to the end, beside.
pub fn reading(fd: OwnedFd) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        std::io::Read::read_to_end(&mut std::fs::File::from(fd), &mut all).unwrap();
        all
    })
}

/// A request and its first reply.
pub fn call(connection: &Connection, request: &Request, fds: &[BorrowedFd<'_>]) -> Reply {
    connection.send(request, fds).unwrap();
    connection.receive_within(LIMIT).unwrap().0
}

/// Waits for an exit code.
pub fn exited(connection: &Connection) -> i32 {
    match connection.receive_within(LIMIT).unwrap().0 {
        Reply::Exited { code } => code,
        other => panic!("no exit: {other:?}"),
    }
}

//! An ordinary user for one test: see the header of the module above.

use crate::world::{Said, binary, image_archive};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The machine's address, as far as the user's commands know.
pub const ADDRESS: &str = "10.99.0.2";

/// Longest that one command may take.
const LIMIT_S: &str = "120";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The user, whose commands run in namespaces that `machine` holds.
pub struct User {
    pub uid: u32,
    folder: tempfile::TempDir,
    machine: Child,
}

impl User {
    /// With the image busybox loaded.
    pub fn with_busybox() -> Self {
        let user = Self::new(true);
        user.load("busybox");
        user
    }

    /// Loads one of the base images.
    pub fn load(&self, name: &str) {
        let copy = self.path("image.tar");
        std::fs::copy(image_archive(name), &copy).expect("copies");
        self.teu(&["load", "-q", "-i", &copy]).ok();
    }

    /// To whom nobody gave subordinate ids.
    pub fn without_ids() -> Self {
        Self::new(false)
    }

    fn new(ids: bool) -> Self {
        let uid = 40_000 + std::process::id() % 1000 * 20 + NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = tempfile::Builder::new().prefix("teu-user-").tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("ours");
        // By a process of its own: what is open for writing here is so in whatever other tests start
        // meanwhile, and a program that is cannot be executed.
        let copied = Command::new("cp").arg(binary()).arg(at("teu")).status();
        assert!(copied.expect("cp runs").success());
        for name in ["home", "data", "run"] {
            std::fs::create_dir(at(name)).expect("creates");
            chown(at(name), Some(uid), Some(uid)).expect("root");
        }
        let passwd = format!("root:x:0:0::/root:/bin/sh\nteu-test:x:{uid}:{uid}::/:/bin/sh\n");
        let range = if ids { "teu-test:100000:65536\n" } else { "other:100000:65536\n" };
        for (name, text) in [("passwd", passwd.as_str()), ("subuid", range), ("subgid", range)] {
            std::fs::write(at(name), text).expect("writes");
        }
        let machine = machine(folder.path());
        Self { uid, folder, machine }
    }

    /// A path beneath the user's folder.
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("a plain path").to_owned()
    }

    fn inside(&self) -> Command {
        let mut command = Command::new("timeout");
        let pid = self.machine.id().to_string();
        command.args(["--kill-after=5", LIMIT_S, "nsenter", "-m", "-n", "-t", &pid]);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a program as the user.
    pub fn run(&self, words: &[&str]) -> Said {
        self.command(words).output().expect("it runs").into()
    }

    /// Starts `teu WORDS` as the user, until it is dropped.
    pub fn spawn(&self, words: &[&str]) -> Running {
        let binary = self.path("teu");
        let mut command = self.command(&[&[binary.as_str()], words].concat());
        Running(command.stdout(Stdio::null()).spawn().expect("it runs"))
    }

    fn command(&self, words: &[&str]) -> Command {
        let uid = self.uid.to_string();
        let mut command = self.inside();
        command.args(["setpriv", "--reuid", &uid, "--regid", &uid, "--clear-groups"]);
        command.args(["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]);
        for (name, folder) in
            [("HOME", "home"), ("XDG_DATA_HOME", "data"), ("XDG_RUNTIME_DIR", "run")]
        {
            command.arg(format!("{name}={}", self.path(folder)));
        }
        command.args(words).current_dir("/");
        command
    }

    /// Runs `teu WORDS` as the user.
    pub fn teu(&self, words: &[&str]) -> Said {
        let binary = self.path("teu");
        self.run(&[&[binary.as_str()], words].concat())
    }

    /// Likewise, a line that is split at spaces.
    pub fn line(&self, line: &str) -> Said {
        self.teu(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Owner and group on the machine.
    pub fn owner(&self, path: &str) -> (u32, u32) {
        let found = std::fs::symlink_metadata(self.path(path)).expect("it is there");
        (found.uid(), found.gid())
    }

    /// Names in a folder.
    pub fn files_in(&self, path: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path(path)) else { return Vec::new() };
        entries.map(|e| e.expect("reads").file_name().to_string_lossy().into_owned()).collect()
    }

    /// A page on the machine's address, for as long as the user exists; `address:port`.
    pub fn serve_on_the_machine(&self, text: &str) -> String {
        std::fs::create_dir_all(self.path("page")).expect("creates");
        std::fs::write(self.path("page/index.html"), text).expect("writes");
        // Nobody else is on this machine: any port is free.
        let server = format!("{ADDRESS}:8000");
        let page = self.path("page");
        let mut command = self.inside();
        let status = command.args(["busybox", "httpd", "-p", &server, "-h", &page]).status();
        assert!(status.expect("it runs").success());
        server
    }

    /// No process of the user's is left, the way out included.
    #[track_caller]
    pub fn nothing_runs(&self) {
        let begun = Instant::now();
        while let left = processes_of(self.uid)
            && !left.is_empty()
        {
            assert!(begun.elapsed() < Duration::from_secs(60), "still there: {left:?}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }
}

/// A program that runs until nobody wants it any more.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // `timeout` hands the signal on.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let ids = self.line("ps -aq --no-trunc").out;
        for id in ids.split_whitespace() {
            self.teu(&["rm", "-f", "-v", id]);
        }
        let pods = self.line("pod ps -q --no-trunc").out;
        for id in pods.split_whitespace() {
            self.teu(&["pod", "rm", "-f", id]);
        }
        // Whatever a failed test has left is this user's, and nobody else has the number; the page's
        // server is in the machine's namespace.
        let page = processes_in_network_of(self.machine.id());
        for pid in processes_of(self.uid).into_iter().map(|(pid, _)| pid).chain(page) {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
        let _ = self.machine.kill();
        let _ = self.machine.wait();
    }
}

/// Namespaces with the user in `/etc`, a `/dev/net/tun` that may be opened as on any desktop, and one
/// address.
fn machine(folder: &Path) -> Child {
    let script = "set -e\n\
        for name in passwd subuid subgid; do touch /etc/$name; mount --bind $1/$name /etc/$name; done\n\
        mkdir -p /dev/net; mount -t tmpfs tmpfs /dev/net; mknod -m 666 /dev/net/tun c 10 200\n\
        ip link set lo up\n\
        ip link add up0 type veth peer name up1\n\
        ip address add 10.99.0.2/24 dev up0\n\
        ip link set up0 up; ip link set up1 up\n\
        ip route add default via 10.99.0.1\n\
        touch $1/ready; exec sleep 600\n";
    let mut child = Command::new("unshare")
        .args(["-m", "-n", "--propagation", "private", "sh", "-c", script, "sh"])
        .arg(folder)
        .stdin(Stdio::null())
        .spawn()
        .expect("unshare runs");
    let begun = Instant::now();
    while !folder.join("ready").exists() {
        assert!(child.try_wait().expect("ours").is_none(), "the namespaces were not made");
        assert!(begun.elapsed() < Duration::from_secs(60), "the namespaces were not made in time");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

/// Number and name of the processes of a user; those that only wait to be reaped do not count.
fn processes_of(uid: u32) -> Vec<(u32, String)> {
    let is_theirs = |_: u32, status: &str| {
        field(status, "Uid:").split_whitespace().next() == Some(uid.to_string().as_str())
            && !field(status, "State:").starts_with('Z')
    };
    processes(is_theirs)
}

fn processes_in_network_of(pid: u32) -> Vec<u32> {
    let network = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    let wanted = network(pid);
    let all = processes(|other, _| other != pid && wanted.is_some() && network(other) == wanted);
    all.into_iter().map(|(pid, _)| pid).collect()
}

fn processes(wanted: impl Fn(u32, &str) -> bool) -> Vec<(u32, String)> {
    let all = std::fs::read_dir("/proc").expect("readable").flatten();
    all.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
        wanted(pid, &status).then(|| (pid, field(&status, "Name:").to_owned()))
    })
    .collect()
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim()
}

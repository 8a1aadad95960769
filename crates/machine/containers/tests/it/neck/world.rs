//! A home with an image of busybox; everything in it is gone when it is dropped, and that is checked.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use teu_containers::create::{CreateRequest, Created, PodChoice};
use teu_containers::lifecycle::{Attach, Remove};
use teu_containers::list::ListOptions;
use teu_containers::logs::LogOptions;
use teu_containers::record::{ContainerRecord, NetworkChoice, PodRecord};
use teu_containers::{Containers, Error, Home};
use teu_images::ImportRequest;
use teu_images::tree::{TreeOptions, write_tree};

pub struct World {
    pub containers: Containers,
    pub dir: PathBuf,
}

pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("examples/shim")
}

/// A root of busybox and a few files, as a tar.
fn busybox() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for name in ["bin", "etc", "tmp", "proc", "sys", "dev", "data/sub", "srv"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    let applets = [
        "sh", "cat", "echo", "ls", "sleep", "true", "false", "id", "env", "touch", "mkdir", "rm",
        "ln", "mv", "dd", "ps", "kill", "head", "chmod", "stat", "pwd", "hostname", "nc", "wget",
        "yes", "seq", "chown",
    ];
    for applet in applets {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0::/:/bin/sh\napp:x:1000:1000::/srv:/bin/sh\n")
        .unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\napp:x:1000:\n").unwrap();
    fs::write(root.join("data/seed"), "from the image").unwrap();
    std::os::unix::fs::symlink("seed", root.join("data/link")).unwrap();
    std::os::unix::fs::chown(root.join("data"), Some(1000), Some(1000)).unwrap();
    std::os::unix::fs::chown(root.join("data/seed"), Some(1000), Some(1000)).unwrap();
    let mut tar = Vec::new();
    let fd = OwnedFd::from(fs::File::open(root).unwrap());
    write_tree(std::os::fd::AsFd::as_fd(&fd), &TreeOptions::default(), &mut tar).unwrap();
    tar
}

/// What a run gave.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl World {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = PathBuf::from(format!("/tmp/teu-neck-{}-{count}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let containers = Containers::open(Home::at(&dir), program()).unwrap();
        let world = Self { containers, dir };
        world.image("busybox", &["CMD [\"sh\"]"]);
        world
    }

    /// One more image of busybox.
    pub fn image(&self, name: &str, changes: &[&str]) {
        let request = ImportRequest {
            name: Some(name.parse().unwrap()),
            changes: changes.iter().map(|&change| change.to_owned()).collect(),
            ..ImportRequest::default()
        };
        self.containers.images().import(&mut busybox().as_slice(), &request).unwrap();
    }

    /// A request for a container without a network.
    pub fn request(&self, script: &str) -> CreateRequest {
        let mut pod = PodRecord::default();
        pod.network.choice = NetworkChoice::None;
        let command = match script {
            "" => Vec::new(),
            script => vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()],
        };
        CreateRequest {
            image: "busybox".to_owned(),
            pod: PodChoice::Own(Box::new(pod)),
            container: ContainerRecord { command, ..ContainerRecord::default() },
            ..CreateRequest::default()
        }
    }

    pub fn create(&self, name: &str, script: &str) -> Created {
        let request = CreateRequest { name: Some(name.to_owned()), ..self.request(script) };
        self.containers.create(request).unwrap()
    }

    /// Created and started.
    pub fn running(&self, name: &str, script: &str) -> Created {
        let created = self.create(name, script);
        self.containers.start(name, Attach::default()).unwrap();
        created
    }

    /// Starts attached, and waits for the end.
    pub fn start_attached(&self, name: &str) -> Result<Ran, Error> {
        let (out, out_write) = pipe();
        let (err, err_write) = pipe();
        let attach = Attach { stdin: None, stdout: Some(out_write), stderr: Some(err_write) };
        let session = self.containers.start(name, attach)?;
        let err = std::thread::spawn(move || read(err));
        let out = read(out);
        let code = session.wait()?;
        Ok(Ran { code, out, err: err.join().unwrap() })
    }

    pub fn run(&self, script: &str) -> Ran {
        self.run_request(self.request(script)).unwrap()
    }

    /// Create, start attached, remove.
    pub fn run_request(&self, request: CreateRequest) -> Result<Ran, Error> {
        let created = self.containers.create(request)?;
        let ran = self.start_attached(&created.id);
        self.remove(&created.id);
        ran
    }

    /// `rm -f -v`
    pub fn remove(&self, name: &str) {
        self.containers.remove(name, Remove { force: true, volumes: true }).unwrap();
    }

    /// Entries of `data/<dir>`.
    pub fn entries(&self, dir: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(self.dir.join(dir)).map(|all| {
            all.flatten().map(|entry| entry.file_name().into_string().unwrap()).collect()
        });
        entries.unwrap_or_default()
    }

    /// Waits for the files of containers that removed themselves: shims delete them when everybody
    /// has been answered.
    fn settle(&self) {
        let _ = holds_in_time(|| self.entries("tmp").is_empty());
    }

    /// Waits until a container's log ends so.
    pub fn said(&self, name: &str, end: &str) {
        let options = LogOptions { stdout: true, ..LogOptions::default() };
        until("its log", || {
            let lines = self.containers.logs(name, &options).unwrap();
            let text: Vec<u8> = lines.flat_map(|line| line.unwrap().bytes).collect();
            text.ends_with(end.as_bytes())
        });
    }

    /// Nothing of any container is left in this home.
    pub fn assert_clean(&self) {
        self.settle();
        for dir in ["pods", "names", "tmp", "run/pods", "volumes"] {
            assert_eq!(self.entries(dir), BTreeSet::new(), "{dir}");
        }
        let leases = self.containers.images().leases().unwrap();
        assert!(leases.is_empty(), "{leases:?}");
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let dir = self.dir.display().to_string();
        assert!(!mounts.contains(&dir), "a mount is left");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let options = ListOptions { all: true, ..ListOptions::default() };
        for line in self.containers.list(&options).unwrap_or_default() {
            let remove = Remove { force: true, volumes: true };
            let _ = self.containers.remove(&line.id, remove);
        }
        for pod in self.containers.list_pods(&[]).unwrap_or_default() {
            let _ = self.containers.remove_pod(&pod.id, true);
        }
        self.settle();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Waits for a condition; whether it came true, however busy the machine is.
fn holds_in_time(mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        match (holds(), Instant::now() < end) {
            (true, _) => return true,
            (_, false) => return false,
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Waits for a condition.
#[track_caller]
pub fn until(what: &str, holds: impl FnMut() -> bool) {
    assert!(holds_in_time(holds), "not in time: {what}");
}

pub fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

pub fn read(fd: OwnedFd) -> String {
    let mut text = String::new();
    fs::File::from(fd).read_to_string(&mut text).unwrap();
    text
}

/// The cgroups of a container that exist in any hierarchy.
pub fn cgroups_of(id: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for hierarchy in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        let path = hierarchy.path().join(format!("teu-{id}"));
        if path.exists() {
            found.push(path);
        }
    }
    found
}

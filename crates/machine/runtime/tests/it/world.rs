//! A bundle of its own for every test, and the runtime under test.

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const APPLETS: [&str; 40] = [
    "sh",
    "cat",
    "ls",
    "id",
    "true",
    "false",
    "sleep",
    "echo",
    "mount",
    "umount",
    "touch",
    "stat",
    "readlink",
    "hostname",
    "dnsdomainname",
    "ulimit",
    "umask",
    "grep",
    "env",
    "pwd",
    "test",
    "wc",
    "head",
    "tail",
    "cut",
    "ps",
    "kill",
    "mkdir",
    "ln",
    "cp",
    "tty",
    "stty",
    "dd",
    "sort",
    "tr",
    "date",
    "uname",
    "nice",
    "mknod",
    "seq",
];

/// What a command did.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Whether the subject is runc, for the few differences that Debian's age makes.
pub fn is_runc() -> bool {
    std::env::var("SUBJECT").is_ok_and(|subject| subject == "runc")
}

pub fn subject() -> PathBuf {
    if is_runc() {
        return "runc".into();
    }
    if let Some(path) = std::env::var_os("TEU_RUNTIME") {
        return path.into();
    }
    let own = std::env::current_exe().expect("own path");
    let built = own.ancestors().nth(2).expect("target").join("examples/runtime");
    assert!(
        built.exists(),
        "{} is missing: run all of `cargo test -p teu-runtime`",
        built.display()
    );
    built
}

/// A bundle, and the state of the runtime for it.
pub struct World {
    pub dir: tempfile::TempDir,
    pub id: String,
    pub config: Value,
}

impl World {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        assert!(rustix::process::geteuid().is_root(), "these tests need root");
        let dir = tempfile::Builder::new().prefix("teu-rt").tempdir().expect("a directory");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("teurt-{}-{number}", std::process::id());
        let world = Self { config: config(&id), dir, id };
        let root = world.rootfs();
        for directory in ["bin", "etc", "proc", "sys", "dev", "tmp", "root"] {
            fs::create_dir_all(root.join(directory)).expect("rootfs");
        }
        copy_program(Path::new("/bin/busybox"), &root.join("bin/busybox"));
        for applet in APPLETS {
            symlink("busybox", root.join("bin").join(applet)).expect("link");
        }
        fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nu:x:1000:1000::/home/u:\n")
            .expect("passwd");
        fs::set_permissions(root.join("tmp"), mode(0o1777)).expect("tmp");
        world
    }

    pub fn rootfs(&self) -> PathBuf {
        self.dir.path().join("rootfs")
    }

    pub fn write_config(&self) {
        let text = serde_json::to_string(&self.config).expect("JSON");
        fs::write(self.dir.path().join("config.json"), text).expect("config.json");
    }

    pub fn script(&mut self, script: &str) -> &mut Self {
        self.config["process"]["args"] = json!(["/bin/sh", "-c", script]);
        self
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(subject());
        command.arg("--root").arg(self.dir.path().join("state")).args(words);
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    /// Runs a command of the runtime to its end.
    pub fn call(&self, words: &[&str]) -> Done {
        finish(self.command(words))
    }

    /// `run` of what the configuration says.
    pub fn run(&self) -> Done {
        self.write_config();
        self.call(&["run", &self.id])
    }

    /// `create` and `start`; standard streams are thrown away, as a pipe would be held open.
    pub fn start(&self) {
        self.create();
        let started = self.call(&["start", &self.id]);
        assert_eq!(started.code, 0, "{started:?}");
    }

    /// `create` and `start` of a program that sleeps, and has begun to.
    pub fn sleep(&mut self) {
        self.script("exec sleep 600");
        self.start();
        let line = format!("/proc/{}/cmdline", self.state()["pid"]);
        self.until("the sleep", || fs::read(&line).is_ok_and(|text| text == b"sleep\x00600\0"));
    }

    pub fn create(&self) {
        self.write_config();
        let mut command = self.command(&["create", &self.id]);
        let log = self.dir.path().join("create.log");
        let file = fs::File::create(&log).expect("log");
        command.stdout(file.try_clone().expect("dup")).stderr(file);
        let status = command.status().expect("create");
        assert!(status.success(), "{}", fs::read_to_string(log).unwrap_or_default());
    }

    pub fn state(&self) -> Value {
        let done = self.call(&["state", &self.id]);
        serde_json::from_str(&done.stdout).unwrap_or_else(|_| json!({ "error": done.stderr }))
    }

    /// Waits until a condition holds; far longer than it takes, as a machine may be busy.
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !holds() {
            assert!(Instant::now() < end, "{what} did not come true");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.command(&["delete", "--force", &self.id]).stderr(Stdio::null()).status();
    }
}

/// Copies a program by a process of its own: what is open for writing in this one is so in whatever
/// other tests begin to start meanwhile, and cannot be executed until that has happened.
#[track_caller]
pub fn copy_program(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg(from).arg(to).status().expect("cp");
    assert!(copied.success(), "{}: install busybox-static", from.display());
}

pub fn finish(mut command: Command) -> Done {
    let output = command.output().expect("the runtime can be run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    Done {
        code: output.status.code().unwrap_or(-1),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

fn mode(bits: u32) -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(bits)
}

/// A change of the configuration, a script in the container, and what it prints.
#[track_caller]
pub fn check(change: impl FnOnce(&mut Value), script: &str, expected: &str) {
    let mut world = World::new();
    world.script(script);
    change(&mut world.config);
    let done = world.run();
    assert_eq!((done.code, done.stdout.trim_end()), (0, expected.trim_end()), "{}", done.stderr);
}

/// A change of the configuration that refuses the start, and a word of the reason.
#[track_caller]
pub fn check_refused(change: impl FnOnce(&mut Value), reason: &str) {
    let mut world = World::new();
    world.script("echo started");
    change(&mut world.config);
    let done = world.run();
    assert_ne!(done.code, 0, "{done:?}");
    assert_eq!(done.stdout, "", "it ran: {done:?}");
    let lower = done.stderr.to_lowercase();
    assert!(lower.contains(&reason.to_lowercase()), "{reason:?} is not in {lower:?}");
    assert!(!world.dir.path().join("state").join(&world.id).exists(), "state is left");
}

pub fn add_mount(config: &mut Value, destination: &str, kind: &str, source: &str, options: &str) {
    let options: Vec<_> = options.split(',').filter(|word| !word.is_empty()).collect();
    let mounts = config["mounts"].as_array_mut().expect("mounts");
    mounts.push(json!({
        "destination": destination, "type": kind, "source": source, "options": options,
    }));
}

pub fn add_namespace(config: &mut Value, kind: &str, path: Option<&Path>) {
    let namespaces = config["linux"]["namespaces"].as_array_mut().expect("namespaces");
    namespaces.retain(|namespace| namespace["type"] != kind);
    namespaces.push(match path {
        Some(path) => json!({ "type": kind, "path": path }),
        None => json!({ "type": kind }),
    });
}

fn config(id: &str) -> Value {
    json!({
        "ociVersion": "1.0.2",
        "root": { "path": "rootfs" },
        "hostname": "inside",
        "process": {
            "args": ["/bin/true"],
            "env": ["PATH=/usr/bin:/bin", "TERM=xterm"],
            "cwd": "/",
            "user": { "uid": 0, "gid": 0 },
            "capabilities": {
                "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_DAC_OVERRIDE"],
                "effective": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_DAC_OVERRIDE"],
                "permitted": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_DAC_OVERRIDE"],
            },
        },
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
              "options": ["nosuid", "strictatime", "mode=755", "size=65536k"] },
            { "destination": "/dev/pts", "type": "devpts", "source": "devpts",
              "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"] },
            { "destination": "/dev/shm", "type": "tmpfs", "source": "shm",
              "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"] },
            { "destination": "/sys", "type": "sysfs", "source": "sysfs",
              "options": ["nosuid", "noexec", "nodev", "ro"] },
        ],
        "linux": {
            "cgroupsPath": format!("/{id}"),
            "namespaces": [
                { "type": "pid" }, { "type": "network" }, { "type": "ipc" }, { "type": "uts" },
                { "type": "mount" },
            ],
        },
    })
}

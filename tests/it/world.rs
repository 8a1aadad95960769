//! A home of its own for one test: a temporary root, the binary, and a sweep at the end.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// One instance of Teu, removed with everything in it when dropped.
pub struct World {
    home: tempfile::TempDir,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Exit code; 128+n after a signal.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// The output, trimmed, of a command that must have succeeded.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "stdout: {}\nstderr: {}", self.out, self.err);
        self.out.trim_end().to_owned()
    }

    /// The error text of a command that must have failed with this code.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.out, self.err);
        self.err
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let status = output.status;
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code, out: text(output.stdout), err: text(output.stderr) }
    }
}

impl World {
    /// An empty home.
    pub fn empty() -> Self {
        let home = tempfile::Builder::new().prefix("teu-it-").tempdir().expect("a folder in /tmp");
        let world = Self { home };
        world.registries("");
        world
    }

    /// A home with the busybox image loaded.
    pub fn busybox() -> Self {
        let world = Self::empty();
        world.load("busybox");
        world
    }

    /// Loads one of the base images.
    pub fn load(&self, name: &str) {
        let archive = image_archive(name);
        self.teu(["load", "-q", "-i", archive.to_str().expect("a plain path")]).ok();
    }

    /// The folder given as `--root`.
    pub fn root(&self) -> &Path {
        self.home.path()
    }

    fn registries_conf(&self) -> PathBuf {
        self.root().join("registries.conf")
    }

    /// Settings of registries. Whatever else they say, no test reaches further than this machine.
    pub fn registries(&self, more: &str) {
        let mut text = "[[registry]]\nprefix = \"*\"\nblocked = true\n".to_owned();
        for host in ["127.0.0.1", "localhost", "[::1]"] {
            text.push_str(&format!("[[registry]]\nprefix = \"{host}\"\n"));
        }
        std::fs::write(self.registries_conf(), text + more).expect("writes");
    }

    /// A command ready to be changed further.
    pub fn command<I, S>(&self, args: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = Command::new(binary());
        command.env("TEU_ROOT", self.root()).env_remove("TEU_FORMAT").args(args);
        command.env("TEU_REGISTRIES_CONF", self.registries_conf());
        command.env("DOCKER_CONFIG", self.root().join("docker-config"));
        for name in ["REGISTRY_AUTH_FILE", "HTTPS_PROXY", "https_proxy", "http_proxy"] {
            command.env_remove(name);
        }
        command.stdin(std::process::Stdio::null());
        command
    }

    /// Runs `teu ARGS`.
    pub fn teu<I, S>(&self, args: I) -> Said
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.command(args).output().expect("the binary starts").into()
    }

    /// Runs a line such as `run --rm busybox true`, split at spaces.
    pub fn line(&self, line: &str) -> Said {
        self.teu(line.split_whitespace())
    }

    /// Writes a file beneath the home's `files/` and returns its path.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.root().join("files").join(name);
        std::fs::create_dir_all(path.parent().expect("joined above")).expect("creates");
        std::fs::write(&path, content).expect("writes");
        path
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let ids = self.teu(["ps", "-aq", "--no-trunc"]).out;
        for id in ids.split_whitespace() {
            self.teu(["rm", "-f", "-v", id]);
        }
        let pods = self.teu(["pod", "ps", "-q", "--no-trunc"]).out;
        for id in pods.split_whitespace() {
            self.teu(["pod", "rm", "-f", id]);
        }
    }
}

/// Where the product is.
pub fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("TEU") {
        return named.into();
    }
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.parent().and_then(Path::parent).expect("target/…/debug/deps");
    let binary = folder.join("teu");
    assert!(binary.exists(), "{} is missing: cargo build -p teu", binary.display());
    binary
}

/// The archive of a base image.
pub fn image_archive(name: &str) -> PathBuf {
    let folder = std::env::var_os("TEU_TEST_IMAGES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/images"),
        PathBuf::from,
    );
    let archive = folder.join(format!("{name}.tar"));
    assert!(archive.exists(), "{} is missing: scripts/images {name}", archive.display());
    archive
}

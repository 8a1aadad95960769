//! An engine of one test's own and Debian 13's `docker-buildx` pointed at it.

use crate::world::{Said, World};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Seconds that one command of a client may take.
const COMMAND_LIMIT_S: &str = "180";
/// Patience with an engine that starts on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// The engine, ended with the test; its home lives a little longer.
pub struct Bench {
    engine: Child,
    pub world: World,
    plugin: PathBuf,
}

impl Bench {
    /// With the busybox image; `None` where there is no plugin to be had, which is said.
    pub fn start() -> Option<Self> {
        let plugin = plugin()?;
        let world = World::busybox();
        // The engine has the settings of the world: whatever a build pulls, it pulls from here.
        world.registries("");
        let engine = start(&world);
        let mut bench = Self { engine, world, plugin };
        bench.wait();
        Some(bench)
    }

    /// Ends the engine without a warning.
    pub fn kill(&mut self) {
        self.engine.kill().expect("it runs");
        self.engine.wait().expect("it ends");
    }

    /// Starts it again.
    pub fn restart(&mut self) {
        self.engine = start(&self.world);
        self.wait();
    }

    /// Until the engine takes connections.
    fn wait(&mut self) {
        let socket = self.world.root().join("docker.sock");
        let begun = Instant::now();
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            let ended = self.engine.try_wait().expect("can be asked");
            let waiting = ended.is_none() && begun.elapsed() < DEADLINE;
            assert!(waiting, "the engine does not listen: {ended:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.world.root().join("engine.log")).unwrap_or_default()
    }

    /// A path in the home's `files/`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.world.root().join("files").join(name)
    }

    /// Docker 20.10 (Debian 12's), if it is installed.
    pub fn old_docker() -> Option<&'static Path> {
        Some(Path::new("/usr/bin/docker")).filter(|path| path.exists())
    }

    /// A client's command, in `files/`.
    pub fn client(&self, program: &Path) -> Command {
        let root = self.world.root();
        std::fs::create_dir_all(root.join("files")).expect("creates");
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", COMMAND_LIMIT_S]).arg(program);
        command.current_dir(root.join("files"));
        command.env("DOCKER_HOST", format!("unix://{}", root.join("docker.sock").display()));
        command.env("DOCKER_CONFIG", root.join("docker-config"));
        for name in ["DOCKER_BUILDKIT", "BUILDX_BUILDER", "DOCKER_CONTEXT", "SSH_AUTH_SOCK"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs `docker-buildx ARGS`.
    pub fn buildx<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Said {
        self.client(&self.plugin).args(args).output().expect("the plugin starts").into()
    }

    /// Runs `docker-buildx build --progress plain ARGS` of a line split at spaces; gives what it
    /// showed.
    #[track_caller]
    pub fn build(&self, line: &str) -> String {
        let said = self.buildx(["build", "--progress", "plain"].into_iter().chain(line.split(' ')));
        assert_eq!(said.code, 0, "{}\nengine: {}", said.err, self.log());
        said.err
    }

    /// The same of a build that must fail.
    #[track_caller]
    pub fn fails(&self, line: &str) -> String {
        self.buildx(["build", "--progress", "plain"].into_iter().chain(line.split(' '))).fails(1)
    }

    /// The same with something on standard input.
    #[track_caller]
    pub fn build_from(&self, input: &str, line: &str) -> String {
        let file = self.world.file(".stdin", input);
        let file = std::fs::File::open(file).expect("opens");
        let mut command = self.client(&self.plugin);
        command.args(["build", "--progress", "plain"]).args(line.split(' ')).stdin(file);
        let said = Said::from(command.output().expect("the plugin starts"));
        assert_eq!(said.code, 0, "{}\nengine: {}", said.err, self.log());
        said.err
    }

    /// Folder of the plugin's `docker`, with the plugin where `docker` looks for it.
    pub fn docker(&self, program: &Path) -> Command {
        let plugins = self.world.root().join("docker-config/cli-plugins");
        std::fs::create_dir_all(&plugins).expect("creates");
        let link = plugins.join("docker-buildx");
        if !link.exists() {
            std::os::unix::fs::symlink(&self.plugin, link).expect("links");
        }
        self.client(program)
    }

    /// The plugin, for commands of a special kind.
    pub fn plugin(&self) -> &Path {
        &self.plugin
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.engine.id().to_string()).status();
        let _ = self.engine.wait();
    }
}

fn start(world: &World) -> Child {
    let socket = world.root().join("docker.sock");
    let log = std::fs::File::create(world.root().join("engine.log")).expect("creates");
    world
        .command(["engine", "-H", &format!("unix://{}", socket.display())])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the engine starts")
}

/// What `scripts/trixie` has unpacked.
pub fn clients() -> PathBuf {
    let folder = std::env::var_os("TEU_TEST_CLIENTS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/clients"),
        PathBuf::from,
    );
    folder.join("trixie")
}

/// The plugin, fetched if need be; `None`, said once, where that is not possible.
fn plugin() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let look = || {
        let path = clients().join("usr/libexec/docker/cli-plugins/docker-buildx");
        if !path.exists() {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/trixie");
            let _ = Command::new("timeout").arg("300").arg(script).status();
        }
        let found = path.exists().then(|| path.canonicalize().expect("it exists"));
        if found.is_none() {
            skipped();
        }
        found
    };
    FOUND.get_or_init(look).clone()
}

#[expect(clippy::print_stderr, reason = "a test that does not run says so")]
fn skipped() {
    eprintln!(
        "SKIPPED: tests of docker buildx need Debian 13's plugin, and scripts/trixie could not fetch it"
    );
}

//! A `teu registry` of a test: in a home of its own, on a port of its own, ended with the test.

use super::http::{Answer, Request};
use crate::world::binary;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Nothing takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Registry {
    home: Option<tempfile::TempDir>,
    root: PathBuf,
    arguments: Vec<String>,
    child: Child,
    pub address: String,
}

impl Registry {
    /// In a new home.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With more arguments.
    pub fn with(arguments: &[&str]) -> Self {
        let home = tempfile::Builder::new().prefix("teu-it-registry-").tempdir().expect("a folder");
        let root = home.path().to_owned();
        let mut registry = Self::at(&root, arguments);
        registry.home = Some(home);
        registry
    }

    /// In a home that is there.
    pub fn at(root: &Path, arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let (child, address) = spawn(root, &arguments, "127.0.0.1:0");
        Self { home: None, root: root.to_owned(), arguments, child, address }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where it gives out its metrics, if it does.
    pub fn metrics_address(&self) -> Option<String> {
        let out = std::fs::read_to_string(self.root.join("registry.out")).ok()?;
        let line = out.lines().find_map(|line| line.strip_prefix("metrics on http://"))?;
        Some(line.strip_suffix("/metrics")?.to_owned())
    }

    /// Sends a request.
    pub fn ask(&self, request: Request) -> Answer {
        request.send(&self.address)
    }

    /// A command of `teu` in the registry's home.
    pub fn teu(&self, arguments: &[&str]) -> String {
        let output = Command::new(binary())
            .arg("--root")
            .arg(&self.root)
            .args(arguments)
            .output()
            .expect("it starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "teu {arguments:?}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ends it as it should; says whether it did.
    pub fn stop(&mut self) -> bool {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").arg(pid).status();
        wait_for(|| self.child.try_wait().ok().flatten()).success()
    }

    /// Starts it again, in the same home, on the same port.
    pub fn restart(&mut self) {
        self.kill();
        let (child, address) = spawn(&self.root, &self.arguments, &self.address);
        (self.child, self.address) = (child, address);
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.kill();
        drop(self.home.take());
    }
}

fn spawn(root: &Path, arguments: &[String], listen: &str) -> (Child, String) {
    // Its output goes to a file: nobody reads a pipe for as long as it lives.
    let file = |name: &str| {
        let file = std::fs::File::options().create(true).append(true).open(root.join(name));
        file.expect("creates")
    };
    let _ = std::fs::remove_file(root.join("registry.out"));
    let mut child = Command::new(binary())
        .arg("--root")
        .arg(root)
        .args(["registry", "--listen", listen])
        .args(arguments)
        .stdout(file("registry.out"))
        .stderr(file("registry.err"))
        .spawn()
        .expect("teu starts");
    let address = wait_for(|| {
        let out = std::fs::read_to_string(root.join("registry.out")).unwrap_or_default();
        // A line that is not whole yet has no end.
        let told = out.split_inclusive('\n').find_map(|line| {
            line.strip_suffix('\n')?.strip_prefix("listening on ").map(str::to_owned)
        });
        if told.is_none() && child.try_wait().ok().flatten().is_some() {
            let error = std::fs::read_to_string(root.join("registry.err")).unwrap_or_default();
            panic!("it does not listen: {error}");
        }
        told
    });
    (child, address)
}

/// Asks until there is an answer.
#[track_caller]
pub fn wait_for<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "it never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

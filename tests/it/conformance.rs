//! The official suite's cases that need no containers, written again (`docs/conformance.md`), against
//! `teu server`. Issue 5, must show 3.

use crate::engine::clients::python;
use crate::world;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Brings up loopback, and addresses that are not: pods, services and the API itself may not be at loopback. All
/// of 198.18.0.0/16 is the test's own, so that it can answer for any pod. Nothing leads out of there.
const NETWORK: &str = "ip link set lo up && ip link add e2e0 type veth peer name e2e1 \
    && ip link set e2e1 up && ip link set e2e0 up && ip address add 198.18.0.1/16 dev e2e0 \
    && ip route add local 198.18.0.0/16 dev lo && ip route add default dev e2e0 && exec \"$@\"";

/// What every server is told; more where a case would wait for minutes otherwise.
const SETTINGS: &str = "allow-loopback = true\nadvertise-address = \"192.0.2.10\"\n";
/// The case that waits until an old version is gone, and what makes that soon.
const COMPACTED: (&str, &str) =
    ("continue listing from the last key", "compaction-interval = \"2s\"\n");

/// An `encryption-config`, with a key that is no secret.
pub const ENCRYPTION: &str = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n\
    - resources: [secrets]\n  providers:\n  - aesgcm: {keys: [{name: k, secret: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=}]}\n";

/// A server in a folder and a network of its own.
pub struct Server {
    child: Child,
    pub kubeconfig: PathBuf,
    folder: tempfile::TempDir,
}

impl Server {
    /// Starts one, and waits until it is ready.
    pub fn start() -> Self {
        Self::with("", "")
    }

    /// Starts one that encrypts what it keeps as this says; not, if it is empty.
    pub fn start_with(encryption: &str) -> Self {
        Self::with(encryption, "")
    }

    /// The same, with more in its configuration.
    fn with(encryption: &str, settings: &str) -> Self {
        let folder =
            tempfile::Builder::new().prefix("teu-it-").tempdir().expect("a folder in /tmp");
        let config = folder.path().join("server.toml");
        let mut text = format!("{SETTINGS}{settings}");
        if !encryption.is_empty() {
            let path = folder.path().join("encryption.yaml");
            let mut options = std::fs::OpenOptions::new();
            let file = options.write(true).create_new(true).mode(0o600).open(&path);
            file.expect("opens").write_all(encryption.as_bytes()).expect("writes");
            text.push_str(&format!("encryption-config = {path:?}\n"));
        }
        std::fs::write(&config, text).expect("writes");
        let mut child = Command::new("unshare")
            .args(["--net", "--", "sh", "-c", NETWORK, "sh"])
            .arg(world::binary())
            .args(["server", "--bind", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path().join("data"))
            .arg("--config")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut kubeconfig = None;
        while kubeconfig.is_none() {
            let line = lines.next().expect("it says where its kubeconfig is").expect("text");
            kubeconfig = line.strip_prefix("kubeconfig ").map(PathBuf::from);
        }
        Self { child, kubeconfig: kubeconfig.expect("the loop ended"), folder }
    }
}

impl Server {
    /// Where it keeps what lasts.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A command in the server's network.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.child.id())).arg("--").arg(program);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The real `kubectl`: Debian 13's, where `scripts/trixie` put it, or the machine's own.
pub fn kubectl() -> PathBuf {
    let unpacked =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/clients/trixie/usr/bin/kubectl");
    if unpacked.exists() { unpacked } else { "kubectl".into() }
}

/// What the cases say whose names have one of these parts (or all), on both streams.
fn run(server: &Server, parts: &[&str]) -> String {
    let output = server
        .command(python())
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("it/conformance/run.py"))
        .arg(&server.kubeconfig)
        .args(parts)
        .env("KUBECTL", kubectl())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("KUBECONFIG")
        .output()
        .expect("python starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

#[test]
fn conformance() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = std::fs::read_to_string(here.join("../docs/conformance.md")).expect("the list");
    let named = |prefix: &str| -> BTreeSet<String> {
        let lines = list.lines().filter_map(|line| line.strip_prefix(prefix));
        lines.map(|line| line.split(" | ").next().unwrap_or(line).trim().to_owned()).collect()
    };
    let (pass, not_yet) = (named("- pass | "), named("- not yet | "));
    let mut said = run(&Server::start(), &[]);
    said.push_str(&run(&Server::with("", COMPACTED.1), &[COMPACTED.0]));
    let passed: BTreeSet<String> =
        said.lines().filter_map(|line| line.strip_prefix("pass ")).map(str::to_owned).collect();
    let failed: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("FAIL ")).collect();
    let broken: Vec<&&str> = failed
        .iter()
        .filter(|line| !not_yet.iter().any(|name| line.starts_with(&format!("{name}:"))))
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
    let lost: Vec<_> = pass.difference(&passed).collect();
    assert!(lost.is_empty(), "listed as passing, but not run: {lost:#?}\n{said}");
    let silent: Vec<_> = passed.difference(&pass).collect();
    assert!(silent.is_empty(), "passing, but not listed so in docs/conformance.md: {silent:#?}");
}

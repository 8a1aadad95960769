//! Debian's `docker-registry` for one test: on a port of its own, with its own folder, ended with it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// Patience with a server that starts on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// The server.
pub struct Registry {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl Registry {
    /// Starts one that anybody may use.
    pub fn start() -> Self {
        Self::with("", "")
    }

    /// Starts one with more settings: whole sections, and lines of `http`.
    pub fn with(sections: &str, http: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("teu-reg-").tempdir().expect("a folder in /tmp");
        let config = format!(
            "version: 0.1\nlog: {{level: info, accesslog: {{disabled: true}}}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\n{sections}http:\n  addr: 127.0.0.1:0\n{http}",
            dir.path().join("data").display()
        );
        std::fs::write(dir.path().join("config.yml"), config).expect("writes");
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(dir.path().join("config.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry is installed");
        let lines = BufReader::new(child.stderr.take().expect("it was piped"));
        let (sender, receiver) = sync_channel(1);
        // Reads to the end, so that the server never waits for its log.
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let rest = line.split_once("listening on 127.0.0.1:").map(|(_, rest)| rest);
                let digits: String =
                    rest.unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
                if let Ok(port) = digits.parse::<u16>() {
                    let _ = sender.try_send(port);
                }
            }
        });
        let port = receiver.recv_timeout(DEADLINE).expect("it says where it listens");
        Self { child, port, dir }
    }

    /// `127.0.0.1:port`
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where it keeps a blob.
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let blobs = self.dir.path().join("data/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `skopeo`, which must succeed; gives what it prints.
#[track_caller]
pub fn skopeo(args: &[&str]) -> String {
    let output = Command::new("skopeo").args(args).output().expect("skopeo is installed");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "skopeo {args:?}: {error}");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

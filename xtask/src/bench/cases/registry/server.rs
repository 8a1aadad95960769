//! The two registries, each in a folder of the run, ended with it.

use super::super::super::World;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// For a registry to say where it listens.
const START_LIMIT: Duration = Duration::from_secs(30);

pub struct Server {
    child: Child,
    pub address: String,
}

impl Server {
    pub fn teu(world: &World<'_>) -> Result<Self> {
        let home = world.scratch.join("teu-registry");
        let mut command = Command::new(&world.teu);
        command.arg("--root").arg(&home).args(["registry", "--listen", "127.0.0.1:0"]);
        Self::start(command, &world.scratch.join("teu-registry.log"))
    }

    pub fn docker(world: &World<'_>) -> Result<Self> {
        let data = world.scratch.join("docker-registry");
        let config = format!(
            "version: 0.1\nlog: {{level: info, accesslog: {{disabled: true}}}}\nstorage:\n  \
             filesystem: {{rootdirectory: {}}}\nhttp:\n  addr: 127.0.0.1:0\n",
            data.display()
        );
        let path = world.scratch.join("docker-registry.yml");
        std::fs::write(&path, config)?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(path);
        Self::start(command, &world.scratch.join("docker-registry.log"))
    }

    /// Both say `listening on 127.0.0.1:PORT` in their output.
    fn start(mut command: Command, log: &Path) -> Result<Self> {
        let file = std::fs::File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        let mut server = Self { child, address: String::new() };
        let begun = Instant::now();
        while begun.elapsed() < START_LIMIT {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            if let Some((_, rest)) = text.split_once("listening on 127.0.0.1:") {
                let end = rest.find(|c: char| !c.is_ascii_digit());
                // Without an end the number may not be whole.
                if let Some(end) = end {
                    server.address = format!("127.0.0.1:{}", &rest[..end]);
                    return Ok(server);
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("{command:?} does not say where it listens")
    }

    /// The most it ever had in memory.
    pub fn peak_kib(&self) -> Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.context("the kernel does not say its memory")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! A shell that runs one command after another and says when each has ended.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Nothing that is compared takes so long: a command that does hangs.
const COMMAND_LIMIT: Duration = Duration::from_secs(120);

/// Bytes of an error message that are shown.
const SHOWN_BYTES: usize = 600;

/// A running `sh`, in namespaces of its own where wanted.
pub struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    errors: PathBuf,
}

impl Shell {
    /// In the host's namespaces.
    pub fn plain(scratch: &Path) -> Result<Self> {
        Self::start(scratch, Command::new("sh"))
    }

    /// In new namespaces, by `unshare`'s options; a hybrid's v2 tree is hidden from crun, which
    /// refuses it.
    pub fn apart(scratch: &Path, options: &[&str]) -> Result<Self> {
        let mut command = Command::new("unshare");
        command.args(options).arg("sh");
        let mut shell = Self::start(scratch, command)?;
        shell.run("! [ -e /sys/fs/cgroup/unified ] || umount /sys/fs/cgroup/unified")?;
        if options.contains(&"-n") {
            shell.run("ip link set lo up")?;
        }
        Ok(shell)
    }

    /// In a network namespace of its own and with everything else of the host's.
    pub fn alone(scratch: &Path) -> Result<Self> {
        let mut command = Command::new("unshare");
        command.args(["-n", "sh"]);
        let mut shell = Self::start(scratch, command)?;
        shell.run("ip link set lo up")?;
        Ok(shell)
    }

    /// By a command that ends up as a shell.
    pub fn start(scratch: &Path, mut command: Command) -> Result<Self> {
        let number = std::fs::read_dir(scratch)?.count();
        let errors = scratch.join(format!("errors-{number}"));
        let file = std::fs::File::create(&errors)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        command.process_group(0);
        let mut child = command.spawn().context("starting sh")?;
        let input = child.stdin.take().context("the shell's input")?;
        let output = BufReader::new(child.stdout.take().context("the shell's output")?);
        Ok(Self { child, input, output, errors })
    }

    /// Sets a variable for all commands that follow.
    pub fn set(&mut self, name: &str, value: &Path) -> Result<()> {
        self.run(&format!("export {name}={}", value.display())).map(drop)
    }

    /// Runs a command to its end; its time.
    pub fn run(&mut self, command: &str) -> Result<Duration> {
        let line = format!("{{ {command}\n}} </dev/null >/dev/null; echo $?\n");
        let begun = Instant::now();
        self.input.write_all(line.as_bytes())?;
        let mut answer = String::new();
        self.wait(command)?;
        self.output.read_line(&mut answer)?;
        let time = begun.elapsed();
        if answer.trim() == "0" {
            return Ok(time);
        }
        let text = std::fs::read(&self.errors).unwrap_or_default();
        let tail =
            String::from_utf8_lossy(&text[text.len().saturating_sub(SHOWN_BYTES)..]).into_owned();
        bail!("`{command}` ended with {}: {}", answer.trim(), tail.trim())
    }

    /// Waits for an answer, but not for ever.
    fn wait(&mut self, command: &str) -> Result<()> {
        let limit = rustix::event::Timespec::try_from(COMMAND_LIMIT)?;
        let output = self.output.get_ref();
        let mut watched = [rustix::event::PollFd::new(output, rustix::event::PollFlags::IN)];
        if rustix::event::poll(&mut watched, Some(&limit))? > 0 {
            return Ok(());
        }
        if let Some(group) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        bail!("`{command}` did not end within {} s", COMMAND_LIMIT.as_secs())
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.input.write_all(b"exit\n");
        let _ = self.child.wait();
    }
}

/// Removes a folder, whatever is still mounted in it.
pub fn remove_tree(path: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let inside = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let mut inside: Vec<&str> = inside.filter(|mount| Path::new(mount).starts_with(path)).collect();
    inside.reverse();
    for mount in inside {
        let _ = Command::new("umount").args(["-l", mount]).status();
    }
    if let Err(error) = std::fs::remove_dir_all(path) {
        eprintln!("{} is left: {error}", path.display());
    }
}

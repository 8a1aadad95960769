//! `teu compose`: a shop of five services, changes while it runs, commands that are killed in the
//! middle, and the canonical model against Docker's own Compose. Issue 4, section 2.

mod clients;
mod commands;
mod config;
mod convert;
mod faults;
mod shop;

use crate::world::{Said, World};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// A project in a home's files.
struct Compose<'a> {
    world: &'a World,
    folder: std::path::PathBuf,
    variables: Vec<(String, String)>,
}

impl<'a> Compose<'a> {
    /// A project of one file, in a folder called `p`.
    fn of(world: &'a World, text: &str) -> Self {
        let file = world.file("p/compose.yaml", text);
        let folder = file.parent().expect("written above").to_owned();
        Self { world, folder, variables: Vec::new() }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).expect("writes");
    }

    fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(other, _)| other != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    fn command(&self, line: &str) -> Command {
        let mut words = vec!["compose"];
        words.extend(line.split_whitespace());
        let mut command = self.world.command(words);
        command.current_dir(&self.folder).envs(self.variables.iter().cloned());
        for name in ["COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES"] {
            command.env_remove(name);
        }
        command
    }

    fn line(&self, line: &str) -> Said {
        self.command(line).output().expect("the binary starts").into()
    }

    /// What a shell in a service's container prints, or how it ends.
    fn shell(&self, service: &str, script: &str) -> Said {
        let mut command = self.command("exec -T");
        command.args([service, "sh", "-c", script]);
        command.output().expect("the binary starts").into()
    }

    /// A command of which only its standard error is read, line by line.
    fn spawned(&self, line: &str) -> std::process::Child {
        let mut command = self.command(line);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().expect("the binary starts")
    }

    /// Names and states of containers.
    fn states(&self) -> Vec<String> {
        let text = self.teu_ok("ps -a --format {{.Name}}={{.State}}");
        text.lines().map(str::to_owned).collect()
    }

    fn teu_ok(&self, line: &str) -> String {
        self.line(line).ok()
    }

    /// Nothing of the project is there.
    #[track_caller]
    fn is_gone(&self) {
        assert_eq!(self.world.teu(["ps", "-aq"]).ok(), "");
        assert_eq!(self.world.teu(["volume", "ls", "-q"]).ok(), "");
        let networks = self.world.teu(["network", "ls", "--format", "{{.Name}}"]).ok();
        let own: Vec<&str> =
            networks.lines().filter(|n| !["bridge", "host", "none"].contains(n)).collect();
        assert!(own.is_empty(), "{own:?}");
    }
}

impl Drop for Compose<'_> {
    fn drop(&mut self) {
        self.line("down -v -t 0 --remove-orphans");
    }
}

/// Asks until the answer is right.
#[track_caller]
fn until<T>(mut ask: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match ask() {
            Ok(value) => return value,
            Err(said) if begun.elapsed() > PATIENCE => panic!("{said}"),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

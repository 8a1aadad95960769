//! `teu generate systemd`: a unit for what is here already.

use super::unit::{Unit, line};
use crate::context::Context;
use crate::failure::{Doing, Failure, Result};
use crate::flags::Matches;
use std::path::{Path, PathBuf};

/// Seconds that systemd waits beyond what a container is given.
const PATIENCE_S: i64 = 60;

/// What the unit is about.
struct About {
    kind: &'static str,
    name: String,
    /// Of a container: what was typed to make it.
    typed: Vec<String>,
}

impl About {
    fn of(ctx: &Context, name: &str) -> Result<Self> {
        let containers = ctx.containers()?;
        let (record, ids) = containers.find_pod(name)?;
        if !record.implicit {
            let name = record.name.unwrap_or_default();
            return Ok(Self { kind: "pod", name, typed: Vec::new() });
        }
        let id = ids.first().ok_or_else(|| Failure::new("the container has gone"))?;
        let record = containers.find(id)?.record;
        Ok(Self { kind: "container", name: record.name, typed: record.typed })
    }
}

pub(super) fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let about = About::of(ctx, matches.operand(0))?;
    let mut unit = Unit::default();
    unit.add("Unit", "Description", format!("Teu {} {}", about.kind, about.name));
    unit.add("Unit", "Wants", "network-online.target");
    unit.add("Unit", "After", "network-online.target");
    unit.add("Unit", "RequiresMountsFor", ctx.home().data.display().to_string());
    let service = Service {
        teu: program(ctx, true),
        name: &about.name,
        timeout_s: matches.integer("stop-timeout").unwrap_or(10),
    };
    let kept = matches.nonempty("restart-policy").unwrap_or("on-failure");
    match (about.kind, matches.switch("new")) {
        ("pod", true) => {
            return Err(Failure::new("--new makes a container anew, not a pod")
                .hint("describe the pod in a .kube or .pod file: teu generate quadlet DIR")
                .code(125));
        }
        ("pod", false) => service.pod(&mut unit),
        (_, new) => {
            unit.add("Service", "Type", "exec");
            unit.add("Service", "Restart", kept);
            if let Some(pause) = matches.nonempty("restart-sec") {
                unit.add("Service", "RestartSec", pause);
            }
            match new {
                true => service.anew(&mut unit, &about.typed)?,
                false => service.again(&mut unit),
            }
            unit.add("Service", "KillMode", "mixed");
        }
    }
    let patience = service.timeout_s.max(0) + PATIENCE_S;
    unit.add("Service", "TimeoutStopSec", patience.to_string());
    unit.add("Install", "WantedBy", "default.target");
    if !matches.switch("files") {
        ctx.print(&unit.text())?;
        return Ok(0);
    }
    let path = std::env::current_dir()?.join(format!("{}-{}.service", about.kind, about.name));
    std::fs::write(&path, unit.text()).doing(|| format!("write {}", path.display()))?;
    ctx.line(&path.display().to_string())?;
    Ok(0)
}

/// The commands of a unit.
struct Service<'a> {
    teu: Vec<String>,
    name: &'a str,
    timeout_s: i64,
}

impl Service<'_> {
    fn command(&self, words: &[&str]) -> String {
        line(
            &self
                .teu
                .iter()
                .cloned()
                .chain(words.iter().map(|word| (*word).to_owned()))
                .collect::<Vec<_>>(),
        )
    }

    fn stop(&self, unit: &mut Unit, words: &[&str]) {
        let time = self.timeout_s.to_string();
        let words = [words, &["-t", time.as_str(), self.name]].concat();
        unit.add("Service", "ExecStop", self.command(&words));
    }

    fn pod(&self, unit: &mut Unit) {
        unit.add("Service", "Type", "oneshot");
        unit.add("Service", "RemainAfterExit", "yes");
        unit.add("Service", "ExecStart", self.command(&["pod", "start", self.name]));
        self.stop(unit, &["pod", "stop"]);
        // The shim is the pod's, and ends with it.
        unit.add("Service", "KillMode", "process");
    }

    /// The container that is there.
    fn again(&self, unit: &mut Unit) {
        unit.add("Service", "ExecStart", self.command(&["start", "--attach", self.name]));
        self.stop(unit, &["stop"]);
    }

    /// A new one at every start, as it was typed.
    fn anew(&self, unit: &mut Unit, typed: &[String]) -> Result<()> {
        if typed.is_empty() {
            return Err(Failure::new("no command line of teu run or create made this container")
                .hint("describe it in a .container file and run: teu generate quadlet DIR")
                .code(125));
        }
        let remove = format!("-{}", self.command(&["rm", "-f", self.name]));
        let mut start = self.teu.clone();
        start.extend(anew(typed, self.name));
        unit.add("Service", "ExecStartPre", remove.clone());
        unit.add("Service", "ExecStart", line(&start));
        self.stop(unit, &["stop"]);
        unit.add("Service", "ExecStopPost", remove);
        Ok(())
    }
}

/// `run` with what was typed, but for what the unit does itself.
fn anew(typed: &[String], name: &str) -> Vec<String> {
    const DROPPED: [&str; 9] = [
        "attach",
        "cidfile",
        "detach",
        "detach-keys",
        "interactive",
        "name",
        "restart",
        "rm",
        "sig-proxy",
    ];
    let flag = |word: &str| -> Option<String> {
        let name = word.strip_prefix("--")?.split('=').next()?;
        Some(name.to_owned())
    };
    let mut words: Vec<String> = ["run", "--rm", "--name", name].map(str::to_owned).into();
    // How `auto-update` finds the unit.
    words.push("--label=PODMAN_SYSTEMD_UNIT=%n".to_owned());
    let operands = typed.iter().position(|word| flag(word).is_none()).unwrap_or(typed.len());
    for (index, word) in typed.iter().enumerate() {
        let dropped = index < operands && flag(word).is_some_and(|f| DROPPED.contains(&f.as_str()));
        if !dropped {
            // A percent sign would be a specifier of systemd's.
            words.push(word.replace('%', "%%"));
        }
    }
    words
}

/// How a unit calls this very program for this very home.
pub(super) fn program(ctx: &Context, with_root: bool) -> Vec<String> {
    let path = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/usr/local/bin/teu"));
    let mut words = vec![path.display().to_string()];
    let data = &ctx.home().data;
    // Others than `--root DIR` are found by themselves.
    if with_root && ctx.home().run == data.join("run") && data != Path::new("/var/lib/teu") {
        words.extend(["--root".to_owned(), data.display().to_string()]);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anew_is_what_was_typed_but_for_what_the_unit_does() {
        let check = |typed: &str, expected: &str| {
            let typed: Vec<String> = typed.split(' ').map(str::to_owned).collect();
            let own = "run --rm --name web --label=PODMAN_SYSTEMD_UNIT=%n";
            assert_eq!(anew(&typed, "web").join(" "), format!("{own} {expected}"));
        };
        check("--detach --publish=80:80 nginx", "--publish=80:80 nginx");
        check("--name=web --rm --restart=always nginx -d --rm", "nginx -d --rm");
        check("--env=A=50% nginx date +%s", "--env=A=50%% nginx date +%%s");
    }
}

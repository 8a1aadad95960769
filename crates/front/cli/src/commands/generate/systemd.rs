//! `teu generate systemd`: a unit for what is here already.

use super::unit::{Unit, line};
use crate::context::Context;
use crate::failure::{Doing, Failure, Result};
use crate::flags::Matches;
use std::path::{Path, PathBuf};

/// Seconds that systemd waits beyond what a container is given.
const PATIENCE_S: i64 = 60;

pub(super) fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    if matches.switch("new") {
        return Err(Failure::new(
            "--new is not supported: the command line that made it is not kept",
        )
        .hint("describe it in a .container file and run: teu generate quadlet DIR")
        .code(125));
    }
    let (record, ids) = ctx.containers()?.find_pod(matches.operand(0))?;
    let pod = (!record.implicit).then(|| record.name.clone().unwrap_or_default());
    let (kind, name) = match pod {
        Some(name) => ("pod", name),
        None => {
            let id = ids.first().ok_or_else(|| Failure::new("the container has gone"))?;
            ("container", ctx.containers()?.find(id)?.record.name)
        }
    };
    let mut unit = Unit::default();
    unit.add("Unit", "Description", format!("Teu {kind} {name}"));
    unit.add("Unit", "Wants", "network-online.target");
    unit.add("Unit", "After", "network-online.target");
    unit.add("Unit", "RequiresMountsFor", ctx.home().data.display().to_string());
    let timeout_s = matches.integer("stop-timeout").unwrap_or(10);
    let teu = program(ctx, true);
    let command = |words: &[&str]| {
        line(
            &teu.iter()
                .cloned()
                .chain(words.iter().map(|word| (*word).to_owned()))
                .collect::<Vec<_>>(),
        )
    };
    let time = timeout_s.to_string();
    match kind {
        "pod" => {
            unit.add("Service", "Type", "oneshot");
            unit.add("Service", "RemainAfterExit", "yes");
            unit.add("Service", "ExecStart", command(&["pod", "start", &name]));
            unit.add("Service", "ExecStop", command(&["pod", "stop", "-t", &time, &name]));
            // The shim is the pod's, and ends with it.
            unit.add("Service", "KillMode", "process");
        }
        _ => {
            unit.add("Service", "Type", "exec");
            let restart = matches.nonempty("restart-policy").unwrap_or("on-failure");
            unit.add("Service", "Restart", restart);
            if let Some(pause) = matches.nonempty("restart-sec") {
                unit.add("Service", "RestartSec", pause);
            }
            unit.add("Service", "ExecStart", command(&["start", "--attach", &name]));
            unit.add("Service", "ExecStop", command(&["stop", "-t", &time, &name]));
            unit.add("Service", "KillMode", "mixed");
        }
    }
    unit.add("Service", "TimeoutStopSec", (timeout_s.max(0) + PATIENCE_S).to_string());
    unit.add("Install", "WantedBy", "default.target");
    if !matches.switch("files") {
        ctx.print(&unit.text())?;
        return Ok(0);
    }
    let path = std::env::current_dir()?.join(format!("{kind}-{name}.service"));
    std::fs::write(&path, unit.text()).doing(|| format!("write {}", path.display()))?;
    ctx.line(&path.display().to_string())?;
    Ok(0)
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

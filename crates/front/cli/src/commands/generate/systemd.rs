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
    /// What was typed to make it.
    typed: Vec<String>,
    /// Of a pod: its containers by name, in order, with what was typed.
    members: Vec<(String, Vec<String>)>,
}

impl About {
    fn of(ctx: &Context, name: &str) -> Result<Self> {
        let containers = ctx.containers()?;
        let (record, ids) = containers.find_pod(name)?;
        if !record.implicit {
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                found.push(containers.find(&id)?.record);
            }
            found.sort_by_key(|record| record.created_ns);
            let members = found.into_iter().map(|record| (record.name, record.typed)).collect();
            let name = record.name.unwrap_or_default();
            return Ok(Self { kind: "pod", name, typed: record.typed, members });
        }
        let id = ids.first().ok_or_else(|| Failure::new("the container has gone"))?;
        let record = containers.find(id)?.record;
        Ok(Self { kind: "container", name: record.name, typed: record.typed, members: Vec::new() })
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
        ("pod", true) => service.pod_anew(&mut unit, &about)?,
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

    /// A new pod at every start, with new containers, as all of it was typed.
    fn pod_anew(&self, unit: &mut Unit, about: &About) -> Result<()> {
        unit.add("Service", "Type", "oneshot");
        unit.add("Service", "RemainAfterExit", "yes");
        let remove = format!("-{}", self.command(&["pod", "rm", "-f", self.name]));
        unit.add("Service", "ExecStartPre", remove.clone());
        for words in pod_anew(&about.typed, self.name, &about.members)? {
            let command = [self.teu.clone(), words].concat();
            unit.add("Service", "ExecStart", line(&command));
        }
        self.stop(unit, &["pod", "stop"]);
        unit.add("Service", "ExecStopPost", remove);
        unit.add("Service", "KillMode", "process");
        Ok(())
    }

    /// The container that is there.
    fn again(&self, unit: &mut Unit) {
        unit.add("Service", "ExecStart", self.command(&["start", "--attach", self.name]));
        self.stop(unit, &["stop"]);
    }

    /// A new one at every start, as it was typed.
    fn anew(&self, unit: &mut Unit, typed: &[String]) -> Result<()> {
        if typed.is_empty() {
            return Err(untyped(self.name));
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

fn untyped(name: &str) -> Failure {
    Failure::new(format!("no command line of teu run, create or pod create made {name}"))
        .hint("describe it in a .container, .pod or .kube file and run: teu generate quadlet DIR")
        .code(125)
}

/// Flags that a unit has no use for, or chooses itself.
const DROPPED: [&str; 7] =
    ["attach", "cidfile", "detach", "detach-keys", "interactive", "name", "sig-proxy"];

/// `run` with what was typed, but for what the unit does itself.
fn anew(typed: &[String], name: &str) -> Vec<String> {
    let mut words: Vec<String> = ["run", "--rm", "--name", name].map(str::to_owned).into();
    // How `auto-update` finds the unit.
    words.push("--label=PODMAN_SYSTEMD_UNIT=%n".to_owned());
    words.extend(without(typed, &[&DROPPED[..], &["restart", "rm"]].concat()));
    words
}

/// What makes a pod and starts its containers, one command after another.
fn pod_anew(
    typed: &[String],
    name: &str,
    members: &[(String, Vec<String>)],
) -> Result<Vec<Vec<String>>> {
    if typed.is_empty() {
        return Err(untyped(name));
    }
    let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut flags = without(typed, &["name", "pod-id-file", "replace"]);
    flags.retain(|word| word.starts_with("--"));
    let mut commands = vec![[own(&["pod", "create", "--name", name]), flags].concat()];
    for (member, typed) in members {
        if typed.is_empty() {
            return Err(untyped(member));
        }
        let rest = without(typed, &[&DROPPED[..], &["pod"]].concat());
        commands.push([own(&["run", "--detach", "--pod", name, "--name", member]), rest].concat());
    }
    Ok(commands)
}

/// What was typed, without these flags.
fn without(typed: &[String], dropped: &[&str]) -> Vec<String> {
    let flag = |word: &str| -> Option<String> {
        let name = word.strip_prefix("--")?.split('=').next()?;
        Some(name.to_owned())
    };
    let operands = typed.iter().position(|word| flag(word).is_none()).unwrap_or(typed.len());
    let kept = typed.iter().enumerate().filter(|(index, word)| {
        *index >= operands || flag(word).is_none_or(|flag| !dropped.contains(&flag.as_str()))
    });
    // A percent sign would be a specifier of systemd's.
    kept.map(|(_, word)| word.replace('%', "%%")).collect()
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

    #[test]
    fn a_pod_anew_is_all_that_was_typed() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let typed = words("--publish=80:80 --name=shop --replace shop");
        let members = [
            (
                "page".to_owned(),
                words("--detach --pod=shop --name=page --restart=always nginx -g x"),
            ),
            ("job".to_owned(), words("--pod=shop busybox sleep 5")),
        ];
        let made = pod_anew(&typed, "shop", &members).unwrap();
        assert_eq!(
            made.iter().map(|words| words.join(" ")).collect::<Vec<_>>(),
            [
                "pod create --name shop --publish=80:80",
                "run --detach --pod shop --name page --restart=always nginx -g x",
                "run --detach --pod shop --name job busybox sleep 5",
            ]
        );
        let played = [("page".to_owned(), Vec::new())];
        assert!(pod_anew(&typed, "shop", &played).unwrap_err().message.contains("made page"));
        assert!(pod_anew(&[], "shop", &members).is_err());
    }
}

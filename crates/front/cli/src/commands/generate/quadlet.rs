//! `teu generate quadlet`: files that describe become units that run. podman-systemd.unit(5).
//!
//! A key that nobody knows is refused with its file, as podman's generator does: a misspelt
//! `ReadOnly` must not start a container that may write.

use super::systemd::program;
use super::unit::{FILE_LIMIT_BYTES, Unit, line, words};
use crate::context::Context;
use crate::failure::{Doing, Failure, Result};
use crate::flags::Matches;
use std::path::{Path, PathBuf};
use tables::{CONTAINER, Form, KUBE, NETWORK, POD, VOLUME};

mod tables;

pub(super) fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    // Units are read from elsewhere: every path in them is whole.
    let folder = std::path::absolute(matches.operand(0))?;
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .doing(|| format!("list {}", folder.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| kind_of(path).is_some())
        .collect();
    paths.sort();
    if paths.is_empty() {
        return Err(Failure::new(format!("there are no quadlet files in {}", folder.display())));
    }
    let teu = program(ctx, true);
    let mut units = Vec::new();
    for path in &paths {
        let text = crate::request::read_file(path)?;
        if text.len() > FILE_LIMIT_BYTES {
            return Err(Failure::new(format!("{} is larger than 1 MiB", path.display())));
        }
        let text = String::from_utf8(text).doing(|| path.display().to_string())?;
        units.push(unit(path, &text, &teu).map_err(Failure::new)?);
    }
    let output = matches.nonempty("output").map(Path::new);
    for (name, unit) in units {
        match output {
            None => ctx.print(&format!("# {name}\n{}\n", unit.text()))?,
            Some(folder) => {
                let path = folder.join(&name);
                std::fs::write(&path, unit.text()).doing(|| format!("write {}", path.display()))?;
                ctx.line(&path.display().to_string())?;
            }
        }
    }
    Ok(0)
}

/// Extension, and what is put behind the name of the unit.
const KINDS: [(&str, &str, &str); 7] = [
    ("container", "Container", ""),
    ("pod", "Pod", "-pod"),
    ("volume", "Volume", "-volume"),
    ("network", "Network", "-network"),
    ("kube", "Kube", ""),
    ("image", "Image", "-image"),
    ("build", "Build", "-build"),
];

fn kind_of(path: &Path) -> Option<(&'static str, &'static str, &'static str)> {
    let extension = path.extension()?.to_str()?;
    KINDS.into_iter().find(|(kind, _, _)| *kind == extension)
}

/// The unit that a name such as `data.volume` leads to, and what it makes.
fn reference(name: &str) -> Option<(String, String)> {
    let (stem, extension) = name.rsplit_once('.')?;
    let (_, _, suffix) = KINDS.into_iter().find(|(kind, _, _)| *kind == extension)?;
    Some((format!("{stem}{suffix}.service"), format!("systemd-{stem}")))
}

/// One file. Errors name it.
fn unit(path: &Path, text: &str, teu: &[String]) -> std::result::Result<(String, Unit), String> {
    let shown = path.display();
    let (kind, section, suffix) =
        kind_of(path).ok_or_else(|| format!("{shown}: no quadlet file"))?;
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let asked =
        Unit::parse(text).map_err(|(line, problem)| format!("{shown}:{line}: {problem}"))?;
    let mut made = Unit::default();
    made.take(&asked, "Unit");
    made.add("Unit", "SourcePath", shown.to_string());
    let mut quadlet =
        Quadlet { asked: &asked, section, teu, stem, needs: Vec::new(), folder: path.parent() };
    let done = match kind {
        "container" => quadlet.container(&mut made),
        "pod" => quadlet.pod(&mut made),
        "volume" => quadlet.volume(&mut made),
        "network" => quadlet.network(&mut made),
        "kube" => quadlet.kube(&mut made),
        "image" => quadlet.image(&mut made),
        _ => quadlet.build(&mut made),
    };
    done.map_err(|problem| format!("{shown}: {problem}"))?;
    for needed in quadlet.needs {
        made.add("Unit", "Requires", needed.clone());
        made.add("Unit", "After", needed);
    }
    made.take(&asked, "Service");
    made.take(&asked, "Install");
    Ok((format!("{stem}{suffix}.service"), made))
}

struct Quadlet<'a> {
    asked: &'a Unit,
    section: &'static str,
    teu: &'a [String],
    stem: &'a str,
    needs: Vec<String>,
    folder: Option<&'a Path>,
}

type Done = std::result::Result<(), String>;

impl Quadlet<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.asked.last(self.section, key).filter(|value| !value.is_empty())
    }

    fn need(&self, key: &str) -> std::result::Result<String, String> {
        let missing = || format!("no {key} key specified in group {}", self.section);
        self.get(key).map(str::to_owned).ok_or_else(missing)
    }

    fn command(&self, words: &[&str]) -> Vec<String> {
        self.teu.iter().cloned().chain(words.iter().map(|word| (*word).to_owned())).collect()
    }

    /// Flags for all keys of a table; what is in neither table is refused.
    fn flags(&mut self, table: &[(&str, Form)]) -> std::result::Result<Vec<String>, String> {
        let mut flags = Vec::new();
        for (key, value) in self.asked.keys(self.section) {
            let Some((_, form)) = table.iter().find(|(name, _)| *name == key) else {
                return Err(format!("unsupported key '{key}' in group '{}'", self.section));
            };
            match form {
                Form::Own => {}
                Form::Text(flag) => flags.push(format!("--{flag}={value}")),
                Form::Words(flag) => {
                    flags.extend(words(value).into_iter().map(|word| format!("--{flag}={word}")));
                }
                Form::Switch(flag) => match value {
                    "true" | "yes" | "1" | "on" => flags.push(format!("--{flag}")),
                    "false" | "no" | "0" | "off" => {}
                    _ => return Err(format!("{key}={value} is neither true nor false")),
                },
                Form::Reference(flag) => {
                    let (name, rest) = match value.split_once(':') {
                        Some((name, rest)) => (name, format!(":{rest}")),
                        None => (value, String::new()),
                    };
                    match reference(name) {
                        Some((unit, made)) => {
                            self.needs.push(unit);
                            flags.push(format!("--{flag}={made}{rest}"));
                        }
                        None => flags.push(format!("--{flag}={}{rest}", self.located(name))),
                    }
                }
                Form::Refused(why) => return Err(format!("{key} is not supported: {why}")),
                Form::Args => flags.extend(words(value)),
            }
        }
        Ok(flags)
    }

    /// Paths that begin with `.` are beside the file.
    fn located(&self, path: &str) -> String {
        match self.folder.filter(|_| path.starts_with("./") || path.starts_with("../")) {
            Some(folder) => folder.join(path).display().to_string(),
            None => path.to_owned(),
        }
    }

    fn container(&mut self, made: &mut Unit) -> Done {
        let name = self
            .get("ContainerName")
            .map_or_else(|| format!("systemd-{}", self.stem), str::to_owned);
        let image = match reference(&self.need("Image")?) {
            Some((unit, _)) => {
                self.needs.push(unit);
                self.need("Image")?
                    .rsplit_once('.')
                    .map_or_else(String::new, |(stem, _)| format!("systemd-{stem}"))
            }
            None => self.need("Image")?,
        };
        let mut start = self.command(&["run", "--rm", "--name", &name]);
        start.extend(self.flags(CONTAINER)?);
        if let Some(user) = self.get("User") {
            let group = self.get("Group").map_or_else(String::new, |group| format!(":{group}"));
            start.push(format!("--user={user}{group}"));
        }
        if let Some(policy) = self.get("AutoUpdate") {
            start.push(format!("--label=io.containers.autoupdate={policy}"));
        }
        // How `auto-update` finds the unit.
        start.push("--label=PODMAN_SYSTEMD_UNIT=%n".to_owned());
        start.push(image);
        start.extend(self.get("Exec").map(words).unwrap_or_default());
        made.add("Service", "Type", "exec");
        made.add("Service", "KillMode", "mixed");
        made.add(
            "Service",
            "ExecStartPre",
            format!("-{}", line(&self.command(&["rm", "-f", &name]))),
        );
        made.add("Service", "ExecStart", line(&start));
        made.add("Service", "ExecStop", format!("-{}", line(&self.command(&["stop", &name]))));
        made.add(
            "Service",
            "ExecStopPost",
            format!("-{}", line(&self.command(&["rm", "-f", &name]))),
        );
        Ok(())
    }

    fn pod(&mut self, made: &mut Unit) -> Done {
        let name =
            self.get("PodName").map_or_else(|| format!("systemd-{}", self.stem), str::to_owned);
        let mut create = self.command(&["pod", "create", "--name", &name]);
        create.extend(self.flags(POD)?);
        made.add("Service", "Type", "oneshot");
        made.add("Service", "RemainAfterExit", "yes");
        made.add("Service", "KillMode", "process");
        let remove = format!("-{}", line(&self.command(&["pod", "rm", "-f", &name])));
        made.add("Service", "ExecStartPre", remove.clone());
        made.add("Service", "ExecStart", line(&create));
        made.add(
            "Service",
            "ExecStop",
            format!("-{}", line(&self.command(&["pod", "stop", &name]))),
        );
        made.add("Service", "ExecStopPost", remove);
        Ok(())
    }

    fn once(&self, made: &mut Unit, start: &str) {
        made.add("Service", "Type", "oneshot");
        made.add("Service", "RemainAfterExit", "yes");
        made.add("Service", "ExecStart", start);
    }

    fn volume(&mut self, made: &mut Unit) -> Done {
        let name =
            self.get("VolumeName").map_or_else(|| format!("systemd-{}", self.stem), str::to_owned);
        let mut create = self.command(&["volume", "create"]);
        create.extend(self.flags(VOLUME)?);
        create.push(name);
        self.once(made, &line(&create));
        Ok(())
    }

    fn network(&mut self, made: &mut Unit) -> Done {
        let name =
            self.get("NetworkName").map_or_else(|| format!("systemd-{}", self.stem), str::to_owned);
        let mut create = self.command(&["network", "create"]);
        create.extend(self.flags(NETWORK)?);
        create.push(name.clone());
        // One that is there already is as good.
        self.once(made, &format!("-{}", line(&create)));
        made.add(
            "Service",
            "ExecStart",
            line(&self.command(&["network", "inspect", "--format", "{{.ID}}", &name])),
        );
        Ok(())
    }

    fn kube(&mut self, made: &mut Unit) -> Done {
        let yaml = self.need("Yaml")?;
        let yaml = match self.folder.filter(|_| !yaml.starts_with('/')) {
            Some(folder) => folder.join(&yaml).display().to_string(),
            None => yaml,
        };
        let mut play = self.command(&["kube", "play", "--replace"]);
        play.extend(self.flags(KUBE)?);
        play.push(yaml.clone());
        self.once(made, &line(&play));
        made.add("Service", "KillMode", "process");
        made.add("Service", "ExecStop", line(&self.command(&["kube", "down", &yaml])));
        Ok(())
    }

    fn image(&mut self, made: &mut Unit) -> Done {
        let image = self.need("Image")?;
        self.flags(&[("Image", Form::Own), ("ImageTag", Form::Own)])?;
        self.once(made, &line(&self.command(&["pull", "-q", &image])));
        made.add(
            "Service",
            "ExecStart",
            line(&self.command(&["tag", &image, &format!("systemd-{}", self.stem)])),
        );
        Ok(())
    }

    fn build(&mut self, made: &mut Unit) -> Done {
        let tag =
            self.get("ImageTag").map_or_else(|| format!("systemd-{}", self.stem), str::to_owned);
        let own = format!("systemd-{}", self.stem);
        let mut build = self.command(&["build", "-q", "-t", &tag, "-t", &own]);
        let folder = self.get("SetWorkingDirectory").unwrap_or(".").to_owned();
        let context = match (folder.as_str(), self.folder) {
            ("unit" | ".", Some(folder)) => folder.display().to_string(),
            _ => self.located(&folder),
        };
        build.extend(self.flags(tables::BUILD)?);
        build.push(context);
        self.once(made, &line(&build));
        Ok(())
    }
}

#[cfg(test)]
mod tests;

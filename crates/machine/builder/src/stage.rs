//! What a stage is while its instructions are applied: the configuration that grows, the variables
//! in scope, the layers below. Pure: instructions that change files come back as [`Step`]s, and
//! the caller says with [`StageState::commit`] what layer they became.

use crate::dockerfile::instruction::{CommandLine, Copy, Health, Instruction, Located, Run};
use crate::dockerfile::problem::Problem;
use crate::dockerfile::words::{Quotes, expand_word, expand_words};
use std::collections::BTreeMap;
use teu_oci::image::{Config, Descriptor, Healthcheck, History, ImageConfig};
use teu_oci::{ChainId, Digest};

pub mod history;
pub mod scope;

pub use scope::{Scope, is_proxy};

/// What a shell form is run with.
pub const DEFAULT_SHELL: [&str; 2] = ["/bin/sh", "-c"];
/// `PATH` where an image has none.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Layers of an image; overlayfs takes no more than 500.
const LAYER_LIMIT: usize = 500;
/// Bytes that a configuration may grow by: what is set, as its history repeats it.
const CONFIG_LIMIT_BYTES: usize = 6 << 20;
/// Triggers of a base image.
pub const TRIGGER_LIMIT: usize = 1000;

/// One layer below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerRef {
    /// Hash of its plain tar.
    pub diff_id: Digest,
    /// Its blob.
    pub descriptor: Descriptor,
}

/// A stage so far.
#[derive(Debug, Clone)]
pub struct StageState {
    /// The configuration that the image will have.
    pub image: ImageConfig,
    /// Layers, lowest first.
    pub layers: Vec<LayerRef>,
    /// Identity of all layers.
    pub chain: Option<ChainId>,
    /// Variables.
    pub scope: Scope,
    /// When its newest layer was made, RFC 3339.
    pub created: Option<String>,
    /// Time of files that are made with no other time: when the base was made.
    pub base_time: i64,
    cmd_set: bool,
    said_bytes: usize,
}

/// What changes files.
#[derive(Debug)]
pub enum Step<'a> {
    /// `RUN`
    Run(&'a Run),
    /// `COPY`, `ADD`
    Copy(Box<Copy>),
    /// `WORKDIR`: this directory must exist.
    Workdir(String),
}

impl StageState {
    /// Of nothing: `FROM scratch`.
    pub fn scratch(scope: Scope, platform: &teu_oci::Platform) -> Self {
        let image = ImageConfig {
            created: None,
            author: None,
            architecture: platform.architecture.clone(),
            variant: platform.variant.clone(),
            os: platform.os.clone(),
            os_version: None,
            config: Config {
                env: vec![format!("PATH={DEFAULT_PATH}")],
                working_dir: "/".to_owned(),
                ..Config::default()
            },
            rootfs: teu_oci::image::RootFs { kind: "layers".to_owned(), diff_ids: Vec::new() },
            history: Vec::new(),
            inline_cache: None,
        };
        Self::over(image, Vec::new(), scope)
    }

    /// Over a base image. What only holds for builds from it ([`StageState::take_triggers`]) is
    /// still there.
    pub fn over(image: ImageConfig, layers: Vec<LayerRef>, mut scope: Scope) -> Self {
        let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.diff_id.clone()).collect();
        let created = image.created.clone();
        scope.set_env(&image.config.env);
        Self {
            chain: ChainId::of(&diff_ids),
            base_time: created.as_deref().and_then(crate::time::parse_rfc3339).unwrap_or(0),
            image,
            layers,
            scope,
            created,
            cmd_set: false,
            said_bytes: 0,
        }
    }

    /// The machine that it is for.
    pub fn platform(&self) -> teu_oci::Platform {
        let mut platform = teu_oci::Platform::linux(&self.image.architecture);
        platform.os.clone_from(&self.image.os);
        platform.variant.clone_from(&self.image.variant);
        platform
    }

    /// The triggers of the base, which fire now and are gone.
    pub fn take_triggers(&mut self) -> Vec<String> {
        self.image.config.on_build.take().unwrap_or_default()
    }

    /// Expands a word with the variables in scope.
    pub fn expand(&self, word: &str) -> Result<String, Problem> {
        expand_word(word, self.scope.escape, &|name| self.scope.get(name))
            .map_err(|problem| Problem::Expansion { word: word.to_owned(), problem })
    }

    fn expand_all(&self, words: &[String]) -> Result<Vec<String>, Problem> {
        words.iter().map(|word| self.expand(word)).collect()
    }

    /// Applies an instruction to the configuration, or says what has to be done to files.
    pub fn apply<'a>(&mut self, located: &'a Located) -> Result<Option<Step<'a>>, Problem> {
        match &located.instruction {
            Instruction::Run(run) => return Ok(Some(Step::Run(run))),
            Instruction::Copy(copy) => {
                return self.copy(copy).map(|c| Some(Step::Copy(Box::new(c))));
            }
            Instruction::Workdir(path) => return self.workdir(path).map(Some),
            Instruction::Arg(args) => self.args(args)?,
            Instruction::Env(pairs) => self.env(pairs)?,
            Instruction::Label(pairs) => self.label(pairs)?,
            Instruction::Cmd(command) => self.cmd(command),
            Instruction::Entrypoint(command) => self.entrypoint(command),
            Instruction::Shell(words) => {
                self.image.config.shell = Some(words.clone());
                self.note(format!("SHELL [{}]", words.join(" ")));
            }
            Instruction::User(user) => {
                let user = self.expand(user)?;
                self.note(format!("USER {user}"));
                self.image.config.user = user;
            }
            Instruction::Volume(paths) => self.volume(paths)?,
            Instruction::Expose(ports) => self.expose(ports)?,
            Instruction::StopSignal(signal) => self.stop_signal(signal)?,
            Instruction::Healthcheck(health) => self.healthcheck(health),
            Instruction::Onbuild(trigger) => {
                self.image.config.on_build.get_or_insert_default().push(trigger.clone());
            }
            Instruction::Maintainer(author) => {
                self.image.author = Some(author.clone());
                self.note(format!("MAINTAINER {author}"));
            }
            Instruction::From { .. } => {}
        }
        if self.said_bytes > CONFIG_LIMIT_BYTES {
            return Err(Problem::ConfigTooLarge);
        }
        Ok(None)
    }

    fn copy(&self, copy: &Copy) -> Result<Copy, Problem> {
        let mut copy = copy.clone();
        copy.sources = self.expand_all(&copy.sources)?;
        copy.exclude = self.expand_all(&copy.exclude)?;
        copy.destination = self.expand(&copy.destination)?;
        let fields = [&mut copy.chown, &mut copy.chmod, &mut copy.checksum];
        for word in fields.into_iter().flatten() {
            *word = self.expand(word)?;
        }
        for heredoc in copy.heredocs.iter_mut().filter(|heredoc| heredoc.expand) {
            let lookup = |name: &str| self.scope.get(name);
            heredoc.body =
                crate::dockerfile::words::expand_body(&heredoc.body, self.scope.escape, &lookup)
                    .map_err(|problem| Problem::Expansion {
                        word: heredoc.name.clone(),
                        problem,
                    })?;
        }
        Ok(copy)
    }

    fn workdir(&mut self, path: &str) -> Result<Step<'static>, Problem> {
        let path = self.expand(path)?;
        let absolute = self.absolute(&path);
        self.image.config.working_dir.clone_from(&absolute);
        Ok(Step::Workdir(absolute))
    }

    /// A path as instructions mean it: relative to the working directory.
    pub fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') {
            return crate::glob::clean(path);
        }
        crate::glob::clean(&format!("/{}/{path}", self.image.config.working_dir))
    }

    fn args(&mut self, args: &[(String, Option<String>)]) -> Result<(), Problem> {
        let mut said = Vec::new();
        for (name, default) in args {
            let name = self.expand(name)?;
            let default = default.as_deref().map(|word| self.expand(word)).transpose()?;
            let value = self.scope.declare(&name, default);
            said.push(value.map_or_else(|| name.clone(), |value| format!("{name}={value}")));
        }
        self.note(format!("ARG {}", said.join(" ")));
        Ok(())
    }

    fn env(&mut self, pairs: &[(String, String)]) -> Result<(), Problem> {
        let mut said = Vec::new();
        // All of one instruction see the values from before it.
        let mut new = Vec::new();
        for (name, value) in pairs {
            let (name, value) = (self.expand(name)?, self.expand(value)?);
            if name.is_empty() {
                return Err(Problem::BlankName("ENV".to_owned()));
            }
            said.push(format!("{name}={value}"));
            new.push((name, value));
        }
        for (name, value) in new {
            self.scope.export(&name, &value);
        }
        self.image.config.env = self.scope.env();
        self.note(format!("ENV {}", said.join(" ")));
        Ok(())
    }

    fn label(&mut self, pairs: &[(String, String)]) -> Result<(), Problem> {
        let mut said = Vec::new();
        for (name, value) in pairs {
            let (name, value) = (self.expand(name)?, self.expand(value)?);
            if name.is_empty() {
                return Err(Problem::BlankName("LABEL".to_owned()));
            }
            said.push(format!("{name}={value}"));
            self.image.config.labels.insert(name, value);
        }
        self.note(format!("LABEL {}", said.join(" ")));
        Ok(())
    }

    /// What shell forms are run with.
    pub fn shell(&self) -> Vec<String> {
        let default = || DEFAULT_SHELL.map(str::to_owned).to_vec();
        self.image.config.shell.clone().unwrap_or_else(default)
    }

    fn cmd(&mut self, command: &CommandLine) {
        let words = command.with_shell(&self.shell());
        self.note(format!("CMD {}", history::quoted_list(&words)));
        self.image.config.cmd = Some(words);
        self.cmd_set = true;
    }

    fn entrypoint(&mut self, command: &CommandLine) {
        let words = command.with_shell(&self.shell());
        self.note(format!("ENTRYPOINT {}", history::quoted_list(&words)));
        self.image.config.entrypoint = Some(words);
        // The base's arguments were for the base's program.
        if !self.cmd_set {
            self.image.config.cmd = None;
        }
    }

    fn volume(&mut self, paths: &[String]) -> Result<(), Problem> {
        let paths = self.expand_all(paths)?;
        if paths.iter().any(String::is_empty) {
            return Err(Problem::BlankVolume);
        }
        for path in &paths {
            self.image.config.volumes.insert(path.clone(), teu_oci::image::config::Empty {});
        }
        self.note(format!("VOLUME [{}]", paths.join(" ")));
        Ok(())
    }

    fn expose(&mut self, ports: &[String]) -> Result<(), Problem> {
        let mut words = Vec::new();
        for port in ports {
            let lookup = |name: &str| self.scope.get(name);
            let expanded = expand_words(port, self.scope.escape, Quotes::Remove, &lookup);
            words.extend(
                expanded.map_err(|problem| Problem::Expansion { word: port.clone(), problem })?,
            );
        }
        let mut said = Vec::new();
        for word in &words {
            for port in ports_of(word).ok_or_else(|| Problem::Port(word.clone()))? {
                said.push(port.clone());
                self.image.config.exposed_ports.insert(port, teu_oci::image::config::Empty {});
            }
        }
        said.sort();
        self.note(format!("EXPOSE [{}]", said.join(" ")));
        Ok(())
    }

    fn stop_signal(&mut self, signal: &str) -> Result<(), Problem> {
        let signal = self.expand(signal)?;
        let named = |text: &str| {
            let name = text.strip_prefix("SIG").unwrap_or(text);
            SIGNALS.contains(&name)
                || ["RTMIN", "RTMAX"].iter().any(|base| {
                    name.strip_prefix(base).is_some_and(|rest| {
                        rest.is_empty() || rest[1..].parse::<u8>().is_ok_and(|n| n <= 30)
                    })
                })
        };
        let numbered = signal.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number));
        if !numbered && !named(&signal.to_ascii_uppercase()) {
            return Err(Problem::Signal(signal));
        }
        self.note(format!("STOPSIGNAL {signal}"));
        self.image.config.stop_signal = Some(signal);
        Ok(())
    }

    fn healthcheck(&mut self, health: &Health) {
        let check = match health {
            Health::None => Healthcheck { test: vec!["NONE".to_owned()], ..Healthcheck::default() },
            Health::Probe { command, interval, timeout, start_period, start_interval, retries } => {
                let kind = if command.exec { "CMD" } else { "CMD-SHELL" };
                let test = std::iter::once(kind.to_owned()).chain(command.words.clone()).collect();
                Healthcheck {
                    test,
                    interval: *interval,
                    timeout: *timeout,
                    start_period: *start_period,
                    start_interval: *start_interval,
                    retries: *retries,
                }
            }
        };
        self.note(format!("HEALTHCHECK {}", history::healthcheck(&check)));
        self.image.config.healthcheck = Some(check);
    }

    /// A line of history without a layer.
    pub fn note(&mut self, created_by: String) {
        self.said_bytes += created_by.len();
        self.image.history.push(History {
            created: self.created.clone(),
            created_by: Some(created_by),
            comment: Some(history::COMMENT.to_owned()),
            empty_layer: true,
            author: None,
        });
    }

    /// A step has become a layer.
    pub fn commit(
        &mut self,
        layer: LayerRef,
        created_by: String,
        created: &str,
    ) -> Result<(), Problem> {
        if self.layers.len() >= LAYER_LIMIT {
            return Err(Problem::TooManyLayers);
        }
        self.chain = Some(ChainId::extend(self.chain.as_ref(), &layer.diff_id));
        self.layers.push(layer);
        self.created = Some(created.to_owned());
        self.image.history.push(History {
            created: self.created.clone(),
            created_by: Some(created_by),
            comment: Some(history::COMMENT.to_owned()),
            empty_layer: false,
            author: self.image.author.clone(),
        });
        Ok(())
    }

    /// The configuration of the image as it is now.
    pub fn finish(&self, labels: &BTreeMap<String, String>) -> ImageConfig {
        let mut image = self.image.clone();
        image.created.clone_from(&self.created);
        // Of the base, whose steps are not this image's.
        image.inline_cache = None;
        image.rootfs.diff_ids = self.layers.iter().map(|layer| layer.diff_id.clone()).collect();
        image.config.labels.extend(labels.clone());
        image
    }
}

const SIGNALS: &[&str] = &[
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

/// `80`, `80/udp`, `8000-8010/tcp` as `port/protocol`.
fn ports_of(word: &str) -> Option<Vec<String>> {
    let (range, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return None;
    }
    // A mapping to the host (`8080:80`) is for `run`; Docker keeps the container's side.
    let range = range.rsplit(':').next()?;
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let number = |text: &str| text.parse::<u16>().ok();
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then(|| (first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

#[cfg(test)]
mod tests;

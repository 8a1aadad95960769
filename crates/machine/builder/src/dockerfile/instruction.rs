//! A logical line becomes an instruction: its word, flags and arguments in the form each one has.
//!
//! Variables are not expanded yet; what must be checked after expansion is checked by the planner.

use super::Warning;
use super::flags::{Flags, Kind};
use super::lines::{Heredoc, Line, is_blank};
use super::problem::{Problem, suggest};
use super::source::Lines;

mod forms;
mod parse;

pub use parse::{Script, parse_trigger};

/// An instruction and where it stands.
#[derive(Debug, Clone)]
pub struct Located {
    /// What it says.
    pub instruction: Instruction,
    /// Its word, upper case.
    pub keyword: String,
    /// As written, without continuations and heredocs' bodies.
    pub text: String,
    /// Where.
    pub lines: Lines,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the Dockerfile's")]
pub enum Instruction {
    From { base: String, name: Option<String>, platform: Option<String> },
    Arg(Vec<(String, Option<String>)>),
    Env(Vec<(String, String)>),
    Label(Vec<(String, String)>),
    Run(Run),
    Copy(Copy),
    Cmd(CommandLine),
    Entrypoint(CommandLine),
    Shell(Vec<String>),
    Workdir(String),
    User(String),
    Volume(Vec<String>),
    Expose(Vec<String>),
    StopSignal(String),
    Healthcheck(Health),
    Onbuild(String),
    Maintainer(String),
}

/// A command in one of its two forms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// The JSON array, or the whole line as one string.
    pub words: Vec<String>,
    /// It was a JSON array: no shell.
    pub exec: bool,
}

/// `RUN`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// What is run.
    pub command: CommandLine,
    /// Its heredocs.
    pub heredocs: Vec<Heredoc>,
    /// `--mount`, as written.
    pub mounts: Vec<String>,
    /// `--network`
    pub network: Option<String>,
    /// `--security`
    pub security: Option<String>,
}

/// `COPY`, or `ADD`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copy {
    /// It is `ADD`: archives and URLs mean something.
    pub add: bool,
    /// Paths, patterns, URLs; not those of heredocs.
    pub sources: Vec<String>,
    /// Files whose content is in the Dockerfile.
    pub heredocs: Vec<Heredoc>,
    /// Where to.
    pub destination: String,
    /// Stage, image or named context.
    pub from: Option<String>,
    /// `user[:group]`
    pub chown: Option<String>,
    /// Octal, or `u=rwX,go=rX`.
    pub chmod: Option<String>,
    /// A layer of its own, whatever is below.
    pub link: bool,
    /// Keeps the sources' parents.
    pub parents: bool,
    /// Patterns that are left out.
    pub exclude: Vec<String>,
    /// `sha256:…` of a URL.
    pub checksum: Option<String>,
    /// Of a git source.
    pub keep_git_dir: bool,
    /// Unpacks an archive (`None`: local ones only).
    pub unpack: Option<bool>,
}

/// `HEALTHCHECK`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Switched off.
    None,
    /// A probe; times in nanoseconds, 0 for the default.
    Probe {
        /// What is run.
        command: CommandLine,
        /// Between two probes.
        interval: i64,
        /// Until one counts as failed.
        timeout: i64,
        /// In which failures do not count.
        start_period: i64,
        /// Between two probes of it.
        start_interval: i64,
        /// Failures until unhealthy.
        retries: i64,
    },
}

/// Every instruction's word.
pub const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Reads one line.
pub fn parse_instruction(
    line: Line,
    escape: char,
    warnings: &mut Vec<Warning>,
) -> Result<Located, Problem> {
    let (keyword, rest) = split_keyword(&line.text);
    let instruction = parse::parse(&keyword, rest, line.heredocs, escape)?;
    let mut warn = |rule, message| warnings.push(Warning { rule, message, lines: line.at });
    match &instruction {
        Instruction::Maintainer(_) => warn(
            "MaintainerDeprecated",
            "Maintainer instruction is deprecated in favor of using label".to_owned(),
        ),
        Instruction::Cmd(command) | Instruction::Entrypoint(command)
            if !command.exec && !command.words.is_empty() =>
        {
            warn(
                "JSONArgsRecommended",
                format!(
                    "JSON arguments recommended for {keyword} to prevent unintended behavior related to OS signals"
                ),
            );
        }
        Instruction::Env(_) | Instruction::Label(_) if forms::is_legacy_pair(rest, escape) => warn(
            "LegacyKeyValueFormat",
            format!(
                "\"{keyword} key=value\" should be used instead of legacy \"{keyword} key value\" format"
            ),
        ),
        _ => {}
    }
    Ok(Located { instruction, keyword, text: line.text.trim().to_owned(), lines: line.at })
}

fn split_keyword(text: &str) -> (String, &str) {
    let text = text.trim();
    let (keyword, rest) = text.split_at(text.find(is_blank).unwrap_or(text.len()));
    (keyword.to_ascii_uppercase(), rest.trim())
}

impl CommandLine {
    /// What is run, with `shell` before the shell form.
    pub fn with_shell(&self, shell: &[String]) -> Vec<String> {
        if self.exec || self.words.is_empty() {
            return self.words.clone();
        }
        shell.iter().cloned().chain(std::iter::once(self.words.join(" "))).collect()
    }
}

const COPY_FLAGS: &[(&str, Kind)] = &[
    ("from", Kind::Text),
    ("chown", Kind::Text),
    ("chmod", Kind::Text),
    ("link", Kind::Bool),
    ("parents", Kind::Bool),
    ("exclude", Kind::List),
];
const ADD_FLAGS: &[(&str, Kind)] = &[
    ("chown", Kind::Text),
    ("chmod", Kind::Text),
    ("link", Kind::Bool),
    ("exclude", Kind::List),
    ("checksum", Kind::Text),
    ("keep-git-dir", Kind::Bool),
    ("unpack", Kind::Bool),
];
const RUN_FLAGS: &[(&str, Kind)] = &[
    ("mount", Kind::List),
    ("network", Kind::Text),
    ("security", Kind::Text),
    ("device", Kind::List),
];
const HEALTH_FLAGS: &[(&str, Kind)] = &[
    ("interval", Kind::Text),
    ("timeout", Kind::Text),
    ("start-period", Kind::Text),
    ("start-interval", Kind::Text),
    ("retries", Kind::Text),
];

fn known_flags(keyword: &str) -> &'static [(&'static str, Kind)] {
    match keyword {
        "FROM" => &[("platform", Kind::Text)],
        "COPY" => COPY_FLAGS,
        "ADD" => ADD_FLAGS,
        "RUN" => RUN_FLAGS,
        "HEALTHCHECK" => HEALTH_FLAGS,
        _ => &[],
    }
}

fn unknown(keyword: &str) -> Problem {
    Problem::UnknownInstruction {
        word: keyword.chars().take(64).collect(),
        suggestion: suggest(keyword, KEYWORDS),
    }
}

fn checked_flags(keyword: &str, flags: &[String]) -> Result<Flags, Problem> {
    Flags::parse(keyword, flags, known_flags(keyword))
}

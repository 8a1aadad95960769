//! One function per instruction.

use super::{
    CommandLine, Copy, Health, Instruction, Located, Run, checked_flags, forms, split_keyword,
    unknown,
};
use crate::dockerfile::flags::{self, Flags};
use crate::dockerfile::lines::{Heredoc, Line, opener, split};
use crate::dockerfile::problem::Problem;
use crate::dockerfile::source::Lines;

const MINIMUM_PROBE_NS: i64 = 1_000_000;

/// Parses the arguments of `keyword`.
pub fn parse(
    keyword: &str,
    rest: &str,
    heredocs: Vec<Heredoc>,
    escape: char,
) -> Result<Instruction, Problem> {
    if !super::KEYWORDS.contains(&keyword) {
        return Err(unknown(keyword));
    }
    let whole = rest;
    let (given, rest) = flags::take(rest);
    let flags = checked_flags(keyword, &given)?;
    let single = |rest: &str| match rest {
        "" => Err(Problem::ExactlyOne(keyword.to_owned())),
        text => Ok(text.to_owned()),
    };
    Ok(match keyword {
        "FROM" => from(&forms::words(rest), &flags)?,
        "ARG" => args(rest, escape)?,
        "ENV" => Instruction::Env(forms::pairs(keyword, rest, escape)?),
        "LABEL" => Instruction::Label(forms::pairs(keyword, rest, escape)?),
        "RUN" => Instruction::Run(run(rest, heredocs, &flags)?),
        "COPY" | "ADD" => Instruction::Copy(copy(keyword, rest, heredocs, &flags)?),
        "CMD" => Instruction::Cmd(forms::command(rest)?),
        "ENTRYPOINT" => Instruction::Entrypoint(forms::command(rest)?),
        "SHELL" => shell(rest)?,
        "WORKDIR" => Instruction::Workdir(single(rest)?),
        "USER" => Instruction::User(single(rest)?),
        "VOLUME" => volume(rest)?,
        "EXPOSE" => match forms::words(rest) {
            ports if ports.is_empty() => return Err(Problem::AtLeastOne(keyword.to_owned())),
            ports => Instruction::Expose(ports),
        },
        "STOPSIGNAL" => Instruction::StopSignal(single(rest)?),
        "HEALTHCHECK" => Instruction::Healthcheck(health(rest, &flags)?),
        "ONBUILD" => onbuild(whole, &heredocs)?,
        _ => Instruction::Maintainer(single(rest)?),
    })
}

fn from(words: &[String], flags: &Flags) -> Result<Instruction, Problem> {
    let (base, name) = match words {
        [] => return Err(Problem::FromForm),
        [base] => (base, None),
        [base, keyword, name] if keyword.eq_ignore_ascii_case("as") => (base, Some(name)),
        _ => return Err(Problem::FromForm),
    };
    let name = name.map(|name| name.to_ascii_lowercase());
    if let Some(name) = &name {
        let valid = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|b| {
                b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.')
            });
        if !valid {
            return Err(Problem::StageName(name.clone()));
        }
    }
    Ok(Instruction::From { base: base.clone(), name, platform: flags.owned("platform") })
}

fn args(rest: &str, escape: char) -> Result<Instruction, Problem> {
    let words = forms::quoted_words(rest, escape);
    if words.is_empty() {
        return Err(Problem::AtLeastOne("ARG".to_owned()));
    }
    let arg = |word: String| {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word.clone(), None),
        };
        if name.is_empty() { Err(Problem::ArgName(word)) } else { Ok((name, value)) }
    };
    words.into_iter().map(arg).collect::<Result<_, _>>().map(Instruction::Arg)
}

fn run(rest: &str, heredocs: Vec<Heredoc>, flags: &Flags) -> Result<Run, Problem> {
    let command = forms::command(rest)?;
    if command.words.is_empty() {
        return Err(Problem::AtLeastOne("RUN".to_owned()));
    }
    if command.exec && !heredocs.is_empty() {
        return Err(Problem::HeredocPlace("RUN".to_owned()));
    }
    if flags.list("device").next().is_some() {
        let hint = "there are no CDI devices for builds";
        return Err(Problem::NotAllowed { flag: "--device".to_owned(), hint });
    }
    Ok(Run {
        command,
        heredocs,
        mounts: flags.list("mount").map(str::to_owned).collect(),
        network: flags.owned("network"),
        security: flags.owned("security"),
    })
}

fn copy(keyword: &str, rest: &str, heredocs: Vec<Heredoc>, flags: &Flags) -> Result<Copy, Problem> {
    let mut words = forms::list(rest)?;
    let (Some(destination), false) = (words.pop(), words.is_empty()) else {
        return Err(Problem::AtLeastTwo(keyword.to_owned()));
    };
    if opener(&destination).is_some_and(|doc| heredocs.iter().any(|h| h.name == doc.name)) {
        return Err(Problem::AtLeastTwo(keyword.to_owned()));
    }
    let opens =
        |word: &String| opener(word).is_some_and(|doc| heredocs.iter().any(|h| h.name == doc.name));
    words.retain(|word| !opens(word));
    if let Some(from) = flags.text("from").filter(|from| from.contains('$')) {
        return Err(Problem::FromVariable(from.to_owned()));
    }
    Ok(Copy {
        add: keyword == "ADD",
        sources: words,
        heredocs,
        destination,
        from: flags.owned("from"),
        chown: flags.owned("chown"),
        chmod: flags.owned("chmod"),
        link: flags.is_set("link"),
        parents: flags.is_set("parents"),
        exclude: flags.list("exclude").map(str::to_owned).collect(),
        checksum: flags.owned("checksum"),
        keep_git_dir: flags.is_set("keep-git-dir"),
        unpack: flags.text("unpack").map(|value| value == "true"),
    })
}

fn shell(rest: &str) -> Result<Instruction, Problem> {
    match forms::json(rest)? {
        Some(words) if words.is_empty() => Err(Problem::AtLeastOne("SHELL".to_owned())),
        Some(words) => Ok(Instruction::Shell(words)),
        None => Err(Problem::JsonNeeded("SHELL".to_owned())),
    }
}

fn volume(rest: &str) -> Result<Instruction, Problem> {
    let volumes = forms::list(rest)?;
    if volumes.is_empty() {
        return Err(Problem::AtLeastOne("VOLUME".to_owned()));
    }
    let volumes: Vec<String> = volumes.iter().map(|volume| volume.trim().to_owned()).collect();
    if volumes.iter().any(String::is_empty) {
        return Err(Problem::BlankVolume);
    }
    Ok(Instruction::Volume(volumes))
}

fn health(rest: &str, flags: &Flags) -> Result<Health, Problem> {
    let (kind, command) = split_keyword(rest);
    match kind.as_str() {
        "" => return Err(Problem::AtLeastOne("HEALTHCHECK".to_owned())),
        "NONE" if command.is_empty() => return Ok(Health::None),
        "NONE" => return Err(Problem::HealthcheckNone),
        "CMD" if command.is_empty() => return Err(Problem::HealthcheckCommand),
        "CMD" => {}
        _ => return Err(Problem::HealthcheckKind(kind)),
    }
    let command = forms::command(command)?;
    if command.words.is_empty() {
        return Err(Problem::HealthcheckCommand);
    }
    let time = |flag: &str| match flags.text(flag) {
        None => Ok(0),
        Some(value) => teu_images::time::duration(value.trim())
            .filter(|ns| *ns == 0 || *ns >= MINIMUM_PROBE_NS)
            .ok_or_else(|| Problem::Duration { flag: flag.to_owned(), value: value.to_owned() }),
    };
    let retries = flags.text("retries").unwrap_or("0");
    let retries = retries.parse::<i32>().ok().filter(|n| *n >= 0).ok_or_else(|| {
        let (flag, value) = ("retries".to_owned(), retries.to_owned());
        Problem::FlagInvalid { flag, value, expected: "a number, not negative" }
    })?;
    Ok(Health::Probe {
        command,
        interval: time("interval")?,
        timeout: time("timeout")?,
        start_period: time("start-period")?,
        start_interval: time("start-interval")?,
        retries: retries.into(),
    })
}

/// A trigger is kept as text, heredocs included, and parsed again where it fires.
fn onbuild(whole: &str, heredocs: &[Heredoc]) -> Result<Instruction, Problem> {
    let (keyword, _) = split_keyword(whole);
    match keyword.as_str() {
        "" => return Err(Problem::AtLeastOne("ONBUILD".to_owned())),
        "ONBUILD" => return Err(Problem::OnbuildChain),
        "FROM" | "MAINTAINER" => return Err(Problem::OnbuildTrigger(keyword)),
        _ if !super::KEYWORDS.contains(&keyword.as_str()) => return Err(unknown(&keyword)),
        _ => {}
    }
    let mut trigger = whole.to_owned();
    for heredoc in heredocs {
        trigger.push('\n');
        trigger.push_str(&heredoc.body);
        trigger.push_str(&heredoc.name);
    }
    parse_trigger(&trigger, Lines::default())?;
    Ok(Instruction::Onbuild(trigger))
}

/// Parses a trigger of a base image, or of another stage: data from strangers.
pub fn parse_trigger(text: &str, lines: Lines) -> Result<Located, Problem> {
    let parsed = split(text.as_bytes()).map_err(|(_, problem)| problem)?;
    let mut found = parsed.lines.into_iter();
    let (Some(line), None) = (found.next(), found.next()) else {
        return Err(Problem::OnbuildTrigger(text.chars().take(64).collect()));
    };
    let Line { text, heredocs, .. } = line;
    let (keyword, rest) = split_keyword(&text);
    if matches!(keyword.as_str(), "FROM" | "MAINTAINER" | "ONBUILD") {
        return Err(Problem::OnbuildTrigger(keyword));
    }
    let instruction = parse(&keyword, rest, heredocs, '\\')?;
    Ok(Located { instruction, keyword, text: text.trim().to_owned(), lines })
}

/// What a `RUN` with heredocs hands to the shell, or the script it runs.
#[derive(Debug)]
pub enum Script {
    /// The command line as it is.
    Command(CommandLine),
    /// The only heredoc is a program with a `#!` line: it is put into a file and run.
    Program {
        /// Name of the file.
        name: String,
        /// Its content.
        content: String,
    },
}

impl Run {
    /// Resolves heredocs: a line that is only `<<EOF` runs the body; in a longer line the shell
    /// gets the heredocs as they were written.
    pub fn script(&self) -> Script {
        let Some(first) = self.heredocs.first() else {
            return Script::Command(self.command.clone());
        };
        let line = self.command.words.join(" ");
        let shell_form =
            |text: String| Script::Command(CommandLine { words: vec![text], exec: false });
        if opener(line.trim()).is_none() {
            let mut text = line;
            for heredoc in &self.heredocs {
                text.push('\n');
                text.push_str(&heredoc.body);
                text.push_str(&heredoc.name);
            }
            return shell_form(text);
        }
        let content = first.content();
        if content.starts_with("#!") {
            return Script::Program { name: first.name.clone(), content };
        }
        shell_form(content)
    }
}

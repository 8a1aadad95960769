//! `--change` of `import` and `commit`: Dockerfile instructions that alter only the configuration.
//!
//! The words are the Dockerfile's; variables are not expanded, for there is no build they could come
//! from.

use crate::error::{Error, Result};
use teu_oci::image::config::Empty;
use teu_oci::image::{Config, Healthcheck};

/// Why a `--change` is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangeFault {
    /// Not one of the instructions that can be given.
    #[error(
        "unknown instruction; CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, SHELL, STOPSIGNAL, USER, VOLUME and WORKDIR can be changed"
    )]
    Unknown,
    /// Nothing after the instruction.
    #[error("the instruction needs an argument")]
    Empty,
    /// A quote is not closed, or what should be JSON is none.
    #[error("the arguments do not parse: a quote or bracket is open, or a value is missing")]
    Syntax,
    /// A port that is none.
    #[error("a port is number[-number][/tcp|udp|sctp]")]
    Port,
    /// A duration that is none.
    #[error("a duration is a number with a unit, such as 30s or 1m30s")]
    Duration,
    /// A flag of `HEALTHCHECK` that is none.
    #[error(
        "unknown flag; --interval, --timeout, --start-period, --start-interval and --retries are known"
    )]
    Flag,
    /// ONBUILD of what cannot be triggered.
    #[error("ONBUILD cannot trigger FROM, MAINTAINER or ONBUILD")]
    Trigger,
}

/// Applies instructions, such as `CMD ["/bin/sh"]`, in their order.
pub fn apply(config: &mut Config, changes: &[String]) -> Result<()> {
    // CMD is inherited only where the entry point is.
    for change in changes {
        let line = change.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        one(config, &word.to_ascii_uppercase(), rest.trim())
            .map_err(|reason| Error::Change { instruction: change.clone(), reason })?;
    }
    Ok(())
}

fn one(config: &mut Config, word: &str, rest: &str) -> Result<(), ChangeFault> {
    if rest.is_empty() && KNOWN.contains(&word) {
        return Err(ChangeFault::Empty);
    }
    match word {
        "CMD" => config.cmd = Some(command(rest)),
        "ENTRYPOINT" => config.entrypoint = Some(command(rest)),
        "SHELL" => config.shell = Some(json_list(rest).ok_or(ChangeFault::Syntax)?),
        "ENV" => {
            for (name, value) in pairs(rest)? {
                config.env.retain(|known| known.split('=').next() != Some(name.as_str()));
                config.env.push(format!("{name}={value}"));
            }
        }
        "LABEL" => config.labels.extend(pairs(rest)?),
        "EXPOSE" => {
            for port in rest.split_whitespace() {
                expose(config, port)?;
            }
        }
        "VOLUME" => {
            let paths = json_list(rest)
                .unwrap_or_else(|| rest.split_whitespace().map(str::to_owned).collect());
            if paths.iter().any(String::is_empty) {
                return Err(ChangeFault::Empty);
            }
            config.volumes.extend(paths.into_iter().map(|path| (path, Empty {})));
        }
        "USER" => config.user = single(rest)?,
        "STOPSIGNAL" => config.stop_signal = Some(single(rest)?),
        "WORKDIR" => config.working_dir = working_dir(&config.working_dir, &single(rest)?),
        "ONBUILD" => {
            let trigger = rest.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
            if ["ONBUILD", "FROM", "MAINTAINER"].contains(&trigger.as_str()) {
                return Err(ChangeFault::Trigger);
            }
            config.on_build.get_or_insert_default().push(rest.to_owned());
        }
        "HEALTHCHECK" => config.healthcheck = Some(healthcheck(rest)?),
        _ => return Err(ChangeFault::Unknown),
    }
    Ok(())
}

const KNOWN: [&str; 12] = [
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "ONBUILD",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

fn json_list(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

/// Exec form, or shell form.
fn command(text: &str) -> Vec<String> {
    json_list(text)
        .unwrap_or_else(|| ["/bin/sh", "-c", text].into_iter().map(str::to_owned).collect())
}

fn single(text: &str) -> Result<String, ChangeFault> {
    let words = words(text)?;
    match <[String; 1]>::try_from(words) {
        Ok([word]) => Ok(word),
        Err(_) => Err(ChangeFault::Syntax),
    }
}

/// `name=value …`, or the old `name the rest`.
fn pairs(text: &str) -> Result<Vec<(String, String)>, ChangeFault> {
    let first = text.split_whitespace().next().unwrap_or_default();
    if !first.contains('=') {
        let (name, value) = text.split_once(char::is_whitespace).ok_or(ChangeFault::Syntax)?;
        return Ok(vec![(name.to_owned(), value.trim().to_owned())]);
    }
    words(text)?
        .into_iter()
        .map(|word| match word.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(ChangeFault::Syntax),
        })
        .collect()
}

/// Words with quotes and backslashes as the Dockerfile has them.
fn words(text: &str) -> Result<Vec<String>, ChangeFault> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if c == open => quote = None,
            (Some('\''), c) => word.get_or_insert_default().push(c),
            (_, '\\') => {
                let next = characters.next().ok_or(ChangeFault::Syntax)?;
                let kept = word.get_or_insert_default();
                // Within quotes a backslash is only special before what needs it.
                if quote.is_some() && !matches!(next, '"' | '\\' | '$') {
                    kept.push('\\');
                }
                kept.push(next);
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(ChangeFault::Syntax);
    }
    words.extend(word);
    Ok(words)
}

fn expose(config: &mut Config, text: &str) -> Result<(), ChangeFault> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(ChangeFault::Port);
    }
    let number = |text: &str| text.parse::<u16>().ok().filter(|&n| n > 0).ok_or(ChangeFault::Port);
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(ChangeFault::Port);
    }
    config
        .exposed_ports
        .extend((first..=last).map(|port| (format!("{port}/{protocol}"), Empty {})));
    Ok(())
}

/// A relative directory continues the one before.
fn working_dir(before: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let start = if path.starts_with('/') { "" } else { before };
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    format!("/{}", parts.join("/"))
}

fn healthcheck(text: &str) -> Result<Healthcheck, ChangeFault> {
    let mut check = Healthcheck::default();
    let mut rest = text;
    while let Some(flag) = rest.strip_prefix("--") {
        let (flag, after) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
        let (name, value) = flag.split_once('=').ok_or(ChangeFault::Flag)?;
        match name {
            "interval" => check.interval = duration(value)?,
            "timeout" => check.timeout = duration(value)?,
            "start-period" => check.start_period = duration(value)?,
            "start-interval" => check.start_interval = duration(value)?,
            "retries" => check.retries = value.parse().map_err(|_| ChangeFault::Flag)?,
            _ => return Err(ChangeFault::Flag),
        }
        rest = after.trim_start();
    }
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    check.test = match (kind.to_ascii_uppercase().as_str(), command.trim()) {
        ("NONE", "") => vec!["NONE".to_owned()],
        ("CMD", "") => return Err(ChangeFault::Empty),
        ("CMD", command) => match json_list(command) {
            Some(words) => [vec!["CMD".to_owned()], words].concat(),
            None => vec!["CMD-SHELL".to_owned(), command.to_owned()],
        },
        _ => return Err(ChangeFault::Syntax),
    };
    Ok(check)
}

/// In nanoseconds.
fn duration(text: &str) -> Result<i64, ChangeFault> {
    crate::time::duration(text).ok_or(ChangeFault::Duration)
}

#[cfg(test)]
mod tests;

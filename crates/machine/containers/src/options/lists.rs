//! Smaller values: limits, devices, restart policies, log options, health, filters.

use super::OptionError;
use crate::record::{LogRecord, RestartPolicy};
use crate::units;
use teu_oci::runtime::{DeviceRule, Rlimit};

/// Names that `--ulimit` knows; setrlimit(2).
const LIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// One `--ulimit NAME=SOFT[:HARD]`.
pub fn ulimit(text: &str) -> Result<Rlimit, OptionError> {
    let wrong = |reason: String| OptionError::value("ulimit", text, reason);
    let Some((name, values)) = text.split_once('=') else {
        return Err(wrong(format!("invalid ulimit argument: {text}")));
    };
    if !LIMITS.contains(&name) {
        return Err(wrong(format!("invalid ulimit type: {name}")));
    }
    let number = |text: &str| match text {
        "-1" | "unlimited" => Ok(u64::MAX),
        _ => text.parse::<u64>().map_err(|_| wrong(format!("invalid ulimit value: {text}"))),
    };
    let (soft, hard) = match values.split_once(':') {
        Some((soft, hard)) => (number(soft)?, number(hard)?),
        None => (number(values)?, number(values)?),
    };
    if soft > hard {
        return Err(wrong(format!(
            "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        )));
    }
    Ok(Rlimit { kind: format!("RLIMIT_{}", name.to_ascii_uppercase()), hard, soft })
}

/// One `--device SOURCE[:TARGET[:rwm]]`: source, target, access.
pub fn device(text: &str) -> Result<(String, String, String), OptionError> {
    let parts: Vec<&str> = text.split(':').collect();
    let access = |text: &str| !text.is_empty() && text.chars().all(|c| "rwm".contains(c));
    let (source, target, rights) = match parts[..] {
        [source] => (source, source, "rwm"),
        [source, rights] if access(rights) => (source, source, rights),
        [source, target] => (source, target, "rwm"),
        [source, target, rights] if access(rights) => (source, target, rights),
        [_, _, rights] => {
            return Err(OptionError::value(
                "device",
                text,
                format!("invalid device mode: {rights}"),
            ));
        }
        _ => {
            return Err(OptionError::value(
                "device",
                text,
                format!("invalid device specification: {text}"),
            ));
        }
    };
    for path in [source, target] {
        if !path.starts_with('/') {
            let reason = format!("{path:?} is not an absolute path");
            return Err(OptionError::value("device", text, reason));
        }
    }
    Ok((source.to_owned(), target.to_owned(), rights.to_owned()))
}

/// One `--device-cgroup-rule 'c 42:* rwm'`.
pub fn device_rule(text: &str) -> Result<DeviceRule, OptionError> {
    let wrong = || {
        let reason = format!("invalid device cgroup format '{text}'");
        OptionError::value("device-cgroup-rule", text, reason)
    };
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [kind @ ("a" | "b" | "c"), numbers, access] = parts[..] else { return Err(wrong()) };
    let (major, minor) = numbers.split_once(':').ok_or_else(wrong)?;
    let number = |text: &str| match text {
        "*" => Ok(None),
        _ => text.parse::<i64>().map(Some).map_err(|_| wrong()),
    };
    if access.is_empty() || access.len() > 3 || !access.chars().all(|c| "rwm".contains(c)) {
        return Err(wrong());
    }
    Ok(DeviceRule {
        allow: true,
        kind: Some(kind.to_owned()),
        major: number(major)?,
        minor: number(minor)?,
        access: Some(access.to_owned()),
    })
}

/// `DEVICE:NUMBER` of `--blkio-weight-device` and `--device-read-bps`; bytes have units.
pub fn device_rate(
    flag: &'static str,
    text: &str,
    bytes: bool,
) -> Result<(String, u64), OptionError> {
    let wrong = |reason: String| OptionError::value(flag, text, reason);
    let Some((path, rate)) = text.rsplit_once(':').filter(|(path, _)| path.starts_with("/dev/"))
    else {
        return Err(wrong(format!(
            "bad format: {text}. Expected /dev/PATH:NUMBER{}",
            if bytes { "[<unit>]" } else { "" }
        )));
    };
    let rate = match bytes {
        true => units::bytes(rate).map_err(|error| wrong(error.to_string()))?,
        false => rate.parse().map_err(|_| {
            wrong(format!("invalid rate for device: {text}. Number must be a positive integer"))
        })?,
    };
    Ok((path.to_owned(), rate))
}

/// `--restart`.
pub fn restart(text: &str) -> Result<RestartPolicy, OptionError> {
    let wrong = |reason: String| OptionError::value("restart", text, reason);
    let (name, count) = match text.split_once(':') {
        Some((name, count)) => (name, Some(count)),
        None => (text, None),
    };
    let policy = match name {
        "" | "no" => RestartPolicy::No,
        "always" => RestartPolicy::Always,
        "unless-stopped" => RestartPolicy::UnlessStopped,
        "on-failure" => {
            let max_retries = match count {
                None => 0,
                Some(count) => count.parse().map_err(|_| {
                    wrong(
                        "invalid restart policy format: maximum retry count must be an integer"
                            .to_owned(),
                    )
                })?,
            };
            return Ok(RestartPolicy::OnFailure { max_retries });
        }
        other => {
            return Err(wrong(format!(
                "unknown policy '{other}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
            )));
        }
    };
    match count {
        Some(_) => Err(wrong(
            "invalid restart policy: maximum retry count can only be used with 'on-failure'"
                .to_owned(),
        )),
        None => Ok(policy),
    }
}

/// `--log-driver` and `--log-opt`.
pub fn log(driver: Option<&str>, options: &[&str]) -> Result<LogRecord, OptionError> {
    let mut log = LogRecord::default();
    match driver.unwrap_or("json-file") {
        "" | "json-file" | "local" => {}
        "none" => log.keep = false,
        other => {
            let reason =
                "logger: no log driver of that name is registered: json-file, local and none are";
            return Err(OptionError::value("log-driver", other, reason));
        }
    }
    for option in options {
        let wrong = |reason: String| OptionError::value("log-opt", option, reason);
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        match key {
            "max-size" if value == "-1" => log.max_size_bytes = u64::MAX,
            "max-size" => {
                let size = units::bytes(value).map_err(|error| wrong(error.to_string()))?;
                if size == 0 {
                    return Err(wrong("max-size must be a positive number".to_owned()));
                }
                log.max_size_bytes = size;
            }
            "max-file" => {
                let files = value.parse().ok().filter(|&files| files > 0);
                log.max_files =
                    files.ok_or_else(|| wrong("max-file cannot be less than 1".to_owned()))?;
            }
            // Read by other collectors, or about queues that do not exist here.
            "compress" | "mode" | "max-buffer-size" | "tag" | "labels" | "labels-regex" | "env"
            | "env-regex" => {}
            other => {
                let driver = driver.unwrap_or("json-file");
                return Err(wrong(format!("unknown log opt '{other}' for {driver} log driver")));
            }
        }
    }
    Ok(log)
}

/// `--filter key=value`.
pub fn filters(texts: &[&str]) -> Result<Vec<(String, String)>, OptionError> {
    let pair = |text: &&str| match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_ascii_lowercase(), value.trim().to_owned())),
        None => Err(OptionError::value(
            "filter",
            text,
            format!("invalid argument {text:?}: expected key=value"),
        )),
    };
    texts.iter().map(pair).collect()
}

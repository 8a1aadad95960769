//! History texts as BuildKit writes them, so that readers of `docker history` feel at home.

use crate::dockerfile::instruction::Copy;
use crate::git;
use std::fmt::Write as _;
use teu_oci::image::Healthcheck;

/// Comment of every line.
pub const COMMENT: &str = "buildkit.dockerfile.v0";

/// Go's `%q` of a slice: `["a" "b"]`.
pub fn quoted_list(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    format!("[{}]", words.join(" "))
}

/// What a `RUN` says: `RUN |1 arg=value /bin/sh -c command # buildkit`.
pub fn run(arguments: &[String], build_args: &[(String, String)]) -> String {
    let mut text = "RUN ".to_owned();
    if !build_args.is_empty() {
        let _ = write!(text, "|{} ", build_args.len());
        for (name, value) in build_args {
            let _ = write!(text, "{name}={value} ");
        }
    }
    text.push_str(&arguments.join(" "));
    text.push_str(" # buildkit");
    text
}

/// What a `COPY` or `ADD` says.
pub fn copy(copy: &Copy) -> String {
    let mut text = if copy.add { "ADD" } else { "COPY" }.to_owned();
    for (flag, set) in [("--link", copy.link), ("--parents", copy.parents)] {
        if set {
            let _ = write!(text, " {flag}");
        }
    }
    for (flag, value) in [("chown", &copy.chown), ("chmod", &copy.chmod)] {
        if let Some(value) = value {
            let _ = write!(text, " --{flag}={value}");
        }
    }
    for source in &copy.sources {
        // A password in an address is not for those who read histories.
        let _ = match copy.add {
            true => write!(text, " {}", git::shown(source)),
            false => write!(text, " {source}"),
        };
    }
    for heredoc in &copy.heredocs {
        let _ = write!(text, " <<{}", heredoc.name);
    }
    let _ = write!(text, " {} # buildkit", copy.destination);
    text
}

/// What a `HEALTHCHECK` says: Go's `%q` of the structure.
pub fn healthcheck(check: &Healthcheck) -> String {
    let time = |ns: i64| format!("{:?}", duration(ns));
    let retries = u32::try_from(check.retries).ok().and_then(char::from_u32).unwrap_or('\0');
    let retries = match retries {
        c if c.is_ascii_graphic() => format!("'{c}'"),
        c => format!("'\\x{:02x}'", u32::from(c)),
    };
    format!(
        "&{{{} {} {} {} {} {retries}}}",
        quoted_list(&check.test),
        time(check.interval),
        time(check.timeout),
        time(check.start_period),
        time(check.start_interval),
    )
}

/// Go's text of a duration, to the millisecond.
fn duration(ns: i64) -> String {
    let (seconds, fraction) = (ns / 1_000_000_000, ns % 1_000_000_000 / 1_000_000);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:03}") };
    let fraction = fraction.trim_end_matches('0');
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}{fraction}s"),
        (0, minutes) => format!("{minutes}m{seconds}{fraction}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

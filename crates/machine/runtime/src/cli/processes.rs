//! `ps`: the processes of a container, as a list of numbers or as `ps` shows them.

use super::arguments::Arguments;
use super::{Doing, Failed, Globals, Outcome, log};
use std::process::Command;

/// `ps`
pub fn ps(globals: &Globals, words: &[String]) -> Outcome {
    let arguments = Arguments::parse(words, &["format|f"], &[])?;
    let container = globals.store.load(arguments.id()?)?;
    let mut pids = match container.cgroup() {
        Some(cgroup) => cgroup.pids()?,
        None => container.pid().map(|pid| pid.as_raw_nonzero().get()).into_iter().collect(),
    };
    pids.sort_unstable();
    match arguments.value("format") {
        Some("json") => {
            log::print(&serde_json::to_string(&pids).doing("ps")?);
            return Ok(0);
        }
        None | Some("" | "table") => {}
        Some(other) => return Err(Failed::new(format!("invalid format option: {other:?}"))),
    }
    let options = match &arguments.words[1..] {
        [] => &["-ef".to_owned()][..],
        options => options,
    };
    let output = Command::new("ps").args(options).output().doing("running ps")?;
    if !output.status.success() {
        return Err(Failed::new(format!("ps: {}", String::from_utf8_lossy(&output.stderr))));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    let column = head
        .split_whitespace()
        .position(|name| name == "PID")
        .ok_or_else(|| Failed::new("couldn't find PID field in ps output"))?;
    log::print(head);
    for line in lines {
        let pid = line.split_whitespace().nth(column).and_then(|text| text.parse().ok());
        if pid.is_some_and(|pid: i32| pids.binary_search(&pid).is_ok()) {
            log::print(line);
        }
    }
    Ok(0)
}

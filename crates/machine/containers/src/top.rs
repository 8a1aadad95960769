//! `top`: the processes of a container, as the host's ps shows them.
//!
//! Without options the table of `ps -ef` is made here from /proc, so that no ps is needed. With
//! options the host's ps is run and its lines are kept that are about processes of the container, as
//! Docker does.

use crate::state::Status;
use crate::{Containers, Error, Result, time};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use teu_runtime::cgroup::Cgroup;

/// Ticks of /proc a second; fixed in the kernel's ABI.
const TICKS_PER_SECOND: u64 = 100;

/// `top`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Processes {
    /// Column heads.
    pub titles: Vec<String>,
    /// A row for each process.
    pub rows: Vec<Vec<String>>,
}

impl Containers {
    /// Its processes; `ps_args` as for ps(1), none for `-ef`.
    pub fn top(&self, name: &str, ps_args: &[String]) -> Result<Processes> {
        let found = self.find(name)?;
        match found.state.status {
            Status::Running | Status::Paused => {}
            Status::Restarting => return Err(Error::Restarting(found.record.id)),
            _ => return Err(Error::NotRunning(found.record.id)),
        }
        let path = self.home.container_cgroup(&found.pod, &found.record.id);
        let group = Cgroup::open(&path).map_err(Error::Cgroup)?;
        let pids = match group.is_nowhere() {
            true => fellows(found.state.pid),
            false => group.pids().map_err(Error::Cgroup)?,
        };
        if ps_args.is_empty() || ps_args == ["-ef"] {
            return Ok(full(&pids));
        }
        through_ps(&pids, ps_args)
    }
}

/// Processes of the same pid namespace, where no control group counts them.
pub(crate) fn fellows(first: i32) -> Vec<i32> {
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let (Some(wanted), Ok(all)) = (namespace(first), fs::read_dir("/proc")) else {
        return Vec::new();
    };
    // In the machine's own it is alone, as far as can be told.
    if namespace(std::process::id().cast_signed()) == Some(wanted.clone()) {
        return vec![first];
    }
    let pids = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut pids: Vec<i32> = pids.filter(|pid| namespace(*pid) == Some(wanted.clone())).collect();
    pids.sort_unstable();
    pids
}

fn through_ps(pids: &[i32], ps_args: &[String]) -> Result<Processes> {
    let output = Command::new("ps").args(ps_args).output();
    let output = output.map_err(Error::io("run", std::path::Path::new("ps")))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::Shim { exit_code: 125, message: format!("ps: {message}") });
    }
    let text = String::from_utf8_lossy(&output.stdout);
    filter(&text, pids).ok_or(Error::Refused("Couldn't find PID field in ps output"))
}

/// The lines of ps that are about these processes; the last column takes what is left.
fn filter(text: &str, pids: &[i32]) -> Option<Processes> {
    let mut lines = text.lines();
    let titles: Vec<String> = lines.next()?.split_whitespace().map(str::to_owned).collect();
    let at = titles.iter().position(|title| title == "PID")?;
    let mut rows = Vec::new();
    for line in lines {
        let row = columns(line, titles.len());
        let pid = row.get(at).and_then(|pid| pid.parse::<i32>().ok());
        if pid.is_some_and(|pid| pids.contains(&pid)) {
            rows.push(row);
        }
    }
    Some(Processes { titles, rows })
}

fn columns(line: &str, count: usize) -> Vec<String> {
    let mut rest = line.trim();
    let mut row = Vec::with_capacity(count);
    while row.len() + 1 < count {
        match rest.split_once(char::is_whitespace) {
            Some((field, after)) => {
                row.push(field.to_owned());
                rest = after.trim_start();
            }
            None => break,
        }
    }
    row.push(rest.to_owned());
    row
}

/// The table of `ps -ef`. A process that ends meanwhile is not in it.
fn full(pids: &[i32]) -> Processes {
    let users = users();
    let uptime = uptime_seconds();
    let now = time::now_ns() / 1_000_000_000;
    let titles = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
    let rows = pids.iter().filter_map(|pid| row(*pid, &users, uptime, now)).collect();
    Processes { titles: titles.iter().map(|&title| title.to_owned()).collect(), rows }
}

fn row(pid: i32, users: &BTreeMap<u32, String>, uptime: u64, now: i64) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    let cpu = (number(11)? + number(12)?) / TICKS_PER_SECOND;
    let started = number(19)? / TICKS_PER_SECOND;
    let age = uptime.saturating_sub(started);
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let uid: u32 = uid.split_whitespace().nth(1)?.parse().ok()?;
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = match command.is_empty() {
        true => format!("[{name}]"),
        false => String::from_utf8_lossy(&command).trim_end_matches('\0').replace('\0', " "),
    };
    let percent = (cpu * 100).checked_div(age).unwrap_or(0).min(99);
    Some(vec![
        users.get(&uid).cloned().unwrap_or_else(|| uid.to_string()),
        pid.to_string(),
        number(1)?.to_string(),
        percent.to_string(),
        start_time(now - i64::try_from(age).unwrap_or(0), now),
        terminal(number(4)?),
        format!("{:02}:{:02}:{:02}", cpu / 3600, cpu / 60 % 60, cpu % 60),
        command,
    ])
}

/// `09:41` today, `Nov21` before.
fn start_time(started: i64, now: i64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = time::rfc3339(started.max(1) * 1_000_000_000);
    if now - started < 86_400 {
        return text.get(11..16).unwrap_or_default().to_owned();
    }
    let month = text.get(5..7).and_then(|month| month.parse::<usize>().ok()).unwrap_or(1);
    let name = MONTHS.get(month.wrapping_sub(1)).copied().unwrap_or_default();
    format!("{name}{}", text.get(8..10).unwrap_or_default())
}

fn terminal(device: u64) -> String {
    let (major, minor) = (device >> 8 & 0xfff, (device & 0xff) | (device >> 12 & 0xf_ff00));
    match major {
        0 => "?".to_owned(),
        136..=143 => format!("pts/{}", minor + (major - 136) * 256),
        4 => format!("tty{minor}"),
        _ => "?".to_owned(),
    }
}

fn uptime_seconds() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    text.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0)
}

/// The host's names: what ps outside of the container would say.
fn users() -> BTreeMap<u32, String> {
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let parse = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    text.lines().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_ps() {
        let text = "  PID TTY      STAT   TIME COMMAND\n    1 ?        Ss     0:01 /sbin/init splash\n  42 pts/0    R+     0:00 ps  ax\n";
        let found = filter(text, &[42]).unwrap();
        assert_eq!(found.titles, ["PID", "TTY", "STAT", "TIME", "COMMAND"]);
        assert_eq!(found.rows, [["42", "pts/0", "R+", "0:00", "ps  ax"]]);
        assert!(filter("USER COMMAND\n", &[1]).is_none());
    }

    #[test]
    fn this_process_has_a_row() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let table = full(&[pid, i32::MAX]);
        assert_eq!(table.rows.len(), 1);
        assert_eq!(table.rows[0].len(), table.titles.len());
        assert_eq!(table.rows[0][1], pid.to_string());
    }

    #[test]
    fn terminals_and_times() {
        assert_eq!(terminal(0), "?");
        assert_eq!(terminal(136 << 8 | 3), "pts/3");
        assert_eq!(start_time(34_860, 40_000), "09:41");
        assert_eq!(start_time(1, 10_000_000), "Jan01");
    }
}

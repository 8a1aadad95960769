//! `teu pod stats`, `teu pod top`: what the containers of pods use and run.

use super::{LATEST, chosen, members, podmans, verb};
use crate::commands::stats::{STATS_FLAGS, Scope};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Command, Flag, Matches, Order};
use std::collections::BTreeMap;

/// `pod stats`.
pub const STATS: Command = Command {
    usage: "[OPTIONS] [POD...]",
    flags: &[STATS_FLAGS, &[LATEST, Flag::switch("no-reset", "Do not clear the screen between")]],
    examples: &[("teu pod stats --no-stream shop", "one sample")],
    ..verb("stats", "Display what the containers of pods use", |ctx, matches| {
        podmans(stats(ctx, matches))
    })
};
/// `pod top`.
pub const TOP: Command = Command {
    usage: "[OPTIONS] POD [ps OPTIONS | COLUMNS]",
    order: Order::FlagsFirst,
    flags: &[&[LATEST]],
    examples: &[
        ("teu pod top shop", "the processes of all its containers"),
        ("teu pod top shop pid user args", "these columns"),
        ("teu pod top shop -o pid,rss,comm", "as ps knows them"),
    ],
    ..verb("top", "Display the processes of all containers of a pod", |ctx, matches| {
        podmans(top(ctx, matches))
    })
};

fn stats(ctx: &Context, matches: &Matches) -> Result<u8> {
    let named = !matches.operands.is_empty() || matches.switch("latest");
    let pods = match named {
        true => chosen(ctx, matches, |_| true)?,
        // Without a name: of all, as `--all`.
        false => ctx.containers()?.list_pods(&[])?.into_iter().map(|pod| pod.id).collect(),
    };
    let mut owners = BTreeMap::new();
    for name in &pods {
        let (pod, all) = members(ctx, name)?;
        owners.extend(all.into_iter().map(|found| (found.record.id, pod.clone())));
    }
    crate::commands::stats::show(ctx, matches, &Scope::Pods(owners))
}

fn top(ctx: &Context, matches: &Matches) -> Result<u8> {
    let latest = matches.switch("latest");
    let (pods, rest) = match latest {
        true => {
            let none = Matches { operands: Vec::new(), ..matches.clone() };
            (chosen(ctx, &none, |_| true)?, &matches.operands[..])
        }
        false => {
            let Some((pod, rest)) = matches.operands.split_first() else {
                return Err(Failure::new("no pod was named")
                    .hint("name one, or give --latest")
                    .code(125));
            };
            (vec![pod.clone()], rest)
        }
    };
    let options = ps_options(rest)?;
    let containers = ctx.containers()?;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for found in members(ctx, &pods[0])?.1 {
        let Ok(processes) = containers.top(&found.record.id, &options) else { continue };
        if rows.is_empty() {
            rows.push(processes.titles);
        }
        rows.extend(processes.rows);
    }
    if rows.is_empty() {
        return Err(Failure::new(format!("nothing runs in the pod {}", pods[0]))
            .hint(format!("teu pod start {}", pods[0]))
            .code(125));
    }
    for cell in rows.iter_mut().flatten() {
        *cell = crate::text::plain(cell).into_owned();
    }
    ctx.print(&crate::output::align(&rows))?;
    Ok(0)
}

/// Podman's names of columns, and what ps calls them.
const COLUMNS: &[(&str, &str)] = &[
    ("args", "args"),
    ("comm", "comm"),
    ("etime", "etime"),
    ("group", "rgroup"),
    ("hgroup", "rgroup"),
    ("hpid", "pid"),
    ("huser", "ruser"),
    ("label", "label"),
    ("nice", "nice"),
    ("pcpu", "pcpu"),
    ("pgid", "pgid"),
    ("pid", "pid"),
    ("ppid", "ppid"),
    ("rss", "rss"),
    ("state", "state"),
    ("stime", "stime"),
    ("time", "time"),
    ("tty", "tty"),
    ("user", "user"),
    ("vsz", "vsz"),
];

/// Options go to ps as they are; words are columns, of which ps is asked.
fn ps_options(words: &[String]) -> Result<Vec<String>> {
    if words.is_empty() || words.iter().any(|word| word.starts_with('-')) {
        return Ok(words.to_vec());
    }
    // A process is known by its id, so ps must print that too.
    let mut names = Vec::new();
    for word in words.iter().flat_map(|word| word.split(',')) {
        let known = COLUMNS.iter().find(|(podman, _)| *podman == word);
        let Some((_, name)) = known else {
            let all: Vec<&str> = COLUMNS.iter().map(|(podman, _)| *podman).collect();
            return Err(Failure::new(format!("unknown column {word:?}"))
                .hint(format!("{}; or options of ps", all.join(" ")))
                .code(125));
        };
        names.push(*name);
    }
    if !names.contains(&"pid") {
        names.insert(0, "pid");
    }
    Ok(vec!["-eo".to_owned(), names.join(",")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_podmans_or_ps_options() {
        let check = |words: &[&str], expected: &[&str]| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(ps_options(&words).unwrap(), expected);
        };
        check(&[], &[]);
        check(&["-o", "pid,args"], &["-o", "pid,args"]);
        check(&["pid", "hgroup"], &["-eo", "pid,rgroup"]);
        check(&["comm,state"], &["-eo", "pid,comm,state"]);
        assert!(ps_options(&["nosuch".to_owned()]).is_err());
    }
}

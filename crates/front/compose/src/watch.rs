//! `develop.watch`: which change of a file means what. Compose Develop specification.
//!
//! Pure: a path and a project's rules give what is to be done; hearing of changes and doing it is the
//! command line's.

use crate::model::WatchRule;
use crate::project::Project;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Directories that are never looked into.
const ALWAYS_IGNORED: [&str; 1] = [".git"];

/// A file to be brought into a service's containers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sync {
    /// On the host; where it is gone, it goes in the containers too.
    pub host: PathBuf,
    /// In the containers.
    pub container: String,
}

/// What is to be done for one service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// Files to bring over.
    pub sync: BTreeSet<Sync>,
    /// The image is built and the service replaced; nothing else matters then.
    pub rebuild: bool,
    /// Its containers are restarted, after files have been brought over.
    pub restart: bool,
    /// Commands that run in its containers, by rule.
    pub exec: BTreeSet<usize>,
}

/// The rules of one service.
#[derive(Debug, Clone)]
pub struct Rules<'a> {
    /// Its name.
    pub service: &'a str,
    /// In the file's order.
    pub rules: &'a [WatchRule],
}

/// Services with rules.
pub fn rules(project: &Project) -> Vec<Rules<'_>> {
    let services = project.model.services.iter();
    services
        .filter_map(|(service, of)| {
            let rules = of.develop.as_ref()?.watch.as_slice();
            (!rules.is_empty()).then_some(Rules { service, rules })
        })
        .collect()
}

/// Adds what a change of a path means.
pub fn note(rules: &Rules<'_>, changed: &Path, work: &mut Work) {
    for (index, rule) in rules.rules.iter().enumerate() {
        let root = Path::new(&rule.path);
        let Ok(inside) = changed.strip_prefix(root) else { continue };
        if is_ignored(rule, inside) {
            continue;
        }
        let copies = rule.action.starts_with("sync");
        if let (true, Some(target)) = (copies, &rule.target) {
            let container = match inside.as_os_str().is_empty() {
                true => target.clone(),
                false => format!("{}/{}", target.trim_end_matches('/'), inside.display()),
            };
            work.sync.insert(Sync { host: changed.to_owned(), container });
        }
        match rule.action.as_str() {
            "rebuild" => work.rebuild = true,
            "restart" | "sync+restart" => work.restart = true,
            "sync+exec" => {
                work.exec.insert(index);
            }
            _ => {}
        }
    }
}

/// Whether a path below a rule's root does not count.
pub fn is_ignored(rule: &WatchRule, inside: &Path) -> bool {
    let hidden =
        inside.components().any(|part| ALWAYS_IGNORED.iter().any(|name| part.as_os_str() == *name));
    let fits = |pattern: &String| is_match(pattern, inside);
    let included = rule.include.is_empty() || rule.include.iter().any(fits);
    // Editors' passing files.
    let name = inside.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    let passing =
        name.ends_with('~') || name.ends_with(".swp") || name.ends_with(".swx") || name == "4913";
    hidden || passing || !included || rule.ignore.iter().any(fits)
}

/// A pattern of `.dockerignore`'s kind: a path or any directory above it, `*`, `?` and `**`; a pattern
/// without a slash fits at any depth.
fn is_match(pattern: &str, path: &Path) -> bool {
    let clean = pattern.trim_start_matches("./").trim_matches('/');
    let parts: Vec<&str> = clean.split('/').filter(|part| !part.is_empty()).collect();
    let text = path.to_string_lossy();
    let names: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    if parts.len() == 1 && parts[0] != "**" {
        return names.iter().any(|name| is_name_match(parts[0], name));
    }
    (1..=names.len()).any(|count| is_parts_match(&parts, &names[..count]))
}

fn is_parts_match(parts: &[&str], names: &[&str]) -> bool {
    match (parts.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => {
            is_parts_match(rest, names) || (!names.is_empty() && is_parts_match(parts, &names[1..]))
        }
        (Some((part, rest)), Some((name, others))) => {
            is_name_match(part, name) && is_parts_match(rest, others)
        }
        _ => false,
    }
}

/// `*` is any letters, `?` is one.
fn is_name_match(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        if p < pattern.len() && (pattern[p] == '?' || pattern[p] == name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, n));
            p += 1;
        } else if let Some((at, from)) = star {
            (p, n) = (at + 1, from + 1);
            star = Some((at, from + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests;

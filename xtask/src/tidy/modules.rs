//! Every file belongs to a module; tests that no module names would never run.

use super::source::Source;
use std::collections::BTreeSet;

/// Names that say nothing.
const EMPTY_NAMES: [&str; 5] = ["utils.rs", "util.rs", "common.rs", "helpers.rs", "misc.rs"];

/// What is wrong with the files as a set.
pub fn check(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    let names: BTreeSet<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    for source in sources {
        let name = &source.name;
        let file = name.rsplit('/').next().unwrap_or(name);
        if file == "mod.rs" {
            findings.push(format!("{name}: `foo.rs` beside `foo/` instead of `mod.rs`"));
            continue;
        }
        if EMPTY_NAMES.contains(&file) {
            findings.push(format!("{name}: a name that says nothing"));
        }
        if file == "tests.rs"
            && !source.layers.code.contains("#[test]")
            && !has_folder(name, &names)
        {
            findings.push(format!("{name}: a module of tests without a test"));
        }
        let Some(parents) = parents(name) else { continue };
        let module = file.trim_end_matches(".rs");
        let declared = sources
            .iter()
            .filter(|other| parents.contains(&other.name))
            .any(|parent| declares(parent, module));
        if !declared {
            findings.push(format!("{name}: no file says `mod {module};`, so it is never compiled"));
        }
    }
    findings
}

/// Files that exist only for tests: under `tests/`, or in a module marked `#[cfg(test)]`.
pub fn test_files(sources: &[Source]) -> BTreeSet<String> {
    let mut tests: BTreeSet<String> = BTreeSet::new();
    for source in sources {
        if ["tests/", "examples/"]
            .iter()
            .any(|folder| source.name.split_inclusive('/').any(|part| part == *folder))
        {
            tests.insert(source.name.clone());
        }
        for (at, mark) in source.layers.code.match_indices("#[cfg(test)]") {
            let rest = source.layers.code[at + mark.len()..].trim_start();
            let rest = rest.strip_prefix("pub ").unwrap_or(rest);
            let Some(rest) = rest.strip_prefix("mod ") else { continue };
            let module = rest.split([';', ' ', '{']).next().unwrap_or_default();
            tests.insert(child(&source.name, module));
        }
    }
    // What a test file declares is a test file too.
    loop {
        let more: Vec<String> = sources
            .iter()
            .filter(|source| !tests.contains(&source.name))
            .filter(|source| {
                parents(&source.name).is_some_and(|p| p.iter().any(|name| tests.contains(name)))
            })
            .map(|source| source.name.clone())
            .collect();
        if more.is_empty() {
            return tests;
        }
        tests.extend(more);
    }
}

/// Whether `foo.rs` has modules in `foo/`.
fn has_folder(name: &str, names: &BTreeSet<&str>) -> bool {
    let folder = format!("{}/", name.trim_end_matches(".rs"));
    names.iter().any(|other| other.starts_with(&folder))
}

/// The file of a module that `parent` declares.
fn child(parent: &str, module: &str) -> String {
    let (folder, file) = parent.rsplit_once('/').unwrap_or(("", parent));
    match file {
        "lib.rs" | "main.rs" => format!("{folder}/{module}.rs"),
        _ => format!("{}/{module}.rs", parent.trim_end_matches(".rs")),
    }
}

/// Files that could declare this one; none for the roots of crates, examples and test binaries.
fn parents(name: &str) -> Option<Vec<String>> {
    let (folder, file) = name.rsplit_once('/')?;
    if matches!(file, "lib.rs" | "main.rs" | "build.rs") {
        return None;
    }
    let below = folder.rsplit('/').next()?;
    match below {
        "tests" | "benches" | "examples" | "bin" | "targets" => None,
        "src" | "it" => Some(vec![format!("{folder}/lib.rs"), format!("{folder}/main.rs")]),
        _ => Some(vec![
            format!("{folder}.rs"),
            format!("{folder}/lib.rs"),
            format!("{folder}/main.rs"),
        ]),
    }
}

fn declares(parent: &Source, module: &str) -> bool {
    let declaration = format!("mod {module};");
    parent.layers.code.lines().any(|line| line.trim_end().ends_with(&declaration))
}

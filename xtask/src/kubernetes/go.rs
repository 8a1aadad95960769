//! Go's structs: numbers in protobuf, pointers, what is printed though it is zero, defaults.
//!
//! Only what `gofmt` writes is understood: one field a line, its tags in backquotes.

use super::definitions::is_type_meta;
use super::table::{Field, Types};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// Where packages are, and what their types are called.
const ROOTS: &[(&str, &str)] = &[
    ("api", "io.k8s.api"),
    ("apimachinery/pkg/apis/meta", "io.k8s.apimachinery.pkg.apis.meta"),
    (
        "apiextensions-apiserver/pkg/apis/apiextensions",
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
    ),
];
/// Constants that defaults are written with.
const CONSTANTS: &[(&str, &str)] = &[
    ("ref(AzureSharedBlobDisk)", "\"Shared\""),
    ("ref(AzureDataDiskCachingReadWrite)", "\"ReadWrite\""),
];

/// Structs by name.
pub type Structs = BTreeMap<String, Vec<Member>>;

/// A line of a struct.
#[derive(Debug)]
pub struct Member {
    /// Name in JSON; none for a struct whose fields stand in for it.
    json: Option<String>,
    /// Number in protobuf; 0 for none.
    number: u16,
    /// Go's type.
    kind: String,
    omitempty: bool,
    default: Option<String>,
}

/// Every struct of the packages.
pub fn read(sources: &Path) -> Result<Structs> {
    let mut structs = Structs::new();
    for (folder, package) in ROOTS {
        walk(&sources.join(folder), package, &mut structs)?;
    }
    Ok(structs)
}

fn walk(folder: &Path, package: &str, structs: &mut Structs) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{package}.{name}"), structs)?;
        } else if (name.starts_with("types") || matches!(&*name, "watch.go" | "group_version.go"))
            && name.ends_with(".go")
        {
            parse(&std::fs::read_to_string(entry.path())?, package, structs);
        }
    }
    Ok(())
}

fn parse(text: &str, package: &str, structs: &mut Structs) {
    let mut current: Option<(String, Vec<Member>)> = None;
    let mut default = None;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("type ").and_then(|l| l.strip_suffix(" struct {")) {
            current = Some((format!("{package}.{name}"), Vec::new()));
        } else if line == "}" {
            if let Some((name, members)) = current.take() {
                structs.insert(name, members);
            }
        } else if let Some((_, members)) = &mut current {
            let line = line.trim();
            if let Some(value) = line.strip_prefix("// +default=") {
                default = Some(value.to_owned());
            } else if !line.starts_with("//") {
                members.extend(member(line, default.take()));
            }
        }
    }
}

fn member(line: &str, default: Option<String>) -> Option<Member> {
    let (declared, tags) = line.split_once('`')?;
    let tags = tags.split('`').next()?;
    let mut json = tag(tags, "json")?.split(',');
    let name = json.next()?;
    let omitempty = json.clone().any(|word| word == "omitempty");
    let number =
        tag(tags, "protobuf").and_then(|value| value.split(',').nth(1)?.parse().ok()).unwrap_or(0);
    if name == "-" {
        return None;
    }
    let kind = declared.split_whitespace().last()?.to_owned();
    let json = (!name.is_empty()).then(|| name.to_owned());
    Some(Member { json, number, kind, omitempty, default })
}

fn tag<'a>(tags: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tags.split_once(&format!("{name}:\""))?;
    rest.split('"').next()
}

/// Adds to each field of the types what Go knows; answers the fields that it does not.
pub fn complete(types: &mut Types, structs: &Structs) -> Vec<String> {
    let mut missing = Vec::new();
    for (name, made) in types {
        let mut known = BTreeMap::new();
        flatten(&stand_in(name, structs), structs, &[], &mut known);
        for (field, facts) in &mut made.fields {
            match known.get(field.as_str()) {
                Some((numbers, member)) => add(facts, numbers, member),
                None if is_type_meta(field) => {}
                None => missing.push(format!("{name}.{field}")),
            }
        }
    }
    missing
}

/// The struct of this name, or the newest unstable version of one that is not there yet: numbers
/// do not change when a type becomes stable.
fn stand_in(name: &str, structs: &Structs) -> String {
    let unstable = ["v1beta2", "v1beta1", "v1alpha3", "v1alpha1"];
    let older = unstable.iter().map(|version| name.replace(".v1.", &format!(".{version}.")));
    let known = [name.to_owned()].into_iter().chain(older).find(|name| structs.contains_key(name));
    known.unwrap_or_else(|| name.to_owned())
}

fn add(facts: &mut Field, numbers: &[u16], member: &Member) {
    facts.numbers = numbers.to_vec();
    if member.kind.starts_with('*') {
        facts.flags.push("pointer".into());
    } else if !member.omitempty {
        facts.flags.push("keep".into());
    }
    if member.kind.ends_with("ExtraValue") || member.kind == "Verbs" {
        facts.flags.push("wrapped".into());
    }
    if let Some(default) = &member.default {
        let constant = CONSTANTS.iter().find(|(name, _)| name == default);
        facts
            .flags
            .push(format!("default={}", constant.map_or(default.as_str(), |(_, value)| value)));
    }
}

/// A struct's fields as JSON has them: those of embedded structs among its own.
fn flatten<'a>(
    name: &str,
    structs: &'a Structs,
    outer: &[u16],
    known: &mut BTreeMap<&'a str, (Vec<u16>, &'a Member)>,
) {
    let package = name.rsplit_once('.').map_or("", |(package, _)| package);
    for member in structs.get(name).into_iter().flatten() {
        let mut numbers = outer.to_vec();
        match (&member.json, member.number) {
            (Some(json), number) => {
                if number > 0 {
                    numbers.push(number);
                } else {
                    numbers.clear();
                }
                known.insert(json, (numbers, member));
            }
            (None, 0) => {}
            (None, number) => {
                numbers.push(number);
                flatten(&format!("{package}.{}", member.kind), structs, &numbers, known);
            }
        }
    }
}

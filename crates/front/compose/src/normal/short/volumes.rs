//! `[SOURCE:]TARGET[:MODE]` of a service's `volumes`.

use super::{map_of, text};
use crate::node::{Map, Node, Place, Value};
use crate::normal::{Fault, Path};

/// The long form of a mount.
pub fn volume(node: Node, path: &Path) -> Result<Node, Fault> {
    let Value::Text(line) = &node.value else { return Ok(node) };
    let wrong = |reason: &str| path.value(&node.at, format!("invalid spec: {line}: {reason}"));
    let parts: Vec<&str> = line.split(':').collect();
    let (source, target, mode) = match parts[..] {
        [target] => ("", target, ""),
        [source, target] if is_mode(target) && source.starts_with('/') => ("", source, target),
        [source, target] => (source, target, ""),
        [source, target, mode] => (source, target, mode),
        _ => return Err(wrong("too many colons")),
    };
    if target.is_empty() || (parts.len() > 1 && parts[0].is_empty()) {
        return Err(wrong("empty section between colons"));
    }
    Ok(long(source, target, mode, &node.at))
}

/// A word, or several behind commas, that can only be a mode.
fn is_mode(text: &str) -> bool {
    const MODES: [&str; 15] = [
        "ro",
        "rw",
        "z",
        "Z",
        "nocopy",
        "copy",
        "consistent",
        "cached",
        "delegated",
        "shared",
        "rshared",
        "slave",
        "rslave",
        "private",
        "rprivate",
    ];
    text.split(',').all(|word| MODES.contains(&word))
}

fn long(source: &str, target: &str, mode: &str, at: &Place) -> Node {
    let is_bind = source.starts_with(['.', '/', '~']);
    let mut bind = Map::new();
    let mut volume = Map::new();
    let mut fields = vec![("type", text(if is_bind { "bind" } else { "volume" }))];
    if !source.is_empty() {
        fields.push(("source", text(source)));
    }
    fields.push(("target", text(target)));
    for word in mode.split(',') {
        match word {
            "ro" => fields.push(("read_only", Value::Bool(true))),
            "z" | "Z" => {
                bind.insert("selinux".to_owned(), Node::text(word, at));
            }
            "consistent" | "cached" | "delegated" => fields.push(("consistency", text(word))),
            "shared" | "rshared" | "slave" | "rslave" | "private" | "rprivate" => {
                bind.insert("propagation".to_owned(), Node::text(word, at));
            }
            "nocopy" => {
                volume.insert("nocopy".to_owned(), Node::new(Value::Bool(true), at.clone()));
            }
            // `rw` is how it is anyway; words of other platforms mean nothing here.
            _ => {}
        }
    }
    if is_bind {
        bind.insert("create_host_path".to_owned(), Node::new(Value::Bool(true), at.clone()));
        fields.push(("bind", Value::Map(bind)));
    } else {
        fields.push(("volume", Value::Map(volume)));
    }
    map_of(at, &fields)
}

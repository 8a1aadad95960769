//! Relative paths made absolute: from the project's directory, or that of an included or extended
//! file. URLs and references of other kinds stay as they are.

use crate::node::{Node, Value};
use std::path::{Component, Path, PathBuf};

/// A path from a directory; `~` is a person's home. Dots are taken out, links are not followed.
pub fn absolute(text: &str, directory: &Path, home: Option<&Path>) -> PathBuf {
    let path = match (text.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
            home.join(rest.trim_start_matches('/'))
        }
        _ => directory.join(text),
    };
    clean(&path)
}

/// Without `.` and `..`.
pub fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// Whether a build context is no path.
pub fn is_remote(text: &str) -> bool {
    text.contains("://") || text.starts_with("git@") || text.starts_with("service:")
}

struct Base<'a> {
    directory: &'a Path,
    home: Option<&'a Path>,
}

impl Base<'_> {
    fn set(&self, node: Option<&mut Node>) {
        if let Some(Value::Text(text)) = node.map(|node| &mut node.value)
            && !text.is_empty()
        {
            *text = absolute(text, self.directory, self.home).to_string_lossy().into_owned();
        }
    }

    fn context(&self, node: Option<&mut Node>) {
        if let Some(node) = node
            && node.as_text().is_some_and(|text| !is_remote(text))
        {
            self.set(Some(node));
        }
    }
}

/// All paths of a document.
pub fn resolve(document: &mut Node, directory: &Path, home: Option<&Path>) {
    let base = Base { directory, home };
    each(document, "services", |service| resolve_service(service, directory, home));
    for section in ["secrets", "configs"] {
        each(document, section, |object| base.set(field(object, "file")));
    }
    each(document, "volumes", |volume| {
        let Some(options) = field(volume, "driver_opts") else { return };
        let binds = options.get_text("o").is_some_and(|o| o.split(',').any(|word| word == "bind"));
        if binds {
            base.set(field(options, "device"));
        }
    });
}

/// All paths of a service.
pub fn resolve_service(service: &mut Node, directory: &Path, home: Option<&Path>) {
    let base = Base { directory, home };
    if let Some(build) = field(service, "build") {
        base.context(field(build, "context"));
        if let Some(Value::Map(map)) = field(build, "additional_contexts").map(|n| &mut n.value) {
            map.values_mut().for_each(|context| base.context(Some(context)));
        }
    }
    items(service, "env_file", |file| base.set(field(file, "path")));
    items(service, "label_file", |file| base.set(Some(file)));
    items(service, "volumes", |mount| {
        if mount.get_text("type") == Some("bind") {
            base.set(field(mount, "source"));
        }
    });
    if let Some(develop) = field(service, "develop") {
        items(develop, "watch", |rule| base.set(field(rule, "path")));
    }
}

fn field<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut Node> {
    node.as_map_mut().and_then(|map| map.get_mut(key))
}

fn each(node: &mut Node, key: &str, act: impl FnMut(&mut Node)) {
    if let Some(Value::Map(map)) = field(node, key).map(|node| &mut node.value) {
        map.values_mut().for_each(act);
    }
}

fn items(node: &mut Node, key: &str, act: impl FnMut(&mut Node)) {
    if let Some(Value::List(list)) = field(node, key).map(|node| &mut node.value) {
        list.iter_mut().for_each(act);
    }
}

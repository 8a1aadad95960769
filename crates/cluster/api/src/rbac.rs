//! Role-based access: what a rule of a role allows, and whether rules cover others.
//!
//! The second question keeps people from giving away what they do not have: whoever writes a role or
//! binds one must have all that it allows (`rbac.authorization.k8s.io`, "privilege escalation
//! prevention").

use serde_json::Value;
use std::borrow::Cow;

/// The API group of roles and bindings.
pub const GROUP: &str = "rbac.authorization.k8s.io";

/// A rule, as a role says it.
#[derive(Debug, Clone, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Rule {
    /// Verbs, or `*`.
    pub verbs: Vec<Box<str>>,
    /// API groups, or `*`.
    pub groups: Vec<Box<str>>,
    /// Resources (`pods`, `pods/log`, `*/scale`), or `*`.
    pub resources: Vec<Box<str>>,
    /// Only these objects; none for all.
    pub names: Vec<Box<str>>,
    /// Paths of what is no resource, `*` at their end for all below.
    pub paths: Vec<Box<str>>,
}

/// What somebody wants.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// See [`Rule::verbs`].
    pub verb: &'a str,
    /// API group.
    pub group: &'a str,
    /// Resource; empty for a path.
    pub resource: &'a str,
    /// Below it; mostly empty.
    pub subresource: &'a str,
    /// The object; empty for none.
    pub name: &'a str,
    /// Path of what is no resource.
    pub path: &'a str,
}

impl Rule {
    /// Reads one.
    pub fn of(rule: &Value) -> Self {
        let texts = |field: &str| {
            let items = rule.get(field).and_then(Value::as_array);
            items.into_iter().flatten().filter_map(Value::as_str).map(Box::from).collect()
        };
        Self {
            verbs: texts("verbs"),
            groups: texts("apiGroups"),
            resources: texts("resources"),
            names: texts("resourceNames"),
            paths: texts("nonResourceURLs"),
        }
    }

    /// Reads a role's.
    pub fn all(role: &Value) -> Vec<Self> {
        role.get("rules").and_then(Value::as_array).into_iter().flatten().map(Self::of).collect()
    }

    /// As a review of somebody's rules shows it.
    pub fn to_value(&self) -> Value {
        let mut rule = serde_json::Map::new();
        let lists = [
            ("verbs", &self.verbs),
            ("apiGroups", &self.groups),
            ("resources", &self.resources),
            ("resourceNames", &self.names),
            ("nonResourceURLs", &self.paths),
        ];
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            let texts = list.iter().map(|text| Value::from(&**text)).collect();
            rule.insert(name.to_owned(), Value::Array(texts));
        }
        rule.into()
    }

    /// Whether it allows this.
    pub fn allows(&self, ask: &Ask<'_>) -> bool {
        if !has(&self.verbs, ask.verb) {
            return false;
        }
        if ask.resource.is_empty() {
            return self.paths.iter().any(|path| path_covers(path, ask.path));
        }
        let whole = match ask.subresource {
            "" => Cow::Borrowed(ask.resource),
            below => Cow::Owned(format!("{}/{below}", ask.resource)),
        };
        has(&self.groups, ask.group)
            && self.resources.iter().any(|known| resource_covers(known, &whole))
            && (self.names.is_empty() || self.names.iter().any(|name| **name == *ask.name))
    }

    /// The rules of one verb, group, resource, name or path each, that say the same together.
    fn split(&self) -> Vec<Self> {
        let one = |text: &str| vec![Box::from(text)];
        let mut parts = Vec::new();
        for verb in &self.verbs {
            for path in &self.paths {
                parts.push(Self { verbs: one(verb), paths: one(path), ..Self::default() });
            }
            for (group, resource) in
                self.groups.iter().flat_map(|group| self.resources.iter().map(move |r| (group, r)))
            {
                let part = Self {
                    verbs: one(verb),
                    groups: one(group),
                    resources: one(resource),
                    ..Self::default()
                };
                if self.names.is_empty() {
                    parts.push(part);
                } else {
                    parts.extend(
                        self.names.iter().map(|name| Self { names: one(name), ..part.clone() }),
                    );
                }
            }
        }
        parts
    }

    /// Whether it covers a rule that [`Rule::split`] made.
    fn covers(&self, part: &Self) -> bool {
        let all = |own: &[Box<str>], wanted: &[Box<str>]| wanted.iter().all(|w| has(own, w));
        let paths = |wanted: &str| self.paths.iter().any(|own| path_covers(own, wanted));
        let resources =
            |wanted: &str| self.resources.iter().any(|own| resource_covers(own, wanted));
        let names = self.names.is_empty()
            || (!part.names.is_empty() && part.names.iter().all(|name| self.names.contains(name)));
        all(&self.verbs, &part.verbs)
            && part.paths.iter().all(|path| paths(path))
            && all(&self.groups, &part.groups)
            && part.resources.iter().all(|resource| resources(resource))
            && (part.resources.is_empty() || names)
    }
}

/// What of the wanted rules the owned ones do not cover; empty if they cover all.
pub fn uncovered(owned: &[Rule], wanted: &[Rule]) -> Vec<Rule> {
    let parts = wanted.iter().flat_map(Rule::split);
    parts.filter(|part| !owned.iter().any(|rule| rule.covers(part))).collect()
}

/// Rules in words, as refusals name them.
pub fn describe(rules: &[Rule]) -> String {
    let list = |texts: &[Box<str>]| {
        let quoted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
        format!("[{}]", quoted.join(","))
    };
    let mut lines = Vec::new();
    for rule in rules {
        let parts = [
            ("APIGroups", &rule.groups),
            ("NonResourceURLs", &rule.paths),
            ("Resources", &rule.resources),
            ("ResourceNames", &rule.names),
            ("Verbs", &rule.verbs),
        ];
        let said = parts.iter().filter(|(_, texts)| !texts.is_empty());
        let said: Vec<String> =
            said.map(|(name, texts)| format!("{name}:{}", list(texts))).collect();
        lines.push(format!("{{{}}}", said.join(", ")));
    }
    lines.join("\n")
}

fn has(list: &[Box<str>], wanted: &str) -> bool {
    list.iter().any(|known| **known == *"*" || **known == *wanted)
}

fn path_covers(known: &str, wanted: &str) -> bool {
    known == "*"
        || known == wanted
        || known.strip_suffix('*').is_some_and(|prefix| wanted.starts_with(prefix))
}

fn resource_covers(known: &str, wanted: &str) -> bool {
    if known == "*" || known == wanted {
        return true;
    }
    let below = wanted.split_once('/').map(|(_, below)| below);
    known.strip_prefix("*/").zip(below).is_some_and(|(known, below)| known == below)
}

#[cfg(test)]
mod tests;

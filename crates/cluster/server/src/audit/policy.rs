//! Which requests are written down, and how much of them: an `audit.k8s.io/v1` `Policy`. The first rule
//! that fits a request counts; what none fits is not written.

use super::Asked;
use crate::file;
use serde_json::Value;
use std::path::{Path, PathBuf};
use teu_api::decode;
use teu_api::object::text;

/// Bytes of a file.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Rules of a policy.
const MAX_RULES: usize = 10_000;

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It cannot be read.
    #[error("cannot read the audit policy {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It says something else.
    #[error("the audit policy {} is not understood: {at}: {why}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// Where.
        at: String,
        /// Why not.
        why: &'static str,
    },
}

/// How much is written of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    None,
    /// Who, what, when, and how it ended.
    Metadata,
    /// What was sent, too.
    Request,
    /// And what was answered.
    RequestResponse,
}

impl Level {
    /// Kubernetes' word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Metadata => "Metadata",
            Self::Request => "Request",
            Self::RequestResponse => "RequestResponse",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        let all = [Self::None, Self::Metadata, Self::Request, Self::RequestResponse];
        all.into_iter().find(|level| level.word() == word)
    }
}

/// When an event is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Before anything was done.
    RequestReceived,
    /// A stream has begun.
    ResponseStarted,
    /// The answer is complete.
    ResponseComplete,
}

impl Stage {
    /// Kubernetes' word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::RequestReceived => "RequestReceived",
            Self::ResponseStarted => "ResponseStarted",
            Self::ResponseComplete => "ResponseComplete",
        }
    }
}

/// What is written of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// How much.
    pub level: Level,
    omitted: Vec<String>,
    omits_managed_fields: bool,
}

impl Plan {
    /// Whether an event of this stage is wanted.
    pub fn wants(&self, stage: Stage) -> bool {
        self.level > Level::None && !self.omitted.iter().any(|word| word == stage.word())
    }

    /// A document without what is not wanted of it.
    pub fn trimmed(&self, mut document: Value) -> Value {
        if self.omits_managed_fields {
            let strip = |object: &mut Value| {
                if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                    metadata.shift_remove("managedFields");
                }
            };
            strip(&mut document);
            let items = document.get_mut("items").and_then(Value::as_array_mut);
            items.into_iter().flatten().for_each(strip);
        }
        document
    }
}

/// A policy.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    plan: Plan,
    users: Vec<String>,
    groups: Vec<String>,
    verbs: Vec<String>,
    namespaces: Vec<String>,
    resources: Vec<Resources>,
    paths: Vec<String>,
}

#[derive(Debug)]
struct Resources {
    group: String,
    resources: Vec<String>,
    names: Vec<String>,
}

impl Policy {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let failed = |source| PolicyError::Read { path: path.to_path_buf(), source };
        let file = std::fs::File::open(path).map_err(failed)?;
        let bytes = file::read(file, MAX_FILE_BYTES).map_err(failed)?;
        Self::parse(&bytes).map_err(|(at, why)| PolicyError::Content {
            path: path.to_path_buf(),
            at,
            why,
        })
    }

    /// Reads its text; where it is wrong, and why.
    pub fn parse(bytes: &[u8]) -> Result<Self, (String, &'static str)> {
        let place = || "the file".to_owned();
        let document = decode::yaml(bytes).map_err(|_| (place(), "it is neither YAML nor JSON"))?;
        let document = document.value;
        if text(&document, &["apiVersion"]) != Some("audit.k8s.io/v1")
            || text(&document, &["kind"]) != Some("Policy")
        {
            return Err((place(), "expected `apiVersion: audit.k8s.io/v1` and `kind: Policy`"));
        }
        let general = stages(&document).map_err(|why| ("omitStages".to_owned(), why))?;
        let omits = document.get("omitManagedFields").and_then(Value::as_bool).unwrap_or(false);
        let listed = document.get("rules").and_then(Value::as_array);
        let listed = listed.map(Vec::as_slice).unwrap_or_default();
        if listed.is_empty() || listed.len() > MAX_RULES {
            return Err(("rules".to_owned(), "expected one rule to ten thousand"));
        }
        let mut rules = Vec::new();
        for (number, rule) in listed.iter().enumerate() {
            let read = Rule::parse(rule, &general, omits);
            rules.push(read.map_err(|why| (format!("rules[{number}]"), why))?);
        }
        Ok(Self { rules })
    }

    /// What is written of a request.
    pub fn plan(&self, asked: Asked<'_>, path: &str) -> Plan {
        let found = self.rules.iter().find(|rule| rule.fits(asked, path));
        found.map(|rule| rule.plan.clone()).unwrap_or(Plan {
            level: Level::None,
            omitted: Vec::new(),
            omits_managed_fields: false,
        })
    }
}

fn stages(of: &Value) -> Result<Vec<String>, &'static str> {
    let known = ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"];
    let named = texts(of, "omitStages");
    match named.iter().all(|stage| known.contains(&&**stage)) {
        true => Ok(named),
        false => Err("a stage is RequestReceived, ResponseStarted, ResponseComplete or Panic"),
    }
}

impl Rule {
    fn parse(rule: &Value, general: &[String], omits: bool) -> Result<Self, &'static str> {
        const FIELDS: [&str; 9] = [
            "level",
            "users",
            "userGroups",
            "verbs",
            "resources",
            "namespaces",
            "nonResourceURLs",
            "omitStages",
            "omitManagedFields",
        ];
        let fields = rule.as_object().ok_or("a rule is an object")?;
        // What is misspelt would leave a rule wider than it was meant.
        if fields.keys().any(|field| !FIELDS.contains(&&**field)) {
            return Err("it has a field that rules do not have");
        }
        let level = text(rule, &["level"]).and_then(Level::parse);
        let level =
            level.ok_or("its level has to be None, Metadata, Request or RequestResponse")?;
        let mut omitted = stages(rule)?;
        omitted.extend(general.iter().cloned());
        let listed = rule.get("resources").and_then(Value::as_array).into_iter().flatten();
        let resources: Vec<Resources> = listed
            .map(|it| Resources {
                group: text(it, &["group"]).unwrap_or_default().to_owned(),
                resources: texts(it, "resources"),
                names: texts(it, "resourceNames"),
            })
            .collect();
        let (namespaces, paths) = (texts(rule, "namespaces"), texts(rule, "nonResourceURLs"));
        let is_for_resources = !resources.is_empty() || !namespaces.is_empty();
        if !paths.is_empty() && is_for_resources {
            return Err("it cannot be for both resources and nonResourceURLs");
        }
        let is_path = |path: &String| {
            path == "*" || (path.starts_with('/') && !path[..path.len() - 1].contains('*'))
        };
        if !paths.iter().all(is_path) {
            return Err("a nonResourceURL begins with `/` and has `*` at its end or not at all");
        }
        let own = rule.get("omitManagedFields").and_then(Value::as_bool);
        Ok(Self {
            plan: Plan { level, omitted, omits_managed_fields: own.unwrap_or(omits) },
            users: texts(rule, "users"),
            groups: texts(rule, "userGroups"),
            verbs: texts(rule, "verbs"),
            namespaces,
            resources,
            paths,
        })
    }

    fn fits(&self, asked: Asked<'_>, path: &str) -> bool {
        let by_user =
            self.users.is_empty() || asked.user.is_some_and(|user| self.users.contains(&user.name));
        let by_group = self.groups.is_empty()
            || asked.user.is_some_and(|user| self.groups.iter().any(|group| user.is_in(group)));
        let by_verb = self.verbs.is_empty() || self.verbs.iter().any(|verb| verb == asked.verb);
        if !by_user || !by_group || !by_verb {
            return false;
        }
        if !self.namespaces.is_empty() || !self.resources.is_empty() {
            let Some(place) = asked.place else { return false };
            let by_namespace =
                self.namespaces.is_empty() || self.namespaces.contains(&place.namespace);
            return by_namespace
                && (self.resources.is_empty()
                    || self.resources.iter().any(|resources| resources.fit(place)));
        }
        if !self.paths.is_empty() {
            return asked.place.is_none() && self.paths.iter().any(|known| is_below(known, path));
        }
        true
    }
}

fn is_below(known: &str, path: &str) -> bool {
    known.strip_suffix('*').map_or(known == path, |prefix| path.starts_with(prefix))
}

impl Resources {
    fn fit(&self, place: &crate::request::Place) -> bool {
        if self.group != place.group {
            return false;
        }
        if !self.names.is_empty() && !self.names.contains(&place.name) {
            return false;
        }
        let (plural, below) = (&*place.plural, &*place.subresource);
        let fits = |pattern: &String| match pattern.split_once('/') {
            None => pattern == "*" || (below.is_empty() && pattern == plural),
            Some((first, second)) => {
                !below.is_empty()
                    && (first == "*" || first == plural)
                    && (second == "*" || second == below)
            }
        };
        self.resources.is_empty() || self.resources.iter().any(fits)
    }
}

fn texts(of: &Value, field: &str) -> Vec<String> {
    let items = of.get(field).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

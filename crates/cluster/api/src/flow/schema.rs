//! `FlowSchema`, read: whom and what it is about.

use crate::object;
use serde_json::Value;
use std::borrow::Cow;

/// What is sorted.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub user: &'a str,
    /// Their groups.
    pub groups: &'a [String],
    /// `get`, `list`, `create`…; HTTP's method in lower case for what is no resource.
    pub verb: &'a str,
    /// API group.
    pub group: &'a str,
    /// Resource; empty for a path.
    pub resource: &'a str,
    /// Below it; mostly empty.
    pub subresource: &'a str,
    /// Namespace; empty for none, or all.
    pub namespace: &'a str,
    /// Path of what is no resource.
    pub path: &'a str,
}

/// A schema.
#[derive(Debug)]
pub struct Schema {
    /// Its name.
    pub name: Box<str>,
    /// Its UID.
    pub uid: Box<str>,
    /// The priority level of what it is about.
    pub level: Box<str>,
    precedence: i64,
    by: By,
    rules: Vec<Rule>,
}

/// What tells its flows apart.
#[derive(Debug)]
enum By {
    Nothing,
    User,
    Namespace,
}

#[derive(Debug)]
struct Rule {
    subjects: Vec<Subject>,
    resources: Vec<Resources>,
    paths: Vec<Paths>,
}

#[derive(Debug)]
enum Subject {
    User(Box<str>),
    Group(Box<str>),
    /// `system:serviceaccount:NAMESPACE:` and a name, or all.
    Account(Box<str>, Box<str>),
}

#[derive(Debug)]
struct Resources {
    verbs: Vec<Box<str>>,
    groups: Vec<Box<str>>,
    resources: Vec<Box<str>>,
    namespaces: Vec<Box<str>>,
    is_cluster_wide: bool,
}

#[derive(Debug)]
struct Paths {
    verbs: Vec<Box<str>>,
    paths: Vec<Box<str>>,
}

fn texts(value: &Value, field: &str) -> Vec<Box<str>> {
    items(value, field).filter_map(Value::as_str).map(Box::from).collect()
}

fn items<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn has(list: &[Box<str>], word: &str) -> bool {
    list.iter().any(|known| **known == *word || **known == *"*")
}

impl Schema {
    /// Reads one.
    pub fn of(schema: &Value) -> Self {
        let spec = schema.get("spec").unwrap_or(&Value::Null);
        let text = |path: &[&str]| object::text(spec, path).unwrap_or_default();
        Self {
            name: object::name(schema).into(),
            uid: object::uid(schema).into(),
            level: text(&["priorityLevelConfiguration", "name"]).into(),
            precedence: spec.get("matchingPrecedence").and_then(Value::as_i64).unwrap_or(1000),
            by: match text(&["distinguisherMethod", "type"]) {
                "ByUser" => By::User,
                "ByNamespace" => By::Namespace,
                _ => By::Nothing,
            },
            rules: items(spec, "rules").map(Rule::of).collect(),
        }
    }

    /// Where it stands among others: the first that is about a request has it.
    pub fn rank(&self) -> (i64, &str) {
        (self.precedence, &self.name)
    }

    /// Whether it is about a request.
    pub fn covers(&self, request: &Request<'_>) -> bool {
        self.rules.iter().any(|rule| rule.covers(request))
    }

    /// The name of a request's flow among those of this schema.
    pub fn flow<'a>(&self, request: &Request<'a>) -> &'a str {
        match self.by {
            By::Nothing => "",
            By::User => request.user,
            By::Namespace => request.namespace,
        }
    }
}

impl Rule {
    fn of(rule: &Value) -> Self {
        Self {
            subjects: items(rule, "subjects").filter_map(Subject::of).collect(),
            resources: items(rule, "resourceRules").map(Resources::of).collect(),
            paths: items(rule, "nonResourceRules").map(Paths::of).collect(),
        }
    }

    fn covers(&self, request: &Request<'_>) -> bool {
        self.subjects.iter().any(|subject| subject.is(request))
            && match request.resource {
                "" => self.paths.iter().any(|paths| paths.cover(request)),
                _ => self.resources.iter().any(|resources| resources.cover(request)),
            }
    }
}

impl Subject {
    fn of(subject: &Value) -> Option<Self> {
        let text = |path: &[&str]| Box::from(object::text(subject, path).unwrap_or_default());
        match subject.get("kind").and_then(Value::as_str)? {
            "User" => Some(Self::User(text(&["user", "name"]))),
            "Group" => Some(Self::Group(text(&["group", "name"]))),
            "ServiceAccount" => {
                let namespace = text(&["serviceAccount", "namespace"]);
                let prefix = format!("system:serviceaccount:{namespace}:").into();
                Some(Self::Account(prefix, text(&["serviceAccount", "name"])))
            }
            _ => None,
        }
    }

    fn is(&self, request: &Request<'_>) -> bool {
        match self {
            Self::User(name) => **name == *"*" || **name == *request.user,
            Self::Group(name) => {
                **name == *"*" || request.groups.iter().any(|group| **group == **name)
            }
            Self::Account(prefix, name) => {
                let own = request.user.strip_prefix(&**prefix);
                own.is_some_and(|own| **name == *"*" || **name == *own)
            }
        }
    }
}

impl Resources {
    fn of(rule: &Value) -> Self {
        Self {
            verbs: texts(rule, "verbs"),
            groups: texts(rule, "apiGroups"),
            resources: texts(rule, "resources"),
            namespaces: texts(rule, "namespaces"),
            is_cluster_wide: rule.get("clusterScope").and_then(Value::as_bool).unwrap_or(false),
        }
    }

    fn cover(&self, request: &Request<'_>) -> bool {
        let whole = match request.subresource {
            "" => Cow::Borrowed(request.resource),
            below => Cow::Owned(format!("{}/{below}", request.resource)),
        };
        has(&self.verbs, request.verb)
            && has(&self.groups, request.group)
            && has(&self.resources, &whole)
            && match request.namespace {
                "" => self.is_cluster_wide,
                namespace => has(&self.namespaces, namespace),
            }
    }
}

impl Paths {
    fn of(rule: &Value) -> Self {
        Self { verbs: texts(rule, "verbs"), paths: texts(rule, "nonResourceURLs") }
    }

    fn cover(&self, request: &Request<'_>) -> bool {
        let covers = |path: &str| match path.strip_suffix('*') {
            Some(beginning) => request.path.starts_with(beginning),
            None => path == request.path,
        };
        has(&self.verbs, request.verb) && self.paths.iter().any(|path| covers(path))
    }
}

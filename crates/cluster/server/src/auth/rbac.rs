//! Roles and bindings decide ([`teu_api::rbac`] says what a rule allows).
//!
//! What is stored is read into an index, which is kept while the four resources stay as they are: a
//! decision then parses nothing. The cluster's owners (`system:masters`) need no role, so that no
//! broken binding locks everybody out.

use super::user::MASTERS;
use super::{Attributes, Authorizer, Decision, Later, User};
use crate::api::{Api, store_status};
use crate::stored::Stored;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use teu_api::Status;
use teu_api::rbac::{Ask, GROUP, Rule};
use teu_store::Revision;
use teu_store::cache::{CacheList, ListAt};

/// What is read.
pub(super) const RESOURCES: [&str; 4] =
    ["clusterroles", "clusterrolebindings", "roles", "rolebindings"];

/// Decides by roles.
#[derive(Debug, Default)]
pub struct Rbac {
    known: RwLock<Known>,
}

/// What was read, and from what.
#[derive(Debug, Default, Clone)]
struct Known {
    /// The revisions of the caches.
    seen: [Revision; 4],
    /// How many objects there were, and the newest's revision.
    print: [(usize, Revision); 4],
    index: Arc<Index>,
}

type Rules = Arc<[Rule]>;

/// What all roles and bindings say.
#[derive(Debug, Default)]
struct Index {
    cluster_roles: HashMap<Box<str>, Rules>,
    /// By namespace and name.
    roles: HashMap<(Box<str>, Box<str>), Rules>,
    everywhere: Vec<Binding>,
    local: HashMap<Box<str>, Vec<Binding>>,
}

#[derive(Debug)]
struct Binding {
    name: Box<str>,
    /// Of the role; none for a cluster's.
    namespace: Option<Box<str>>,
    role: Box<str>,
    subjects: Vec<Subject>,
}

#[derive(Debug)]
enum Subject {
    User(Box<str>),
    Group(Box<str>),
}

/// What lets somebody do something.
struct Grant<'a> {
    binding: &'a Binding,
    is_local: bool,
    namespace: &'a str,
    subject: &'a Subject,
    rules: &'a [Rule],
}

impl Rbac {
    async fn index(&self, api: &Api) -> Result<Arc<Index>, Status> {
        let rows = api.table.rows();
        let mut shelves = Vec::with_capacity(RESOURCES.len());
        for plural in RESOURCES {
            let entry = rows.find(GROUP, "v1", plural);
            shelves.push(&entry.ok_or_else(|| Status::not_found_path(plural))?.shelf);
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        let seen = [0, 1, 2, 3].map(|at: usize| shelves[at].cache().revision());
        if known.seen == seen && seen.iter().all(|seen| *seen > 0) {
            return Ok(known.index);
        }
        let mut lists = Vec::with_capacity(shelves.len());
        for shelf in &shelves {
            let list = shelf.cache().list(&shelf.span(""), ListAt::Any).await;
            lists.push(list.map_err(store_status)?);
        }
        let seen = [0, 1, 2, 3].map(|at: usize| lists[at].revision);
        let print = [0, 1, 2, 3].map(|at: usize| {
            let newest = lists[at].items.iter().map(|item| item.kv.modified).max();
            (lists[at].items.len(), newest.unwrap_or(0))
        });
        // Caches move on without a change of theirs, too; then nothing is read again.
        let index = match print == known.print {
            true => known.index,
            false => Arc::new(Index::read(&lists)),
        };
        let known = Known { seen, print, index: Arc::clone(&index) };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(index)
    }

    /// All rules that somebody has in a namespace (empty for the whole cluster).
    pub async fn rules_of(
        &self,
        api: &Api,
        user: &User,
        namespace: &str,
    ) -> Result<Vec<Rule>, Status> {
        if user.is_in(MASTERS) {
            return Ok(everything());
        }
        let index = self.index(api).await?;
        let grants = index.grants(user, namespace);
        Ok(grants.flat_map(|grant| grant.rules.iter().cloned()).collect())
    }

    /// What the role that a binding names allows.
    pub async fn rules_of_role(
        &self,
        api: &Api,
        kind: &str,
        (namespace, name): (&str, &str),
    ) -> Result<Option<Vec<Rule>>, Status> {
        let index = self.index(api).await?;
        let rules = match kind {
            "ClusterRole" => index.cluster_roles.get(name),
            _ => index.roles.get(&(Box::from(namespace), Box::from(name))),
        };
        Ok(rules.map(|rules| rules.to_vec()))
    }
}

/// What the cluster's owners may.
fn everything() -> Vec<Rule> {
    let all = || vec![Box::from("*")];
    vec![
        Rule { verbs: all(), groups: all(), resources: all(), ..Rule::default() },
        Rule { verbs: all(), paths: all(), ..Rule::default() },
    ]
}

impl Index {
    fn read(lists: &[CacheList<Stored>]) -> Self {
        let mut index = Self::default();
        let [cluster_roles, cluster_bindings, roles, bindings] = lists else { return index };
        for object in objects(cluster_roles) {
            index.cluster_roles.insert(name(&object), Rule::all(&object).into());
        }
        for object in objects(roles) {
            index.roles.insert((namespace(&object), name(&object)), Rule::all(&object).into());
        }
        index.everywhere = objects(cluster_bindings).map(|object| Binding::of(&object)).collect();
        for object in objects(bindings) {
            index.local.entry(namespace(&object)).or_default().push(Binding::of(&object));
        }
        index
    }

    fn grants<'a>(&'a self, user: &'a User, namespace: &'a str) -> impl Iterator<Item = Grant<'a>> {
        let local = self.local.get(namespace).map_or(&[][..], Vec::as_slice);
        let all = self.everywhere.iter().map(|binding| (binding, false));
        all.chain(local.iter().map(|binding| (binding, true))).filter_map(|(binding, is_local)| {
            let subject = binding.subjects.iter().find(|subject| subject.is(user))?;
            let rules = match &binding.namespace {
                None => self.cluster_roles.get(&binding.role)?,
                Some(own) => self.roles.get(&(own.clone(), binding.role.clone()))?,
            };
            Some(Grant { binding, is_local, namespace, subject, rules })
        })
    }
}

fn objects(list: &CacheList<Stored>) -> impl Iterator<Item = Value> + '_ {
    list.items.iter().filter_map(|item| serde_json::from_slice(item.object.json()).ok())
}

fn name(object: &Value) -> Box<str> {
    teu_api::object::name(object).into()
}

fn namespace(object: &Value) -> Box<str> {
    teu_api::object::namespace(object).into()
}

impl Binding {
    fn of(object: &Value) -> Self {
        let text = |path: &[&str]| teu_api::object::text(object, path).unwrap_or_default();
        let own = namespace(object);
        let is_cluster = text(&["roleRef", "kind"]) == "ClusterRole";
        let subjects = object.get("subjects").and_then(Value::as_array);
        Self {
            name: name(object),
            namespace: (!is_cluster).then(|| own.clone()),
            role: text(&["roleRef", "name"]).into(),
            subjects: subjects.into_iter().flatten().filter_map(|s| Subject::of(s, &own)).collect(),
        }
    }
}

impl Subject {
    fn of(subject: &Value, namespace: &str) -> Option<Self> {
        let text = |field: &str| subject.get(field).and_then(Value::as_str).unwrap_or_default();
        let name = text("name");
        match text("kind") {
            "User" => Some(Self::User(name.into())),
            "Group" => Some(Self::Group(name.into())),
            "ServiceAccount" => {
                let namespace = match text("namespace") {
                    "" => namespace,
                    said => said,
                };
                Some(Self::User(format!("system:serviceaccount:{namespace}:{name}").into()))
            }
            _ => None,
        }
    }

    fn is(&self, user: &User) -> bool {
        match self {
            Self::User(name) => **name == *user.name,
            Self::Group(name) => user.is_in(name),
        }
    }
}

impl Grant<'_> {
    fn describe(&self) -> String {
        let Binding { name, namespace, role, .. } = self.binding;
        let binding = if self.is_local { "RoleBinding" } else { "ClusterRoleBinding" };
        let kind = if namespace.is_none() { "ClusterRole" } else { "Role" };
        let place = if self.is_local { format!("/{}", self.namespace) } else { String::new() };
        let subject = match self.subject {
            Subject::User(name) => match name.strip_prefix("system:serviceaccount:") {
                Some(account) => {
                    let (namespace, name) = account.split_once(':').unwrap_or_default();
                    format!("ServiceAccount \"{name}/{namespace}\"")
                }
                None => format!("User \"{name}\""),
            },
            Subject::Group(name) => format!("Group \"{name}\""),
        };
        format!("RBAC: allowed by {binding} \"{name}{place}\" of {kind} \"{role}\" to {subject}")
    }
}

impl Authorizer for Rbac {
    fn authorize<'a>(
        &'a self,
        api: &'a Api,
        attributes: &'a Attributes<'a>,
    ) -> Later<'a, Decision> {
        Box::pin(async move {
            if attributes.user.is_in(MASTERS) {
                return Decision::Allow(String::new());
            }
            let index = match self.index(api).await {
                Ok(index) => index,
                Err(status) => return Decision::Deny(format!("roles cannot be read: {status}")),
            };
            let ask = Ask {
                verb: attributes.verb,
                group: attributes.group,
                resource: attributes.resource,
                subresource: attributes.subresource,
                name: attributes.name,
                path: attributes.path,
            };
            // What is no resource belongs to no namespace.
            let mut grants = index.grants(attributes.user, attributes.namespace);
            let found = grants.find(|grant| grant.rules.iter().any(|rule| rule.allows(&ask)));
            found.map_or_else(
                || Decision::Deny(String::new()),
                |grant| Decision::Allow(grant.describe()),
            )
        })
    }

    fn as_rbac(&self) -> Option<&Rbac> {
        Some(self)
    }
}

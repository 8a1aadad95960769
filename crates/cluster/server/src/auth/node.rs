//! What a node may: by a fixed set of rules, and of secrets, config maps, claims, volumes and accounts
//! only what pods on it refer to. Whoever takes over one machine shall not have the whole cluster.
//!
//! Instead of a graph that is kept beside the objects, the few objects that lie between a node and what
//! it asks for are looked at when it asks: the pods of a node are at most some hundred, and nodes ask
//! once for each watch. What the cache does not know yet is looked for once more in step with the store.
//! What is not allowed here may still be allowed by roles.

use super::{Attributes, Authorizer, Decision, Later, Rbac, User};
use crate::api::{Api, store_status};
use crate::auth::defaults;
use serde_json::Value;
use std::sync::OnceLock;
use teu_api::admission::references;
use teu_api::rbac::{Ask, Rule};
use teu_api::selector::FieldSelector;
use teu_api::{Status, object};
use teu_store::cache::ListAt;

/// The group of nodes.
const GROUP: &str = "system:nodes";
const PREFIX: &str = "system:node:";
const LEASES: &str = "kube-node-lease";
/// What stands in for a node's own pods.
const MIRROR: [&str; 3] = ["metadata", "annotations", "kubernetes.io/config.mirror"];

/// Nodes by what they run, everybody by roles.
#[derive(Debug, Default)]
pub struct NodesAndRoles {
    roles: Rbac,
    rules: OnceLock<Vec<Rule>>,
}

/// The node that a user is.
pub fn node_of(user: &User) -> Option<&str> {
    user.name.strip_prefix(PREFIX).filter(|name| !name.is_empty() && user.is_in(GROUP))
}

impl Authorizer for NodesAndRoles {
    fn authorize<'a>(
        &'a self,
        api: &'a Api,
        attributes: &'a Attributes<'a>,
    ) -> Later<'a, Decision> {
        let Some(node) = node_of(attributes.user) else {
            return self.roles.authorize(api, attributes);
        };
        Box::pin(async move {
            let why = match self.by_node(api, node, attributes).await {
                Ok(None) => return Decision::Allow(String::new()),
                Ok(Some(why)) => why,
                Err(status) => status.message,
            };
            match self.roles.authorize(api, attributes).await {
                Decision::Deny(more) if more.is_empty() => Decision::Deny(why),
                other => other,
            }
        })
    }

    fn as_rbac(&self) -> Option<&Rbac> {
        Some(&self.roles)
    }
}

impl NodesAndRoles {
    /// Why a node may not; `None` if it may.
    async fn by_node(
        &self,
        api: &Api,
        node: &str,
        asked: &Attributes<'_>,
    ) -> Result<Option<String>, Status> {
        let by_rules = || {
            let rules = self.rules.get_or_init(defaults::node_rules);
            let ask = Ask {
                verb: asked.verb,
                group: asked.group,
                resource: asked.resource,
                subresource: asked.subresource,
                name: asked.name,
                path: asked.path,
            };
            (!rules.iter().any(|rule| rule.allows(&ask))).then(String::new)
        };
        let kept = match (asked.group, asked.resource) {
            ("", "secrets") => Some(Kept::Secret),
            ("", "configmaps") => Some(Kept::ConfigMap),
            ("", "persistentvolumeclaims") => Some(Kept::Claim),
            ("", "persistentvolumes") => Some(Kept::Volume),
            ("", "serviceaccounts") => Some(Kept::Account),
            ("resource.k8s.io", "resourceclaims") => Some(Kept::ResourceClaim),
            ("storage.k8s.io", "volumeattachments") => Some(Kept::Attachment),
            _ => None,
        };
        if let Some(kept) = kept {
            if let Some(why) = kept.refuses(asked) {
                return Ok(Some(why));
            }
            // Another server may have put the pod there a moment ago.
            for at in [ListAt::Any, ListAt::Consistent] {
                if (Walk { api, node, at }).reaches(kept, asked.namespace, asked.name).await? {
                    return Ok(None);
                }
            }
            return Ok(Some(unrelated(node)));
        }
        Ok(match (asked.group, asked.resource) {
            ("", "pods") if asked.subresource.is_empty() => match asked.verb {
                "get" => {
                    let walk = Walk { api, node, at: ListAt::Consistent };
                    let is_own = walk.has_pod(asked.namespace, asked.name).await?;
                    (!is_own).then(|| unrelated(node))
                }
                "list" | "watch" if !selects(asked.fields, "spec.nodeName", node) => {
                    Some("can only list/watch pods with spec.nodeName field selector".to_owned())
                }
                _ => by_rules(),
            },
            ("", "nodes") => own_node(node, asked).or_else(by_rules),
            ("coordination.k8s.io", "leases") if asked.namespace != LEASES => {
                Some(format!("can only access leases in the {LEASES:?} system namespace"))
            }
            ("coordination.k8s.io", "leases") if !is_own(node, asked) => Some(
                "can only access node lease with the same name as the requesting node".to_owned(),
            ),
            ("storage.k8s.io", "csinodes") if !is_own(node, asked) => {
                Some("can only access CSINode with the same name as the requesting node".to_owned())
            }
            ("resource.k8s.io", "resourceslices") => {
                slice(api, node, asked).await?.or_else(by_rules)
            }
            _ => by_rules(),
        })
    }
}

/// Slices of devices are the node's that their spec names.
async fn slice(api: &Api, node: &str, asked: &Attributes<'_>) -> Result<Option<String>, Status> {
    match asked.verb {
        "list" | "watch" | "deletecollection" if !selects(asked.fields, "spec.nodeName", node) => {
            let why = "can only list/watch/deletecollection resourceslices with spec.nodeName field selector";
            Ok(Some(why.to_owned()))
        }
        "get" | "update" | "patch" | "delete" => {
            let walk = Walk { api, node, at: ListAt::Consistent };
            let found = walk.one(("resource.k8s.io", "resourceslices"), "", asked.name).await?;
            let is_own =
                found.is_some_and(|it| object::text(&it, &["spec", "nodeName"]) == Some(node));
            Ok((!is_own).then(|| unrelated(node)))
        }
        _ => Ok(None),
    }
}

fn unrelated(node: &str) -> String {
    format!("no relationship found between node '{node}' and this object")
}

/// Whether it is about what bears the node's own name, or makes it (admission looks at that).
fn is_own(node: &str, asked: &Attributes<'_>) -> bool {
    asked.name == node || (asked.verb == "create" && asked.name.is_empty())
}

fn own_node(node: &str, asked: &Attributes<'_>) -> Option<String> {
    let name = asked.name;
    match asked.verb {
        "get" | "list" | "watch" if name.is_empty() => {
            Some(format!("node '{node}' cannot read all nodes, only its own Node object"))
        }
        "get" | "list" | "watch" if name != node => {
            Some(format!("node '{node}' cannot read '{name}', only its own Node object"))
        }
        // What it writes is admission's affair, too.
        _ => None,
    }
}

fn selects(fields: &str, field: &str, value: &str) -> bool {
    FieldSelector::parse(fields).is_ok_and(|fields| fields.exact(field) == Some(value))
}

/// What only those nodes may have that need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Secret,
    ConfigMap,
    Claim,
    Volume,
    Account,
    ResourceClaim,
    Attachment,
}

impl Kept {
    /// What cannot be allowed, whatever runs where.
    fn refuses(self, asked: &Attributes<'_>) -> Option<String> {
        let verbs: &[&str] = match (self, asked.subresource) {
            (Self::Secret | Self::ConfigMap, "") => &["get", "list", "watch"],
            (Self::Claim, "status") => &["get", "update", "patch"],
            (Self::Account, "token") => &["create"],
            (Self::Account, _) => &[],
            (_, "") => &["get"],
            _ => &[],
        };
        if !verbs.contains(&asked.verb) {
            return Some(match verbs {
                [] => "cannot access this subresource".to_owned(),
                ["get", "list", "watch"] => "can only read resources of this type".to_owned(),
                _ => format!("can only {} resources of this type", verbs.join(", ")),
            });
        }
        asked.name.is_empty().then(|| "can only read an object of this type by its name".to_owned())
    }
}

/// A walk from a node to what its pods refer to.
#[derive(Clone, Copy)]
struct Walk<'a> {
    api: &'a Api,
    node: &'a str,
    at: ListAt,
}

impl Walk<'_> {
    async fn reaches(self, kept: Kept, namespace: &str, name: &str) -> Result<bool, Status> {
        let pods = |namespace: String| async move { self.pods(&namespace).await };
        let home = namespace.to_owned();
        Ok(match kept {
            Kept::Secret => {
                let own = pods(home).await?;
                own.iter().any(|pod| references::secrets(pod).contains(name))
                    || self.by_volume(namespace, name).await?
            }
            Kept::ConfigMap => {
                pods(home).await?.iter().any(|pod| references::config_maps(pod).contains(name))
            }
            Kept::Claim => {
                pods(home).await?.iter().any(|pod| references::claims(pod).contains(name))
            }
            Kept::ResourceClaim => {
                pods(home).await?.iter().any(|pod| references::resource_claims(pod).contains(name))
            }
            Kept::Account => pods(home)
                .await?
                .iter()
                .any(|pod| object::text(pod, &["spec", "serviceAccountName"]) == Some(name)),
            Kept::Volume => match self.one(("", "persistentvolumes"), "", name).await? {
                None => false,
                Some(volume) => {
                    let of = |field| {
                        object::text(&volume, &["spec", "claimRef", field]).unwrap_or_default()
                    };
                    let (namespace, claim) = (of("namespace"), of("name"));
                    !namespace.is_empty()
                        && pods(namespace.to_owned())
                            .await?
                            .iter()
                            .any(|pod| references::claims(pod).contains(claim))
                }
            },
            Kept::Attachment => {
                let found = self.one(("storage.k8s.io", "volumeattachments"), "", name).await?;
                found.is_some_and(|it| object::text(&it, &["spec", "nodeName"]) == Some(self.node))
            }
        })
    }

    /// Whether a volume that a pod on the node uses names a secret.
    async fn by_volume(self, namespace: &str, name: &str) -> Result<bool, Status> {
        for pod in self.pods("").await? {
            let home = object::namespace(&pod);
            for claim in references::claims(&pod) {
                let claim = self.one(("", "persistentvolumeclaims"), home, &claim).await?;
                let volume =
                    claim.as_ref().and_then(|it| object::text(it, &["spec", "volumeName"]));
                let Some(volume) = volume.filter(|volume| !volume.is_empty()) else { continue };
                let Some(volume) = self.one(("", "persistentvolumes"), "", volume).await? else {
                    continue;
                };
                // The volume has to be bound to that claim, not only the claim to the volume.
                let bound = |field| object::text(&volume, &["spec", "claimRef", field]);
                let is_bound = bound("namespace") == Some(home)
                    && bound("name") == claim.as_ref().map(object::name);
                if is_bound && references::secrets_of_volume(&volume).contains(&(namespace, name)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn has_pod(self, namespace: &str, name: &str) -> Result<bool, Status> {
        let pod = self.one(("", "pods"), namespace, name).await?;
        Ok(pod.is_some_and(|pod| object::text(&pod, &["spec", "nodeName"]) == Some(self.node)))
    }

    /// The pods on the node, those that only stand in for its own excepted: whoever makes them could
    /// say anything.
    async fn pods(self, namespace: &str) -> Result<Vec<Value>, Status> {
        let rows = self.api.table.rows();
        let Some(entry) = rows.find("", "v1", "pods") else { return Ok(Vec::new()) };
        let cache = entry.shelf.cache();
        let found =
            cache.list(&entry.shelf.span(namespace), self.at).await.map_err(store_status)?;
        let is_here = |object: &crate::stored::Stored| {
            object.selectable(&entry.row).field("spec.nodeName") == Some(self.node)
        };
        let here = found.items.iter().filter(|item| is_here(&item.object));
        let pods = entry.open_all(here.map(|item| (&item.object, item.kv.modified)))?;
        Ok(pods.into_iter().filter(|pod| object::text(pod, &MIRROR).is_none()).collect())
    }

    async fn one(
        self,
        (group, plural): (&str, &str),
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, Status> {
        let rows = self.api.table.rows();
        let Some(entry) = rows.find_any(group, plural) else { return Ok(None) };
        let key = entry.shelf.key(namespace, name);
        let found = entry.shelf.cache().get(&key, self.at).await.map_err(store_status)?;
        found.map(|item| entry.open(&item.object, item.kv.modified)).transpose()
    }
}

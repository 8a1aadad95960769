//! What kinds of objects there are: names, scope, verbs, subresources. One row of discovery.

use std::borrow::Cow;

mod entry;
mod table;

pub(crate) use table::package;
pub use table::{find, groups, preferred_version, resources};

/// Text of the table (built in) or of a CustomResourceDefinition.
pub type Text = Cow<'static, str>;

/// Where objects of a resource live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In namespaces.
    Namespaced,
    /// In the cluster.
    Cluster,
}

/// A resource of one group and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// API group; empty for core.
    pub group: Text,
    /// Version, such as `v1`.
    pub version: Text,
    /// Kind, such as `Deployment`.
    pub kind: Text,
    /// Kind of a list of them, such as `DeploymentList`.
    pub list_kind: Text,
    /// Name in paths, such as `deployments`.
    pub plural: Text,
    /// Name of one, such as `deployment`.
    pub singular: Text,
    /// Short names, such as `deploy`.
    pub short: Vec<Text>,
    /// Categories, such as `all`.
    pub categories: Vec<Text>,
    /// Where its objects live.
    pub scope: Scope,
    /// Verbs of the resource itself, as discovery lists them.
    pub verbs: Vec<Text>,
    /// What is below an object, such as `status`.
    pub subresources: Vec<Subresource>,
    /// Name of its type in the tables, such as `io.k8s.api.apps.v1.Deployment`; empty for a custom one.
    pub type_name: Text,
}

/// Something below an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subresource {
    /// Name in paths, such as `scale`.
    pub name: Text,
    /// Group, version and kind of what is sent, where they are not the object's (`autoscaling`, `v1`, `Scale`).
    pub group: Text,
    /// See there.
    pub version: Text,
    /// See there.
    pub kind: Text,
    /// Its verbs.
    pub verbs: Vec<Text>,
}

impl Resource {
    /// `apps/v1`, or `v1` for core.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `deployments.apps`, as messages name it; `pods` for core.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_string()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// Where its objects are kept: `/registry/<this>/[<namespace>/]<name>`, as etcd's tools expect it.
    /// Versions of a resource share it, and so do the two groups of events. Empty for what is only
    /// asked and never kept.
    pub fn storage(&self) -> Text {
        if !self.verbs.iter().any(|verb| verb == "list") || self.kind == "ComponentStatus" {
            return Text::Borrowed("");
        }
        let group = &*self.group;
        let own = self.type_name.is_empty()
            || matches!(group, "apiextensions.k8s.io" | "apiregistration.k8s.io");
        match (group, &*self.plural) {
            ("", "services") => "services/specs".into(),
            ("", "endpoints") => "services/endpoints".into(),
            ("", "nodes") => "minions".into(),
            ("", "replicationcontrollers") => "controllers".into(),
            ("networking.k8s.io", "ingresses") => "ingress".into(),
            (_, plural) if own => format!("{group}/{plural}").into(),
            _ => self.plural.clone(),
        }
    }

    /// The subresource of this name.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|sub| sub.name == name)
    }

    /// Whether discovery lists this verb for it.
    pub fn has_verb(&self, verb: &str) -> bool {
        self.verbs.iter().any(|each| each == verb)
    }

    /// Whether its objects live in namespaces.
    pub fn is_namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }
}

#[cfg(test)]
mod tests;

//! The built-in rows.

use std::borrow::Cow;
use std::sync::Arc;
use teu_api::row::{Plain, WithStatus};
use teu_api::{Row, Rules};
use teu_kubernetes::{Resource, Schema, Scope, Subresource};

const VERBS: [&str; 8] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// All of them.
pub fn builtin() -> Vec<Row> {
    use Scope::{Cluster, Namespaced};
    let table: [(&str, &str, &str, &str, &str, Scope, bool); 9] = [
        ("", "v1", "ConfigMap", "configmaps", "cm", Namespaced, false),
        ("", "v1", "Secret", "secrets", "", Namespaced, false),
        ("", "v1", "Namespace", "namespaces", "ns", Cluster, true),
        ("", "v1", "Pod", "pods", "po", Namespaced, true),
        ("", "v1", "Service", "services", "svc", Namespaced, true),
        ("", "v1", "Node", "nodes", "no", Cluster, true),
        ("", "v1", "Event", "events", "ev", Namespaced, false),
        ("apps", "v1", "Deployment", "deployments", "deploy", Namespaced, true),
        ("coordination.k8s.io", "v1", "Lease", "leases", "", Namespaced, false),
    ];
    table
        .into_iter()
        .map(|(group, version, kind, plural, short, scope, has_status)| {
            let text = |text: &'static str| Cow::Borrowed(text);
            let mut subresources = Vec::new();
            let mut below = |name: &'static str, verbs: &[&'static str]| {
                subresources.push(Subresource {
                    name: text(name),
                    group: text(""),
                    version: text(""),
                    kind: text(""),
                    verbs: verbs.iter().map(|verb| text(verb)).collect(),
                });
            };
            if has_status {
                below("status", &["get", "patch", "update"]);
            }
            if kind == "Namespace" {
                below("finalize", &["update"]);
            }
            let rules: Arc<dyn Rules> =
                if has_status { Arc::new(WithStatus) } else { Arc::new(Plain) };
            let resource = Resource {
                group: text(group),
                version: text(version),
                kind: text(kind),
                plural: text(plural),
                singular: kind.to_lowercase().into(),
                short: if short.is_empty() { Vec::new() } else { vec![text(short)] },
                categories: Vec::new(),
                scope,
                verbs: VERBS.map(text).to_vec(),
                subresources,
                type_name: text(""),
            };
            Row { resource, schema: Arc::new(Schema::any()), rules, storage: text(plural) }
        })
        .collect()
}

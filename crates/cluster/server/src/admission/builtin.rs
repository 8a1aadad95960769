//! What is built in: priority, accounts, limits and classes of new objects; pod security; what a
//! node may touch.

use super::Subject;
use crate::api::{Api, Call, store_status};
use crate::follow;
use crate::id;
use serde_json::{Map, Value, json};
use std::time::Duration;
use teu_api::admission::security::{Standard, Standards, is_significant, violation};
use teu_api::admission::{
    Operation, classes, limits, node, priority, resize, runtime_class, security, service_account,
    topology, trouble,
};
use teu_api::{Status, object};
use teu_store::Span;
use teu_store::cache::{CacheMessage, ListAt, WatchFrom};

/// Namespaces that a cluster cannot do without.
const LASTING: [&str; 3] = ["default", "kube-public", "kube-system"];
/// For a new namespace's own account.
const ACCOUNT_WAIT: Duration = Duration::from_secs(1);

impl Api {
    /// Fills in what a new object does not say and others decide.
    pub(super) async fn fill(&self, subject: &Subject<'_>, new: &mut Value) -> Result<(), Status> {
        let call = subject.call;
        if subject.operation != Operation::Create || !call.subresource.is_empty() {
            return Ok(());
        }
        let forbidden = |why: String| call.forbidden(&why);
        match (call.entry.group(), call.entry.plural()) {
            ("", "pods") => {
                let all =
                    self.all(&call.rows, ("scheduling.k8s.io", "priorityclasses"), "").await?;
                priority::resolve(new, &all).map_err(forbidden)?;
                trouble::fill_pod(new);
                self.fill_account(subject, new).await?;
                let ranges = self.all(&call.rows, ("", "limitranges"), &call.namespace).await?;
                limits::fill_pod(new, &ranges);
                let class = self.runtime_class(subject, new).await?;
                runtime_class::fill(new, class.as_ref()).map_err(forbidden)?;
                if let Some(node) = topology::node_of(new) {
                    let labels = self.topology(call, node).await?;
                    topology::fill(new, labels);
                }
            }
            ("", "nodes") => trouble::fill_node(new),
            ("", "persistentvolumes") => keep_while_used(new, "kubernetes.io/pv-protection"),
            ("", "persistentvolumeclaims") => {
                keep_while_used(new, "kubernetes.io/pvc-protection");
                let all = self.all(&call.rows, ("storage.k8s.io", "storageclasses"), "").await?;
                classes::fill_claim(new, &all);
            }
            ("networking.k8s.io", "ingresses") => {
                let all = self.all(&call.rows, ("networking.k8s.io", "ingressclasses"), "").await?;
                classes::fill_ingress(new, &all).map_err(forbidden)?;
            }
            ("certificates.k8s.io", "certificatesigningrequests") => {
                // Who asks is for the server to say, not for who asks.
                let asks = crate::auth::reviews::user_value(&call.user);
                let spec = object::child_mut(new, "spec");
                for field in ["username", "uid", "groups", "extra"] {
                    match asks.get(field) {
                        Some(value) => drop(spec.insert(field.to_owned(), value.clone())),
                        None => drop(spec.shift_remove(field)),
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The labels that a pod gets of its node: none of one that is not there.
    pub async fn topology(&self, call: &Call, node: &str) -> Result<Map<String, Value>, Status> {
        let node = self.one(&call.rows, ("", "nodes"), "", node).await?;
        Ok(node.as_ref().map(topology::labels_of).unwrap_or_default())
    }

    /// Whether what is there may become larger.
    async fn check_growth(
        &self,
        subject: &Subject<'_>,
        new: &Value,
        old: &Value,
    ) -> Result<(), Status> {
        let call = subject.call;
        let found = match (call.entry.group(), call.entry.plural(), &*call.subresource) {
            ("", "persistentvolumeclaims", "") => {
                let classes =
                    self.all(&call.rows, ("storage.k8s.io", "storageclasses"), "").await?;
                resize::check_claim(new, old, &classes)
            }
            ("", "pods", "resize") => match resize::node_of(new, old) {
                Some(name) => match self.one(&call.rows, ("", "nodes"), "", name).await? {
                    Some(node) => resize::check_pod(new, &node),
                    None => Err(format!("node {name:?} not found")),
                },
                None => Ok(()),
            },
            _ => Ok(()),
        };
        found.map_err(|why| call.forbidden(&why))
    }

    /// The runtime class that a pod names.
    async fn runtime_class(
        &self,
        subject: &Subject<'_>,
        pod: &Value,
    ) -> Result<Option<Value>, Status> {
        let Some(name) = runtime_class::named(pod) else { return Ok(None) };
        self.one(&subject.call.rows, ("node.k8s.io", "runtimeclasses"), "", name).await
    }

    async fn fill_account(&self, subject: &Subject<'_>, pod: &mut Value) -> Result<(), Status> {
        let call = subject.call;
        service_account::check_mirror(pod).map_err(|why| call.forbidden(&why))?;
        if !service_account::needs_account(pod) {
            return Ok(());
        }
        let name = service_account::name_of(pod).to_owned();
        let Some(account) = self.account(call, &name).await? else {
            let namespace = &call.namespace;
            let why = format!(
                "error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found"
            );
            return Err(call.forbidden(&why));
        };
        let suffix = id::generated_name("");
        service_account::fill(pod, &account, &suffix);
        service_account::check_mountable(pod, &account).map_err(|why| call.forbidden(&why))
    }

    /// An account; a namespace's own may come a moment after the namespace.
    async fn account(&self, call: &Call, name: &str) -> Result<Option<Value>, Status> {
        let found = self.one(&call.rows, ("", "serviceaccounts"), &call.namespace, name).await?;
        if found.is_some() || name != "default" {
            return Ok(found);
        }
        let Some(entry) = call.rows.find("", "v1", "serviceaccounts") else { return Ok(None) };
        let span = Span::key(entry.shelf.key(&call.namespace, name));
        let from = WatchFrom::Initial(ListAt::Any);
        let mut changes =
            entry.shelf.cache().watch(span, from, false).await.map_err(store_status)?;
        let comes = async {
            loop {
                match changes.next().await.map_err(store_status)? {
                    CacheMessage::Initial(_) | CacheMessage::Event(_) => return Ok(()),
                    _ => {}
                }
            }
        };
        match tokio::time::timeout(ACCOUNT_WAIT, comes).await {
            Ok(come) => come?,
            Err(_) => return Ok(None),
        }
        self.one(&call.rows, ("", "serviceaccounts"), &call.namespace, name).await
    }

    /// Judges by what is built in. Answers warnings.
    pub(super) async fn check(
        &self,
        subject: &Subject<'_>,
        new: Option<&Value>,
    ) -> Result<Vec<String>, Status> {
        let call = subject.call;
        node::check(&subject.request(new))?;
        self.check_node(subject, new).await?;
        if subject.operation == Operation::Delete
            && crate::verbs::delete::is_namespace(call)
            && LASTING.contains(&&*call.name)
        {
            return Err(call.forbidden("this namespace may not be deleted"));
        }
        let Some(new) = new else { return Ok(Vec::new()) };
        self.check_signers(subject, new).await?;
        if let Some(old) = subject.old {
            self.check_growth(subject, new, old).await?;
        }
        match (call.entry.group(), call.entry.plural(), &*call.subresource) {
            ("", "namespaces", "") => {
                let faults = security::label_faults(new);
                return if faults.is_empty() { Ok(Vec::new()) } else { Err(call.invalid(faults)) };
            }
            ("", "pods", "" | "ephemeralcontainers" | "resize") => {
                if subject.operation == Operation::Create {
                    self.check_limits(subject, new, limits::check_pod).await?;
                    let class = self.runtime_class(subject, new).await?;
                    let found = runtime_class::check(new, class.as_ref());
                    found.map_err(|why| call.forbidden(&why))?;
                }
                return secure_pod(subject, new);
            }
            ("", "persistentvolumeclaims", "") => {
                self.check_limits(subject, new, limits::check_claim).await?;
            }
            ("scheduling.k8s.io", "priorityclasses", "") if new["globalDefault"] == true => {
                // As they stand, or two that come one after the other would not know of each other.
                let kind = ("scheduling.k8s.io", "priorityclasses");
                let all = follow::all(self, kind, ListAt::Consistent).await?;
                priority::check_class(new, &all).map_err(|why| call.forbidden(&why))?;
            }
            // What makes pods is warned of, and its pods are refused later.
            (_, _, "") => {
                if let (Some(namespace), Some(template)) =
                    (&subject.namespace, object::at(new, &["spec", "template"]))
                    && template.pointer("/spec/containers").is_some()
                {
                    let standard = Standards::of(namespace).warn;
                    return Ok(violates(&standard, template).into_iter().collect());
                }
            }
            _ => {}
        }
        Ok(Vec::new())
    }

    async fn check_limits(
        &self,
        subject: &Subject<'_>,
        new: &Value,
        check: fn(&Value, &[Value]) -> Vec<String>,
    ) -> Result<(), Status> {
        let call = subject.call;
        let ranges = self.all(&call.rows, ("", "limitranges"), &call.namespace).await?;
        let faults = check(new, &ranges);
        match faults.as_slice() {
            [] => Ok(()),
            [one] => Err(call.forbidden(one)),
            many => Err(call.forbidden(&format!("[{}]", many.join(", ")))),
        }
    }
}

/// A finalizer that a controller takes away when nothing uses the object any more.
fn keep_while_used(new: &mut Value, finalizer: &str) {
    let list = object::metadata_mut(new).entry("finalizers").or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut()
        && !list.iter().any(|name| name == finalizer)
    {
        list.push(finalizer.into());
    }
}

/// Refuses a pod that its namespace's standard does not allow, or warns.
fn secure_pod(subject: &Subject<'_>, pod: &Value) -> Result<Vec<String>, Status> {
    let Some(namespace) = &subject.namespace else { return Ok(Vec::new()) };
    if subject.old.is_some_and(|old| !is_significant(pod, old)) {
        return Ok(Vec::new());
    }
    let standards = Standards::of(namespace);
    if let Some(why) = violates(&standards.enforce, pod) {
        return Err(subject.call.forbidden(&why));
    }
    let warning =
        violates(&standards.warn, pod).map(|why| why.replacen("violates", "would violate", 1));
    Ok(warning.into_iter().collect())
}

/// How a pod, or a template of pods, violates a standard.
fn violates(standard: &Standard, pod: &Value) -> Option<String> {
    let nothing = Value::Null;
    let part = |name: &str| pod.get(name).unwrap_or(&nothing);
    violation(standard, part("metadata"), part("spec"))
}

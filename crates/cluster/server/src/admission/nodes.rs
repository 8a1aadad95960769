//! What a node may do, as far as other objects have to be looked at for it: the tokens of its pods'
//! accounts, evictions, its own UID, certificates of its own name. The rest is
//! [`teu_api::admission::node`]'s.

use super::Subject;
use crate::api::{Api, Call};
use crate::auth::node::node_of;
use crate::auth::{Attributes, Decision};
use crate::certificates;
use serde_json::Value;
use teu_api::admission::{Operation, references};
use teu_api::{Status, object};

impl Api {
    /// Judges a write of an object.
    pub(super) async fn check_node(
        &self,
        subject: &Subject<'_>,
        new: Option<&Value>,
    ) -> Result<(), Status> {
        let call = subject.call;
        let Some(node) = node_of(&call.user) else { return Ok(()) };
        let Some(new) = new.filter(|_| subject.operation == Operation::Create) else {
            return Ok(());
        };
        match (call.entry.group(), call.entry.plural(), &*call.subresource) {
            ("", "pods", "") => {
                let owners = object::at(new, &["metadata", "ownerReferences"]);
                let said = owners.and_then(|owners| object::text(owners.get(0)?, &["uid"]));
                let own = self.one(&call.rows, ("", "nodes"), "", node).await?;
                let own = own.ok_or_else(|| call.forbidden(&format!("node {node:?} not found")))?;
                let (own, said) = (object::uid(&own), said.unwrap_or_default());
                match own == said {
                    true => Ok(()),
                    false => Err(call.forbidden(&format!(
                        "node {node} UID mismatch: expected {own} got {said}"
                    ))),
                }
            }
            ("certificates.k8s.io", "certificatesigningrequests", "") => {
                let signer = object::text(new, &["spec", "signerName"]).unwrap_or_default();
                if ![certificates::NODE_CLIENT, certificates::NODE_SERVER].contains(&signer) {
                    return Ok(());
                }
                let asked = certificates::parse(new).map_err(|why| call.forbidden(&why))?;
                match asked.subject.common_name.as_deref() == Some(&call.user.name) {
                    true => Ok(()),
                    false => Err(call.forbidden(&format!(
                        "can only create a node CSR with CN={}",
                        call.user.name
                    ))),
                }
            }
            _ => Ok(()),
        }
    }

    /// Judges what is asked of a part that is only made: a token, an eviction.
    pub async fn check_node_part(&self, call: &Call, sent: &Value) -> Result<(), Status> {
        let Some(node) = node_of(&call.user) else { return Ok(()) };
        let forbid = |why: &str| Err(call.forbidden(why));
        let runs_here =
            |pod: &Value| object::text(pod, &["spec", "nodeName"]).is_some_and(|it| it == node);
        match (call.entry.plural(), &*call.subresource) {
            ("pods", "eviction") => {
                let pod = self.one(&call.rows, ("", "pods"), &call.namespace, &call.name).await?;
                match pod.is_none_or(|pod| runs_here(&pod)) {
                    true => Ok(()),
                    false => forbid(&format!(
                        "node {node:?} can only evict pods with spec.nodeName set to itself"
                    )),
                }
            }
            ("serviceaccounts", "token") => {
                let text = |way: &[&str]| object::text(sent, way).unwrap_or_default();
                let bound = |field| text(&["spec", "boundObjectRef", field]);
                if bound("kind") != "Pod" || bound("apiVersion") != "v1" {
                    return forbid("node requested token not bound to a pod");
                }
                if bound("name").is_empty() || bound("uid").is_empty() {
                    return forbid("node requested token with a pod binding without a uid");
                }
                let pod =
                    self.one(&call.rows, ("", "pods"), &call.namespace, bound("name")).await?;
                let pod = pod.ok_or_else(|| Status::not_found("", "pods", bound("name")))?;
                if object::uid(&pod) != bound("uid") {
                    return forbid("node requested token bound to a different pod of that name");
                }
                if !runs_here(&pod) {
                    return forbid(
                        "node requested token bound to a pod scheduled on a different node",
                    );
                }
                self.check_audience(call, &pod, sent).await
            }
            _ => Ok(()),
        }
    }

    /// A node asks for no audience that nothing of the pod's needs.
    async fn check_audience(&self, call: &Call, pod: &Value, sent: &Value) -> Result<(), Status> {
        let wanted = object::at(sent, &["spec", "audiences"]).and_then(Value::as_array);
        let wanted: Vec<&str> = wanted.into_iter().flatten().filter_map(Value::as_str).collect();
        let own = references::audiences(pod);
        for audience in wanted {
            if own.contains(audience)
                || (audience == crate::auth::accounts::ISSUER && own.contains(""))
                || self.is_drivers(call, audience).await?
                || self.may_any(call, audience).await
            {
                continue;
            }
            let why = format!("audience {audience:?} not found in pod spec volume");
            return Err(call.forbidden(&why));
        }
        Ok(())
    }

    /// Whether a driver of volumes has asked for tokens of this audience.
    async fn is_drivers(&self, call: &Call, audience: &str) -> Result<bool, Status> {
        let drivers = self.all(&call.rows, ("storage.k8s.io", "csidrivers"), "").await?;
        Ok(drivers.iter().any(|driver| {
            let asks = object::at(driver, &["spec", "tokenRequests"]).and_then(Value::as_array);
            asks.into_iter().flatten().any(|ask| object::text(ask, &["audience"]) == Some(audience))
        }))
    }

    /// Whether roles let the node ask for the audience.
    async fn may_any(&self, call: &Call, audience: &str) -> bool {
        let attributes = Attributes {
            user: &call.user,
            verb: "request-serviceaccounts-token-audience",
            path: "",
            group: "",
            version: "v1",
            resource: audience,
            subresource: "",
            namespace: &call.namespace,
            name: &call.name,
            fields: "",
        };
        matches!(self.authorizer.authorize(self, &attributes).await, Decision::Allow(_))
    }
}

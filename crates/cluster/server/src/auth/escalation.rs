//! Whoever writes a role must have what it allows (or the verb `escalate` on it); whoever binds one,
//! too (or the verb `bind` on the role).

use super::{Attributes, Decision};
use crate::api::{Api, Call};
use crate::audit::Notes;
use serde_json::Value;
use teu_api::rbac::{GROUP, Rule, describe, uncovered};
use teu_api::{Status, object};

impl Api {
    /// Refuses a role or binding that gives away more than its writer has.
    pub async fn check_escalation(&self, call: &Call, new: &Value) -> Result<(), Status> {
        let Some(rbac) = self.authorizer.as_rbac() else { return Ok(()) };
        if call.entry.group() != GROUP || call.user.is_in(super::user::MASTERS) {
            return Ok(());
        }
        let plural = call.entry.plural();
        let is_role = matches!(plural, "roles" | "clusterroles");
        let (verb, resource, name, rules) = if is_role {
            ("escalate", plural, call.name.as_str(), Rule::all(new))
        } else {
            let kind = object::text(new, &["roleRef", "kind"]).unwrap_or_default();
            let name = object::text(new, &["roleRef", "name"]).unwrap_or_default();
            let found = rbac.rules_of_role(self, kind, (&call.namespace, name)).await?;
            let resource = if kind == "ClusterRole" { "clusterroles" } else { "roles" };
            let rules = found.ok_or_else(|| Status::not_found(GROUP, resource, name));
            // Nobody knows what a role that is not there will allow.
            match self.may(call, "bind", resource, name).await {
                true => return Ok(()),
                false => ("bind", resource, name, rules?),
            }
        };
        if is_role && self.may(call, verb, resource, name).await {
            return Ok(());
        }
        // A cluster role that is made of others has all that they have.
        if is_role && new.get("aggregationRule").is_some_and(|rule| !rule.is_null()) {
            let why = "must have cluster-admin privileges to use an aggregationRule";
            let all = rbac.rules_of(self, &call.user, "").await?;
            let any = || vec!["*".into()];
            let everything = [
                Rule { verbs: any(), groups: any(), resources: any(), ..Rule::default() },
                Rule { verbs: any(), paths: any(), ..Rule::default() },
            ];
            if !uncovered(&all, &everything).is_empty() {
                return Err(call.forbidden(why));
            }
        }
        let owned = rbac.rules_of(self, &call.user, &call.namespace).await?;
        let missing = uncovered(&owned, &rules);
        if missing.is_empty() {
            return Ok(());
        }
        let groups: Vec<String> = call.user.groups.iter().map(|name| format!("{name:?}")).collect();
        let why = format!(
            "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
            call.user.name,
            groups.join(" "),
            describe(&missing)
        );
        Err(call.forbidden(&why))
    }

    async fn may(&self, call: &Call, verb: &str, resource: &str, name: &str) -> bool {
        let attributes = Attributes {
            user: &call.user,
            verb,
            path: "",
            group: GROUP,
            version: "v1",
            resource,
            subresource: "",
            namespace: &call.namespace,
            name,
            fields: "",
        };
        matches!(self.authorizer.authorize(self, &attributes).await, Decision::Allow(_))
    }

    /// Refuses to make what is not there for somebody who may only change what is: a replacement or
    /// an applied configuration that makes its object is a create.
    pub async fn demand_create(&self, call: &Call) -> Result<(), Status> {
        let attributes = Attributes {
            user: &call.user,
            verb: "create",
            path: "",
            group: call.entry.group(),
            version: &call.entry.row.resource.version,
            resource: call.entry.plural(),
            subresource: &call.subresource,
            namespace: &call.namespace,
            name: &call.name,
            fields: "",
        };
        self.demand(&attributes).await
    }

    /// Refuses what somebody may not do.
    pub async fn demand(&self, attributes: &Attributes<'_>) -> Result<(), Status> {
        self.demand_noted(attributes, None).await
    }

    /// The same, and notes the decision for the audit log.
    pub async fn demand_noted(
        &self,
        attributes: &Attributes<'_>,
        notes: Option<&Notes>,
    ) -> Result<(), Status> {
        let decision = self.authorizer.authorize(self, attributes).await;
        if let Some(notes) = notes {
            match &decision {
                Decision::Allow(why) => notes.decision("allow", why),
                Decision::Deny(why) => notes.decision("forbid", why),
            }
        }
        match decision {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(why) => Err(attributes.refusal(&why)),
        }
    }
}

//! Policies in CEL: each with its bindings, each binding with its parameters.

use super::Subject;
use super::webhooks::fitted;
use crate::api::Api;
use serde_json::Value;
use std::sync::Arc;
use teu_api::admission::matching::matches_constraints;
use teu_api::admission::mutation::Mutator;
use teu_api::admission::policy::{Around, Policy};
use teu_api::kinds::labels;
use teu_api::{Status, object};

/// The group of policies.
const GROUP: &str = "admissionregistration.k8s.io";

/// A policy with one of its bindings that is about a request.
struct Bound<T> {
    policy: Arc<T>,
    binding: Value,
    /// What its expressions call `params`; once for each object that the binding refers to.
    params: Vec<Option<Value>>,
}

impl Api {
    /// Has policies judge an object.
    pub(super) async fn judge_by_policies(
        &self,
        subject: &Subject<'_>,
        object: Option<&Value>,
        warnings: &mut Vec<String>,
    ) -> Result<(), Status> {
        let kinds = ["validatingadmissionpolicies", "validatingadmissionpolicybindings"];
        let read = |policy: &Value| {
            self.policies.get(object::name(policy), version(policy), || Policy::read(policy))
        };
        for bound in self.bound(subject, object, kinds, read).await? {
            for params in &bound.params {
                let around =
                    Around { params: params.as_ref(), namespace: subject.namespace.as_ref() };
                let verdict = bound.policy.judge(&bound.binding, &subject.request(object), around);
                warnings.extend(verdict.warnings);
                if let Some(status) = verdict.denied {
                    return Err(status);
                }
            }
        }
        Ok(())
    }

    /// Has policies change an object.
    pub(super) async fn mutate_by_policies(
        &self,
        subject: &Subject<'_>,
        object: &mut Value,
    ) -> Result<(), Status> {
        let kinds = ["mutatingadmissionpolicies", "mutatingadmissionpolicybindings"];
        let read = |policy: &Value| {
            self.mutators.get(object::name(policy), version(policy), || Mutator::read(policy))
        };
        for bound in self.bound(subject, Some(object), kinds, read).await? {
            for params in &bound.params {
                let around =
                    Around { params: params.as_ref(), namespace: subject.namespace.as_ref() };
                let request = subject.request(Some(object));
                if let Some(changed) = bound.policy.mutate(&bound.binding, &request, around)? {
                    *object = fitted(subject, changed)?;
                }
            }
        }
        Ok(())
    }

    /// Policies with the bindings that are about a request.
    async fn bound<T>(
        &self,
        subject: &Subject<'_>,
        object: Option<&Value>,
        [policies, bindings]: [&str; 2],
        read: impl Fn(&Value) -> Arc<T>,
    ) -> Result<Vec<Bound<T>>, Status> {
        let rows = &subject.call.rows;
        let bindings = self.all(rows, (GROUP, bindings), "").await?;
        if bindings.is_empty() {
            return Ok(Vec::new());
        }
        let policies = self.all(rows, (GROUP, policies), "").await?;
        let mut found = Vec::new();
        for binding in bindings {
            let named = binding["spec"]["policyName"].as_str().unwrap_or_default();
            let Some(policy) = policies.iter().find(|policy| object::name(policy) == named) else {
                continue;
            };
            let (request, namespace) = (subject.request(object), subject.namespace.as_ref());
            let takes = |constraints: &Value| matches_constraints(constraints, &request, namespace);
            if !takes(&policy["spec"]["matchConstraints"])
                || !takes(&binding["spec"]["matchResources"])
            {
                continue;
            }
            let params = self.params(subject, policy, &binding).await?;
            found.push(Bound { policy: read(policy), binding, params });
        }
        Ok(found)
    }

    /// The objects that a binding's `paramRef` means.
    async fn params(
        &self,
        subject: &Subject<'_>,
        policy: &Value,
        binding: &Value,
    ) -> Result<Vec<Option<Value>>, Status> {
        let (kind, reference) = (&policy["spec"]["paramKind"], &binding["spec"]["paramRef"]);
        if !kind.is_object() || !reference.is_object() {
            return Ok(vec![None]);
        }
        let call = subject.call;
        let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let api_version = text(kind, "apiVersion");
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", &api_version));
        let refuse = |why: String| match policy["spec"]["failurePolicy"] == "Ignore" {
            true => Ok(Vec::new()),
            false => Err(call.forbidden(&format!("failed to configure binding: {why}"))),
        };
        let Some(entry) = call.rows.find_kind(group, version, &text(kind, "kind")) else {
            return refuse(format!("no params found for {api_version} {}", text(kind, "kind")));
        };
        let namespace = match text(reference, "namespace") {
            _ if !entry.row.resource.is_namespaced() => String::new(),
            said if said.is_empty() => subject.request(None).namespace.to_owned(),
            said => said,
        };
        // Those of all namespaces are nobody's in particular: anybody could add one.
        if entry.row.resource.is_namespaced() && namespace.is_empty() {
            let why = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources";
            return refuse(why.to_owned());
        }
        let place = (entry.group(), entry.plural());
        let name = text(reference, "name");
        let found: Vec<Value> = if name.is_empty() {
            let all = self.all(&call.rows, place, &namespace).await?;
            let nothing = Value::Null;
            let is_meant = |object: &Value| {
                let own = object::at(object, &["metadata", "labels"]).unwrap_or(&nothing);
                labels::selects(&reference["selector"], own)
            };
            all.into_iter().filter(is_meant).collect()
        } else {
            self.one(&call.rows, place, &namespace, &name).await?.into_iter().collect()
        };
        match found.is_empty() {
            false => Ok(found.into_iter().map(Some).collect()),
            true if reference["parameterNotFoundAction"] == "Allow" => Ok(Vec::new()),
            true => refuse(
                "no params found for policy binding with `Deny` parameterNotFoundAction".to_owned(),
            ),
        }
    }
}

fn version(object: &Value) -> &str {
    object::text(object, &["metadata", "resourceVersion"]).unwrap_or_default()
}

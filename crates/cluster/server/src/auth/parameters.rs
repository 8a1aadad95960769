//! Who may have a policy read its parameters: whoever names what a policy is given has to be able to read
//! it, or its expressions would tell them what they may not see.

use super::{Attributes, Decision};
use crate::api::{Api, Call};
use serde_json::Value;
use teu_api::{Cause, Status, object};

const GROUP: &str = "admissionregistration.k8s.io";
/// Where a kind is not served, all of them are asked for.
const ANY: &str = "*";

/// What is to be read.
struct Wanted {
    group: String,
    version: String,
    resource: String,
    namespace: String,
    name: String,
}

impl Api {
    /// Refuses a policy or binding that reads more than its writer may.
    pub async fn check_parameters(
        &self,
        call: &Call,
        new: &Value,
        old: Option<&Value>,
    ) -> Result<(), Status> {
        let policies = match call.entry.plural() {
            _ if call.entry.group() != GROUP || !call.subresource.is_empty() => return Ok(()),
            plural @ ("validatingadmissionpolicies" | "mutatingadmissionpolicies") => plural,
            "validatingadmissionpolicybindings" => "validatingadmissionpolicies",
            "mutatingadmissionpolicybindings" => "mutatingadmissionpolicies",
            _ => return Ok(()),
        };
        let is_policy = call.entry.plural() == policies;
        let field = if is_policy { "paramKind" } else { "paramRef" };
        let said = |object: &Value| {
            let spec = object.get("spec").unwrap_or(&Value::Null);
            (spec[field].clone(), spec["policyName"].clone())
        };
        let reference = said(new).0;
        if !reference.is_object() || old.is_some_and(|old| said(old) == said(new)) {
            return Ok(());
        }
        let wanted = if is_policy {
            self.of_kind(call, &reference, [ANY, ANY])
        } else {
            let policy = new["spec"]["policyName"].as_str().unwrap_or_default();
            let policy = self.policy(call, policies, policy).await?.unwrap_or_default();
            let text = |name: &str| reference[name].as_str().unwrap_or_default();
            self.of_kind(call, &policy["spec"]["paramKind"], [text("namespace"), text("name")])
        };
        if self.may_read(call, &wanted).await {
            return Ok(());
        }
        let user = &call.user.name;
        let why = match is_policy {
            true => format!(
                "user {user:?} must have \"get\" permission on all objects of the referenced paramKind (kind={}, apiVersion={})",
                reference["kind"].as_str().unwrap_or_default(),
                reference["apiVersion"].as_str().unwrap_or_default()
            ),
            false => format!(
                "user {user:?} does not have \"get\" permission on the object referenced by paramRef"
            ),
        };
        Err(call.invalid(vec![Cause::forbidden(format!("spec.{field}"), &why)]))
    }

    fn of_kind(&self, call: &Call, kind: &Value, [namespace, name]: [&str; 2]) -> Wanted {
        let any = || ANY.to_owned();
        let mut wanted = Wanted {
            group: any(),
            version: any(),
            resource: any(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        if let Some(api_version) = object::text(kind, &["apiVersion"]) {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            (wanted.group, wanted.version) = (group.to_owned(), version.to_owned());
            let named = object::text(kind, &["kind"]).unwrap_or_default();
            if let Some(entry) = call.rows.find_kind(group, version, named) {
                entry.plural().clone_into(&mut wanted.resource);
            }
        }
        wanted
    }

    async fn policy(&self, call: &Call, plural: &str, name: &str) -> Result<Option<Value>, Status> {
        let Some(entry) = call.rows.find_any(GROUP, plural).cloned() else { return Ok(None) };
        let call = Call { entry, name: name.to_owned(), ..call.clone() };
        let found = self.current(&call).await?;
        found.map(|found| call.entry.open(&found.stored, found.revision)).transpose()
    }

    async fn may_read(&self, call: &Call, wanted: &Wanted) -> bool {
        let attributes = Attributes {
            user: &call.user,
            verb: "get",
            path: "",
            group: &wanted.group,
            version: &wanted.version,
            resource: &wanted.resource,
            subresource: "",
            namespace: &wanted.namespace,
            name: &wanted.name,
            fields: "",
        };
        matches!(self.authorizer.authorize(self, &attributes).await, Decision::Allow(_))
    }
}

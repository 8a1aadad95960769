//! The rules of a custom resource: all that its definition says.

use super::columns::{self, Printer};
use super::node::Node;
use super::path::JsonPath;
use super::{default, validate};
use crate::kinds::meta::{self, Place};
use crate::kinds::name;
use crate::object::{at, child_mut};
use crate::row::{Column, Rules, Target, changed_beside, keep_untouchable};
use crate::status::{Cause, Status};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::Arc;
use teu_kubernetes::Schema;

/// Rules of one version of a custom resource.
#[derive(Debug)]
pub struct Custom {
    pub(super) place: Place,
    pub(super) node: Option<Node>,
    pub(super) schema: Arc<Schema>,
    pub(super) printers: Vec<Printer>,
    pub(super) has_status: bool,
    pub(super) scale: Option<Scale>,
    pub(super) selectable: Vec<&'static str>,
    /// `stable.example.com/v1`.
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) deprecated: Option<String>,
}

/// Where a scale finds its numbers.
#[derive(Debug, Clone)]
pub struct Scale {
    spec: Vec<String>,
    status: Vec<String>,
    selector: Option<Vec<String>>,
}

impl Scale {
    pub(super) fn read(scale: &Value) -> Option<Self> {
        let path = |name: &str| -> Option<Vec<String>> {
            let path = JsonPath::parse(scale.get(name)?.as_str()?)?;
            Some(path.fields()?.into_iter().map(str::to_owned).collect())
        };
        Some(Self {
            spec: path("specReplicasPath")?,
            status: path("statusReplicasPath")?,
            selector: path("labelSelectorPath"),
        })
    }
}

fn follow<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, name| value.get(name))
}

impl Custom {
    fn check(&self, object: &Value, old: Option<&Value>) -> Vec<Cause> {
        let mut causes = match object.get("kind").and_then(Value::as_str) {
            Some(kind) if kind != self.kind => {
                vec![Cause::invalid("kind", &kind.into(), format!("must be {}", self.kind))]
            }
            _ => Vec::new(),
        };
        if let Some(node) = &self.node {
            causes.extend(validate::validate(object, node, ""));
            // Rules presume that the types are right.
            if causes.is_empty() {
                causes.extend(validate::validate_rules(object, old, node, &self.schema));
            }
        }
        causes
    }
}

impl Rules for Custom {
    fn deprecated(&self) -> Option<&str> {
        self.deprecated.as_deref()
    }

    fn default(&self, object: &mut Value) {
        if let Some(node) = &self.node {
            default::fill(object, node);
        }
    }

    fn prepare_update(&self, object: &mut Value, old: &Value, target: Target<'_>) -> bool {
        keep_untouchable(self.has_status, object, old, target);
        if target == Target::Subresource("status") {
            meta::keep_for_part(object, old);
        }
        let besides: &[&str] =
            if self.has_status { &["metadata", "status"] } else { &["metadata"] };
        target == Target::Object && changed_beside(object, old, besides)
    }

    fn validate_create(&self, object: &Value) -> Vec<Cause> {
        let mut causes = meta::faults(object, self.place, name::subdomain_name);
        causes.extend(self.check(object, None));
        causes
    }

    fn validate_update(&self, object: &Value, old: &Value, _target: Target<'_>) -> Vec<Cause> {
        let mut causes = meta::change_faults(object, old);
        let found = self.check(object, Some(old));
        if !found.is_empty() {
            // What was wrong before and has not changed may stay.
            let before = self.check(old, Some(old));
            let is_new =
                |cause: &Cause| !before.contains(cause) || differs_at(object, old, &cause.field);
            causes.extend(found.into_iter().filter(is_new));
        }
        causes
    }

    fn selectable(&self) -> &[&'static str] {
        &self.selectable
    }

    fn field<'a>(&self, object: &'a Value, field: &str) -> Option<Cow<'a, str>> {
        let path = JsonPath::parse(&format!(".{field}"))?;
        Some(match path.find(object).into_iter().next()? {
            Value::String(text) => Cow::Borrowed(text.as_str()),
            Value::Null => Cow::Borrowed(""),
            other => Cow::Owned(other.to_string()),
        })
    }

    fn columns(&self) -> Vec<Column> {
        columns::headings(&self.printers)
    }

    fn cells(&self, object: &Value, now: i64) -> Vec<Value> {
        columns::cells(&self.printers, object, now)
    }

    fn has_status(&self) -> bool {
        self.has_status
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn allows_unconditional_update(&self) -> bool {
        false
    }

    fn read_subresource(&self, object: &Value, name: &str) -> Result<Value, Status> {
        let (Some(scale), "scale") = (&self.scale, name) else {
            return Err(Status::not_found_path(name));
        };
        let Some(replicas) = follow(object, &scale.spec).and_then(Value::as_i64) else {
            return Err(Status::internal(format_args!(
                "the spec replicas field \".{}\" does not exist",
                scale.spec.join(".")
            )));
        };
        let mut metadata = serde_json::Map::new();
        for name in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
            if let Some(value) = at(object, &["metadata", name]) {
                metadata.insert(name.to_owned(), value.clone());
            }
        }
        let mut status =
            json!({"replicas": follow(object, &scale.status).and_then(Value::as_i64).unwrap_or(0)});
        let selector = scale.selector.as_ref().and_then(|path| follow(object, path)?.as_str());
        if let Some(selector) = selector.filter(|selector| !selector.is_empty()) {
            status["selector"] = selector.into();
        }
        Ok(json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
            "spec": {"replicas": replicas}, "status": status,
        }))
    }

    fn write_subresource(
        &self,
        object: &mut Value,
        name: &str,
        sent: &Value,
    ) -> Result<(), Status> {
        let (Some(scale), "scale") = (&self.scale, name) else {
            return Err(Status::not_found_path(name));
        };
        let replicas = at(sent, &["spec", "replicas"]).and_then(Value::as_i64).unwrap_or(0);
        if replicas < 0 {
            let why = "should be a non-negative integer";
            let cause = Cause::invalid("spec.replicas", &replicas.into(), why);
            let name = crate::object::name(object).to_owned();
            return Err(Status::invalid("autoscaling", "Scale", &name, vec![cause]));
        }
        if let Some((last, path)) = scale.spec.split_last() {
            let mut holder = object;
            for name in path {
                child_mut(holder, name);
                let Some(next) = holder.get_mut(name) else { return Ok(()) };
                holder = next;
            }
            if let Some(fields) = holder.as_object_mut() {
                fields.insert(last.clone(), replicas.into());
            }
        }
        Ok(())
    }
}

impl Custom {
    /// `stable.example.com/v1`.
    pub fn api_version(&self) -> &str {
        &self.api_version
    }
}

/// Whether two objects differ at a field as messages name it; in doubt they do.
fn differs_at(object: &Value, old: &Value, field: &str) -> bool {
    if field.is_empty() {
        return object != old;
    }
    let Some(path) = JsonPath::parse(&format!(".{field}")) else { return true };
    path.find(object) != path.find(old)
}

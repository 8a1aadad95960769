//! `componentstatuses`: not kept but asked for: whether the store answers, and whether somebody runs the
//! controllers and the scheduler.
//!
//! kube-apiserver asks ports of its own machine, which says little where the others run elsewhere. Here it
//! is who holds the lease that each of them takes before it works, and whether it is renewed.

use crate::api::{Api, Call};
use crate::stored::{Object, Stored};
use crate::verbs::list::{ListRequest, Listing};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use teu_api::{Status, object, time};
use teu_store::cache::Item;
use teu_store::{Consistency, KeyValue};

/// Where the leases are.
const NAMESPACE: &str = "kube-system";
/// Seconds a lease is good for that does not say so.
const LEASE_SECONDS: i64 = 15;
/// The store has to answer within.
const PATIENCE: Duration = Duration::from_secs(5);
const NAMES: [&str; 3] = ["controller-manager", "etcd-0", "scheduler"];

/// Whether a call is about components.
pub fn are_meant(call: &Call) -> bool {
    call.entry.kind() == "ComponentStatus"
}

impl Api {
    /// One component.
    pub async fn component(&self, call: &Call) -> Result<Object, Status> {
        let known = NAMES.into_iter().find(|known| *known == call.name);
        let name = known
            .ok_or_else(|| Status::new(500, "", format!("Component not found: {}", call.name)))?;
        Ok(Object { stored: Stored::seal(&self.examine(call, name).await), revision: 0 })
    }

    /// Those that are chosen.
    pub async fn components(&self, call: &Call, request: &ListRequest) -> Listing {
        let mut items = Vec::new();
        for name in NAMES {
            let object = Stored::seal(&self.examine(call, name).await);
            if request.selector.matches(&object, &call.entry) {
                let kv = KeyValue {
                    key: Bytes::from_static(name.as_bytes()),
                    value: object.json().clone(),
                    created: 0,
                    modified: 0,
                    lease: 0,
                };
                items.push(Arc::new(Item { kv: Arc::new(kv), object }));
            }
        }
        Listing { revision: 0, items, next: None, remaining: None }
    }

    async fn examine(&self, call: &Call, name: &str) -> Value {
        let found = match name {
            "etcd-0" => self.store_answers().await,
            // Where no other server can, this one runs them.
            "controller-manager" if !self.is_shared => Ok(()),
            "controller-manager" => self.is_led(call, "kube-controller-manager").await,
            _ => self.is_led(call, "kube-scheduler").await,
        };
        let (status, message) = match found {
            Ok(()) => ("True", "ok".to_owned()),
            Err(why) => ("False", why),
        };
        json!({
            "kind": "ComponentStatus", "apiVersion": "v1", "metadata": { "name": name },
            "conditions": [{ "type": "Healthy", "status": status, "message": message }],
        })
    }

    async fn store_answers(&self) -> Result<(), String> {
        let asked = self.store.get(b"/registry/", Consistency::Linearizable);
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("the store did not answer within {} s", PATIENCE.as_secs())),
        }
    }

    /// Whether somebody holds a lease and renews it.
    async fn is_led(&self, call: &Call, name: &str) -> Result<(), String> {
        let key = call.rows.find("coordination.k8s.io", "v1", "leases");
        let key = key.map(|entry| entry.shelf.key(NAMESPACE, name)).unwrap_or_default();
        let asked = self.store.get(&key, Consistency::Linearizable);
        let found = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(found) => found.map_err(|error| error.to_string())?.kv,
            Err(_) => return Err("the store did not answer".to_owned()),
        };
        let lease = found.and_then(|kv| serde_json::from_slice(&kv.value).ok());
        held(name, lease.as_ref().unwrap_or(&Value::Null), self.wall.seconds())
    }
}

/// Whether a lease is held; why not.
fn held(name: &str, lease: &Value, now: i64) -> Result<(), String> {
    let holder = object::text(lease, &["spec", "holderIdentity"]).unwrap_or_default();
    if holder.is_empty() {
        return Err(format!("nobody holds the lease {NAMESPACE}/{name}: none runs"));
    }
    let seconds = object::at(lease, &["spec", "leaseDurationSeconds"]).and_then(Value::as_i64);
    let renewed = object::text(lease, &["spec", "renewTime"]).and_then(time::parse);
    let ends = renewed.unwrap_or(0) + seconds.unwrap_or(LEASE_SECONDS);
    match now <= ends {
        true => Ok(()),
        false => Err(format!(
            "{holder} has not renewed the lease {NAMESPACE}/{name} since {}",
            time::rfc3339(renewed.unwrap_or(0))
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_says_whether_somebody_works() {
        let lease = json!({ "spec": {
            "holderIdentity": "a", "leaseDurationSeconds": 15,
            "renewTime": "1970-01-01T00:01:00.000000Z",
        } });
        assert_eq!(held("x", &lease, 75), Ok(()));
        let late = held("x", &lease, 76).expect_err("too late");
        assert!(late.contains("since 1970-01-01T00:01:00Z"), "{late}");
        let nobody = held("x", &json!({ "spec": { "holderIdentity": "" } }), 0);
        assert!(nobody.expect_err("nobody").contains("nobody holds"));
        assert!(held("x", &Value::Null, 0).is_err());
    }
}

//! Between what a client sent and what is stored: rules that look at other objects.

use crate::api::{Api, Call, store_status};
use crate::verbs::read::object;
use serde_json::Value;
use teu_api::object::is_terminating;
use teu_api::{Cause, CauseKind, Status};
use teu_store::Consistency;
use teu_store::cache::ListAt;

impl Api {
    /// Refuses to make something in a namespace that is not there or is going.
    pub async fn admit_namespace(&self, call: &Call) -> Result<(), Status> {
        if !call.entry.row.resource.is_namespaced() {
            return Ok(());
        }
        let Some(namespaces) = call.rows.find("", "v1", "namespaces") else { return Ok(()) };
        let key = namespaces.shelf.key("", &call.namespace);
        let cached = namespaces.shelf.cache().get(&key, ListAt::Any).await.map_err(store_status)?;
        let found = match cached {
            Some(item) => Some(object(&item.kv)),
            // The cache may be a little behind one that was just made.
            None => {
                let found = self.store.get(&key, Consistency::Linearizable).await;
                found.map_err(store_status)?.kv.as_deref().map(object)
            }
        };
        let Some(found) = found else {
            return Err(Status::not_found("", "namespaces", &call.namespace));
        };
        let namespace: Value = found.stored.to_value(found.revision)?;
        if !is_terminating(&namespace) {
            return Ok(());
        }
        let why = format!(
            "unable to create new content in namespace {} because it is being terminated",
            call.namespace
        );
        let mut status = call.forbidden(&why);
        status.causes.push(Cause {
            reason: CauseKind::NamespaceTerminating,
            message: format!("namespace {} is being terminated", call.namespace),
            field: "metadata.namespace".to_owned(),
        });
        Err(status)
    }
}

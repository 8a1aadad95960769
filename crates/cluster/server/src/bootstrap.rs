//! What every cluster begins with.

use crate::api::{Api, Call, WriteOptions};
use crate::auth::User;
use serde_json::json;
use std::sync::Arc;
use teu_api::Status;

/// Namespaces that are always there.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Makes the namespaces that are missing.
pub async fn namespaces(api: &Api, user: &Arc<User>) -> Result<(), Status> {
    let rows = api.table.rows();
    let Some(entry) = rows.find("", "v1", "namespaces").cloned() else { return Ok(()) };
    for name in NAMESPACES {
        let call = Call {
            user: Arc::clone(user),
            entry: Arc::clone(&entry),
            rows: Arc::clone(&rows),
            namespace: String::new(),
            name: name.to_owned(),
            subresource: String::new(),
        };
        if api.current(&call).await?.is_none() {
            let namespace = json!({ "metadata": { "name": name } });
            match api.create(&call, namespace, &WriteOptions::default()).await {
                Ok(_) => {}
                Err(status) if status.reason == "AlreadyExists" => {}
                Err(status) => return Err(status),
            }
        }
    }
    Ok(())
}

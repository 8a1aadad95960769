//! What every cluster begins with.

use crate::api::{Api, Call, WriteOptions};
use crate::auth::User;
use crate::credentials::{Credentials, PROXY_CLIENT};
use crate::local::Local;
use serde_json::json;
use std::sync::Arc;
use teu_api::Status;
use teu_client::{Client, Kind, Patch};

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

/// Tells aggregated APIs how to know this server and its users: the config map they look for.
pub async fn authentication(api: &Arc<Api>, credentials: &Credentials) -> Result<(), Status> {
    const MAPS: Kind<'_> = Kind { group: "", version: "v1", plural: "configmaps" };
    let client = Local::new(api, User::internal("system:apiserver"), "kube-apiserver");
    let texts = |list: &[&str]| json!(list).to_string();
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "extension-apiserver-authentication", "namespace": "kube-system" },
        "data": {
            "client-ca-file": credentials.authority.certificate_pem(),
            "requestheader-client-ca-file": credentials.proxy_authority_pem,
            "requestheader-allowed-names": texts(&[PROXY_CLIENT]),
            "requestheader-username-headers": texts(&["X-Remote-User"]),
            "requestheader-uid-headers": texts(&["X-Remote-Uid"]),
            "requestheader-group-headers": texts(&["X-Remote-Group"]),
            "requestheader-extra-headers-prefix": texts(&["X-Remote-Extra-"]),
        },
    });
    let at = ("kube-system", "extension-apiserver-authentication");
    let patch = Patch::Apply("kube-apiserver");
    client.patch(MAPS, at, "", patch, map).await.map(|_| ())
}

//! What every cluster begins with.

use crate::api::{Api, Call, WriteOptions, store_status};
use crate::auth::User;
use crate::credentials::{Credentials, PROXY_CLIENT};
use crate::local::Local;
use crate::services::{API_ADDRESS, RANGE};
use serde_json::{Value, json};
use std::sync::Arc;
use teu_api::Status;
use teu_api::admission::priority::SYSTEM;
use teu_client::{Client, Kind, Patch};
use teu_store::Txn;

/// Namespaces that are always there.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// The layout of what is stored. Written first, so that the store has a revision that caches can reach.
const LAYOUT: (&str, &str) = ("/teu/layout", "1");

/// Makes the namespaces that are missing.
pub async fn namespaces(api: &Api, user: &Arc<User>) -> Result<(), Status> {
    // A second start, or another server on the same store, finds it there.
    api.store.commit(Txn::create(LAYOUT.0, LAYOUT.1)).await.map_err(store_status)?;
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

/// The object that says where services' addresses are from.
pub async fn service_range(api: &Arc<Api>) -> Result<(), Status> {
    const RANGES: Kind<'_> =
        Kind { group: "networking.k8s.io", version: "v1", plural: "servicecidrs" };
    let client = Local::new(api, User::internal("system:apiserver"), "kube-apiserver");
    let found = client.get(RANGES, "", "kubernetes").await;
    if found.is_ok_and(|range| range.pointer("/status/conditions/0").is_some()) {
        return Ok(());
    }
    let cidr = format!("{}/{}", RANGE.0, RANGE.1);
    let range = json!({ "metadata": { "name": "kubernetes" }, "spec": { "cidrs": [cidr] } });
    unless_there(client.create(RANGES, "", range).await)?;
    let ready = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
        "metadata": { "name": "kubernetes" },
        "status": { "conditions": [{
            "type": "Ready", "status": "True", "reason": "",
            "message": "Kubernetes default Service CIDR is ready",
            "lastTransitionTime": api.wall.text(),
        }] },
    });
    let patch = Patch::Apply("kube-apiserver");
    client.patch(RANGES, ("", "kubernetes"), "status", patch, ready).await.map(|_| ())
}

/// The service by which pods reach this server.
pub async fn api_service(api: &Arc<Api>, port: u16) -> Result<(), Status> {
    const SERVICES: Kind<'_> = Kind { group: "", version: "v1", plural: "services" };
    let client = Local::new(api, User::internal("system:apiserver"), "kube-apiserver");
    if client.get(SERVICES, "default", "kubernetes").await.is_ok() {
        return Ok(());
    }
    let labels = json!({ "component": "apiserver", "provider": "kubernetes" });
    let service = json!({
        "metadata": { "name": "kubernetes", "labels": labels },
        "spec": {
            "clusterIP": API_ADDRESS.to_string(), "type": "ClusterIP",
            "ports": [{ "name": "https", "port": 443, "targetPort": port, "protocol": "TCP" }],
        },
    });
    unless_there(client.create(SERVICES, "default", service).await)
}

fn unless_there(made: Result<Value, Status>) -> Result<(), Status> {
    match made {
        Err(status) if status.reason != "AlreadyExists" => Err(status),
        _ => Ok(()),
    }
}

/// The two classes of pods that a cluster cannot do without.
pub async fn priorities(api: &Arc<Api>) -> Result<(), Status> {
    const CLASSES: Kind<'_> =
        Kind { group: "scheduling.k8s.io", version: "v1", plural: "priorityclasses" };
    let client = Local::new(api, User::internal("system:apiserver"), "kube-apiserver");
    for (name, value) in SYSTEM {
        if client.get(CLASSES, "", name).await.is_ok() {
            continue;
        }
        let class = json!({
            "metadata": { "name": name }, "value": value,
            "description": "Used for system critical pods that must not be moved from where they are.",
        });
        unless_there(client.create(CLASSES, "", class).await)?;
    }
    Ok(())
}

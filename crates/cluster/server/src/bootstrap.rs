//! What every cluster begins with.

use crate::api::{Api, Call, WriteOptions, store_status};
use crate::auth::User;
use crate::credentials::{Credentials, PROXY_CLIENT};
use crate::local::Local;
use crate::services::{API_ADDRESS, RANGE};
use serde_json::json;
use std::net::SocketAddr;
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
    match client.create(RANGES, "", range).await {
        Err(status) if status.reason != "AlreadyExists" => return Err(status),
        _ => {}
    }
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

/// The service by which pods reach this server, and where that is.
pub async fn api_service(api: &Arc<Api>, address: SocketAddr) -> Result<(), Status> {
    let client = Local::new(api, User::internal("system:apiserver"), "kube-apiserver");
    let kind = |group, plural| Kind { group, version: "v1", plural };
    let labels = json!({ "component": "apiserver", "provider": "kubernetes" });
    let services = kind("", "services");
    if client.get(services, "default", "kubernetes").await.is_err() {
        let service = json!({
            "metadata": { "name": "kubernetes", "labels": labels },
            "spec": {
                "clusterIP": API_ADDRESS.to_string(), "type": "ClusterIP",
                "ports": [{ "name": "https", "port": 443, "targetPort": address.port(), "protocol": "TCP" }],
            },
        });
        match client.create(services, "default", service).await {
            Err(status) if status.reason != "AlreadyExists" => return Err(status),
            _ => {}
        }
    }
    // Endpoints may not be this machine's own addresses: then nobody else can reach it anyway.
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        return Ok(());
    }
    let (ip, port) = (address.ip().to_string(), address.port());
    let ports = json!([{ "name": "https", "port": port, "protocol": "TCP" }]);
    let endpoints = json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": { "endpointslice.kubernetes.io/skip-mirror": "true" },
        },
        "subsets": [{ "addresses": [{ "ip": ip }], "ports": ports }],
    });
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes", "namespace": "default",
            "labels": { "kubernetes.io/service-name": "kubernetes" },
        },
        "addressType": if address.is_ipv6() { "IPv6" } else { "IPv4" },
        "endpoints": [{ "addresses": [ip], "conditions": { "ready": true } }],
        "ports": ports,
    });
    let patch = Patch::Apply("kube-apiserver");
    let at = ("default", "kubernetes");
    client.patch(kind("", "endpoints"), at, "", patch, endpoints).await?;
    client.patch(kind("discovery.k8s.io", "endpointslices"), at, "", patch, slice).await.map(|_| ())
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
        match client.create(CLASSES, "", class).await {
            Err(status) if status.reason != "AlreadyExists" => return Err(status),
            _ => {}
        }
    }
    Ok(())
}

//! Where the API is: Endpoints and slice of the service `kubernetes`, kept right.
//!
//! A server that has its store for itself says only where it is. Servers that share one each keep a
//! key under `/registry/masterleases/` by a lease that ends a minute after they do; what stands there
//! is where the API is. Nothing is asked again and again: keys and objects are watched, and only the
//! lease is renewed.

use crate::api::{Api, store_status};
use crate::auth::User;
use crate::bootstrap;
use crate::local::Local;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use teu_api::Status;
use teu_client::{Choice, Client, Event, Kind, Patch};
use teu_store::{Change, Expect, LeaseId, Range, Span, Txn, WatchRequest};
use tokio::sync::Notify;

const PREFIX: &str = "/registry/masterleases/";
/// A server that stopped without a word is forgotten after this.
const LEASE_SECONDS: u64 = 60;
/// It says that it is there this often.
const RENEWAL: Duration = Duration::from_secs(20);
/// Before what failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// Changes that wait for a slow reader of the masters' keys.
const LAG: usize = 1000;
const NAME: &str = "kubernetes";
const NAMESPACE: &str = "default";

/// Servers on one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Only this one.
    Alone,
    /// There may be others.
    Shared,
}

const fn kind(group: &'static str, plural: &'static str) -> Kind<'static> {
    Kind { group, version: "v1", plural }
}

const ENDPOINTS: Kind<'static> = kind("", "endpoints");
const SLICES: Kind<'static> = kind("discovery.k8s.io", "endpointslices");
const SERVICES: Kind<'static> = kind("", "services");
const NETWORKS: Kind<'static> = kind("networking.k8s.io", "servicecidrs");

/// Says where this server is, before the first request.
pub async fn publish(api: &Arc<Api>, own: SocketAddr, sharing: Sharing) -> Result<(), Status> {
    bootstrap::service_range(api).await?;
    bootstrap::api_service(api, own.port()).await?;
    if sharing == Sharing::Shared {
        announce(api, own).await?;
    }
    write(api, own, sharing).await
}

/// Keeps that right until the server stops; then others are told.
pub async fn run(api: Arc<Api>, own: SocketAddr, sharing: Sharing) {
    let changed = Arc::new(Notify::new());
    for (kind, namespace) in
        [(SERVICES, NAMESPACE), (ENDPOINTS, NAMESPACE), (SLICES, NAMESPACE), (NETWORKS, "")]
    {
        tokio::spawn(watch_object(Arc::clone(&api), kind, namespace, Arc::clone(&changed)));
    }
    if sharing == Sharing::Shared {
        tokio::spawn(watch_keys(Arc::clone(&api), Arc::clone(&changed)));
        tokio::spawn(renew(Arc::clone(&api), own));
    }
    loop {
        tokio::select! {
            () = changed.notified() => {}
            () = api.shutdown.begun() => return,
        }
        let written = async {
            bootstrap::service_range(&api).await?;
            bootstrap::api_service(&api, own.port()).await?;
            write(&api, own, sharing).await
        };
        if written.await.is_err() {
            tokio::time::sleep(PAUSE).await;
            changed.notify_one();
        }
    }
}

/// A server's own key.
fn key(own: SocketAddr) -> String {
    format!("{PREFIX}{own}")
}

async fn announce(api: &Api, own: SocketAddr) -> Result<LeaseId, Status> {
    let lease = api.store.grant(LEASE_SECONDS).await.map_err(store_status)?;
    let change = Change::Put { value: own.to_string().into(), lease };
    let txn = Txn::one(key(own), Expect::Any, change);
    api.store.commit(txn).await.map_err(store_status)?;
    Ok(lease)
}

/// Renews the lease, or takes another when it has ended; gives it back at the end.
async fn renew(api: Arc<Api>, own: SocketAddr) {
    let mut lease = announce(&api, own).await.ok();
    loop {
        tokio::select! {
            () = tokio::time::sleep(RENEWAL) => {}
            () = api.shutdown.begun() => break,
        }
        let is_alive = match lease {
            Some(lease) => api.store.keep_alive(lease).await.is_ok(),
            None => false,
        };
        if !is_alive {
            lease = announce(&api, own).await.ok();
        }
    }
    if let Some(lease) = lease {
        // If this is lost, the lease ends by itself.
        let _ = api.store.revoke(lease).await;
    }
}

async fn watch_keys(api: Arc<Api>, changed: Arc<Notify>) {
    loop {
        let request = WatchRequest { span: Span::prefix(PREFIX), from: 0, lag: LAG };
        if let Ok(mut watch) = api.store.watch(request).await {
            changed.notify_one();
            loop {
                tokio::select! {
                    message = watch.next() => match message {
                        Ok(_) => changed.notify_one(),
                        Err(_) => break,
                    },
                    () = api.shutdown.begun() => return,
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = api.shutdown.begun() => return,
        }
    }
}

/// Notes changes of one object of this name.
async fn watch_object(
    api: Arc<Api>,
    kind: Kind<'static>,
    namespace: &'static str,
    changed: Arc<Notify>,
) {
    let client = client(&api);
    let fields = format!("metadata.name={NAME}");
    let choice = Choice { namespace: namespace.to_owned(), fields, ..Choice::default() };
    while !api.shutdown.has_begun() {
        if let Ok(mut watch) = client.watch(kind, &choice, "").await {
            while let Ok(event) = watch.next().await {
                if !matches!(event, Event::Bookmark(_)) {
                    changed.notify_one();
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = api.shutdown.begun() => return,
        }
    }
}

fn client(api: &Arc<Api>) -> Local {
    Local::new(api, User::internal("system:apiserver"), "kube-apiserver")
}

/// Where servers are.
async fn all(api: &Api, own: SocketAddr, sharing: Sharing) -> Result<BTreeSet<SocketAddr>, Status> {
    let mut all = BTreeSet::from([own]);
    if sharing == Sharing::Shared {
        let found =
            api.store.range(Range::all(Span::prefix(PREFIX))).await.map_err(store_status)?;
        let texts = found.kvs.iter().map(|kv| String::from_utf8_lossy(&kv.value).into_owned());
        all.extend(texts.filter_map(|text| text.parse::<SocketAddr>().ok()));
    }
    // Endpoints may not be a machine's own addresses: then nobody else can reach it anyway.
    all.retain(|address| !address.ip().is_loopback() && !address.ip().is_unspecified());
    Ok(all)
}

async fn write(api: &Arc<Api>, own: SocketAddr, sharing: Sharing) -> Result<(), Status> {
    let all = all(api, own, sharing).await?;
    let Some(first) = all.first() else { return Ok(()) };
    let (endpoints, slice) = (endpoints(&all), slice(&all, *first));
    let client = client(api);
    let (patch, at) = (Patch::Apply("kube-apiserver"), (NAMESPACE, NAME));
    client.patch(ENDPOINTS, at, "", patch, endpoints).await?;
    client.patch(SLICES, at, "", patch, slice).await.map(|_| ())
}

fn port(number: u16) -> Value {
    json!({ "name": "https", "port": number, "protocol": "TCP" })
}

/// One subset a port.
fn endpoints(all: &BTreeSet<SocketAddr>) -> Value {
    let ports: BTreeSet<u16> = all.iter().map(SocketAddr::port).collect();
    let subset = |number: u16| {
        let there = all.iter().filter(|address| address.port() == number);
        let addresses: Vec<Value> = there.map(|address| json!({ "ip": address.ip() })).collect();
        json!({ "addresses": addresses, "ports": [port(number)] })
    };
    json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {
            "name": NAME, "namespace": NAMESPACE,
            "labels": { "endpointslice.kubernetes.io/skip-mirror": "true" },
        },
        "subsets": ports.into_iter().map(subset).collect::<Vec<Value>>(),
    })
}

/// A slice holds one family and one set of ports: those of the first.
fn slice(all: &BTreeSet<SocketAddr>, first: SocketAddr) -> Value {
    let is_alike = |address: &&SocketAddr| {
        address.is_ipv4() == first.is_ipv4() && address.port() == first.port()
    };
    let endpoint = |address: &SocketAddr| json!({ "addresses": [address.ip()], "conditions": { "ready": true } });
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": NAME, "namespace": NAMESPACE,
            "labels": { "kubernetes.io/service-name": NAME },
        },
        "addressType": if first.is_ipv6() { "IPv6" } else { "IPv4" },
        "endpoints": all.iter().filter(is_alike).map(endpoint).collect::<Vec<Value>>(),
        "ports": [port(first.port())],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_servers_are_one_api() {
        let address = |text: &str| -> SocketAddr { text.parse().expect("an address") };
        let all: BTreeSet<SocketAddr> =
            ["192.0.2.1:6443", "192.0.2.2:6443", "192.0.2.3:7443", "[2001:db8::1]:6443"]
                .map(address)
                .into();
        let made = endpoints(&all);
        assert_eq!(made["subsets"][0]["addresses"].as_array().map(Vec::len), Some(3));
        assert_eq!(made["subsets"][1]["ports"][0]["port"], 7443);
        let slice = slice(&all, address("192.0.2.1:6443"));
        let there: Vec<&Value> = slice["endpoints"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|it| &it["addresses"][0])
            .collect();
        assert_eq!(there, ["192.0.2.1", "192.0.2.2"]);
    }
}

//! Subresources that lead elsewhere: `proxy` of pods, services and nodes; a pod's `log`, `exec`,
//! `attach` and `portforward`, by way of its node.
//!
//! Who may is decided as for every other request, on the verb that the method means. What asks to
//! leave HTTP at a node or in a pod changes something there, so it also needs `create`, as a POST does.
//! Where a connection may lead is decided on addresses ([`crate::outgoing`]); a service's endpoint has
//! to be a pod of its namespace with that address, or whoever may write endpoints could have this
//! server call anybody.

mod admission;
mod behind;
mod named;
mod node;
mod pod;
mod socket;

use crate::api::{Api, Call, store_status};
use crate::credentials::Held;
use crate::outgoing::{Scheme, Target};
use crate::proxy::{Links, Manner, forward};
use crate::request::{Place, Query};
use http::header::{HOST, LOCATION, UPGRADE};
use http::{HeaderValue, Method, StatusCode};
use named::Named;
use serde_json::Value;
use std::net::IpAddr;
use std::sync::Arc;
use teu_api::Status;
use teu_store::Consistency;
use teu_web::{Body, Request, Response};

/// How this server knows nodes, and they it.
#[derive(Debug, Default)]
pub struct Nodes {
    /// Whose certificates nodes have (PEM).
    pub authorities: Vec<u8>,
    /// Who this server is for them.
    pub identity: Held,
}

/// Whether a place is one of these.
pub fn leads_elsewhere(place: &Place) -> bool {
    place.group.is_empty()
        && !place.name.is_empty()
        && match &*place.plural {
            "pods" => {
                matches!(&*place.subresource, "attach" | "exec" | "log" | "portforward" | "proxy")
            }
            "services" | "nodes" => place.subresource == "proxy",
            _ => false,
        }
}

/// Answers a request for one of these; `rest` is what follows `proxy` in its path.
pub async fn handle(
    api: &Arc<Api>,
    request: Request,
    call: &Call,
    query: &Query,
    rest: &str,
) -> Result<Response, Status> {
    let wants_upgrade = request.headers().contains_key(UPGRADE);
    let at_node = call.entry.plural() == "nodes" || call.subresource != "proxy";
    // A log by WebSocket is read here, and told in messages.
    let leaves_http = wants_upgrade && at_node && call.subresource != "log";
    if leaves_http && request.method() != Method::POST {
        api.demand_create(call).await?;
    }
    if call.subresource != "log" {
        admission::admit(api, call, query, rest).await?;
    }
    if call.subresource == "proxy" {
        return proxy(api, request, call, rest).await;
    }
    if call.subresource != "log" && !wants_upgrade {
        return Err(Status::bad_request("Upgrade request required"));
    }
    let pod = object(api, call, "pods", &call.name).await?;
    let pod = pod.ok_or_else(|| call.not_found())?;
    pod::handle(api, request, call, query, &pod).await
}

async fn proxy(api: &Api, request: Request, call: &Call, rest: &str) -> Result<Response, Status> {
    let plural = call.entry.plural();
    let named = Named::parse(&call.name).ok_or_else(|| {
        let one = plural.trim_end_matches('s');
        Status::bad_request(format!("invalid {one} request {:?}", call.name))
    })?;
    let target = match plural {
        "pods" => pod::target(api, call, &named).await?,
        "services" => behind::target(api, call, &named).await?,
        _ => node::target(api, call, &named).await?,
    };
    let path = request.uri().path();
    let query = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    // Without the slash, relative links of what is behind would lead beside it.
    if rest.is_empty() && is_read && !request.headers().contains_key(UPGRADE) {
        return Ok(moved(&format!("{path}/{query}")));
    }
    let prefix = path.strip_suffix(rest).unwrap_or(path).to_owned();
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    let links = Links::new(prefix, target.authority(), host);
    let slash = if rest.starts_with('/') { "" } else { "/" };
    forward(api, request, &target, &format!("{slash}{rest}{query}"), Manner::Through(links)).await
}

fn moved(location: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// An object as it is now: who wrote an address a moment ago means that one.
async fn object(api: &Api, call: &Call, plural: &str, name: &str) -> Result<Option<Value>, Status> {
    let Some(entry) = call.rows.find("", "v1", plural) else { return Ok(None) };
    let namespace = if entry.row.resource.is_namespaced() { &*call.namespace } else { "" };
    let key = entry.shelf.key(namespace, name);
    let found = api.store.get(&key, Consistency::Linearizable).await.map_err(store_status)?;
    let value = found.kv.map(|kv| serde_json::from_slice(&kv.value)).transpose();
    value.map_err(|error| Status::internal(format!("{plural} {name:?} is no object: {error}")))
}

/// A port as it is said, or as it is where nothing is said.
fn port(text: &str, scheme: Scheme) -> Result<u16, Status> {
    if text.is_empty() {
        return Ok(scheme.port());
    }
    text.parse().map_err(|_| Status::bad_request(format!("{text:?} is no port's number")))
}

/// A pod's address, if it is one that anything may be asked at.
fn callable(api: &Api, address: &str) -> Result<IpAddr, Status> {
    let refused = || Status::bad_request("address not allowed");
    let ip: IpAddr = address.parse().map_err(|_| refused())?;
    api.outgoing.check(ip).map_err(|_| refused())?;
    Ok(ip)
}

/// Somebody at an address who shows whatever certificate.
fn anybody(scheme: Scheme, ip: IpAddr, port: u16) -> Target {
    Target {
        scheme,
        host: ip.to_string(),
        port,
        address: Some((ip, port).into()),
        is_unverified: true,
        ..Target::default()
    }
}

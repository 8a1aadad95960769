//! Who is behind a service: a ready endpoint, if it is a pod of the service's namespace.

use super::{Named, anybody, callable, object};
use crate::api::{Api, Call, store_status};
use crate::id;
use crate::outgoing::Target;
use serde_json::Value;
use std::net::IpAddr;
use teu_api::{Status, object};
use teu_store::cache::ListAt;

/// Endpoints that are looked at, in whatever order chance has.
const MAX_ENDPOINTS: usize = 1000;

/// An endpoint.
#[derive(Debug, PartialEq, Eq)]
struct Endpoint {
    address: String,
    port: u16,
    pod: String,
}

/// One of those behind a service.
pub async fn target(api: &Api, call: &Call, named: &Named<'_>) -> Result<Target, Status> {
    let unavailable = |text: String| Status::new(503, "ServiceUnavailable", text);
    let service = object(api, call, "services", named.name).await?;
    let service = service.ok_or_else(|| Status::not_found("", "services", named.name))?;
    let port = port_name(&service, named.port).ok_or_else(|| {
        unavailable(format!("no service port {} found for service {:?}", named.port, named.name))
    })?;
    let mut endpoints = endpoints(call, named.name, port).await?;
    if !endpoints.is_empty() {
        let first = usize::from(u16::from_le_bytes(id::random())) % endpoints.len();
        endpoints.rotate_left(first);
    }
    for endpoint in &endpoints {
        if is_pod(api, call, endpoint).await? {
            let ip: IpAddr = callable(api, &endpoint.address)?;
            return Ok(anybody(named.scheme, ip, endpoint.port));
        }
    }
    Err(unavailable(format!("no endpoints available for service {:?}", call.name)))
}

/// The name of a port that was asked for by name or number; where nothing was said, the one without
/// a name.
fn port_name<'a>(service: &'a Value, wanted: &'a str) -> Option<&'a str> {
    let Ok(number) = wanted.parse::<u16>() else { return Some(wanted) };
    let ports = object::at(service, &["spec", "ports"])?.as_array()?;
    let found = ports.iter().find(|port| port["port"] == number)?;
    Some(found["name"].as_str().unwrap_or_default())
}

async fn endpoints(call: &Call, service: &str, port: &str) -> Result<Vec<Endpoint>, Status> {
    let mut all = Vec::new();
    let slices = call.rows.find("discovery.k8s.io", "v1", "endpointslices");
    let Some(slices) = slices else { return Ok(all) };
    let span = slices.shelf.span(&call.namespace);
    let found = slices.shelf.cache().list(&span, ListAt::Consistent).await.map_err(store_status)?;
    for item in &found.items {
        let index = item.object.selectable(&slices.row);
        if index.label("kubernetes.io/service-name") != Some(service) {
            continue;
        }
        let Ok(slice) = item.object.to_value(0) else { continue };
        all.extend(ready(&slice, port, &call.namespace));
    }
    all.truncate(MAX_ENDPOINTS);
    Ok(all)
}

/// Ready endpoints of a slice that say which pod of a namespace they are.
fn ready(slice: &Value, port: &str, namespace: &str) -> Vec<Endpoint> {
    let items = |name: &str| {
        slice.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    };
    let named = |known: &&Value| known["name"].as_str().unwrap_or_default() == port;
    let Some(port) = items("ports").iter().find(named) else { return Vec::new() };
    let Some(port) = port["port"].as_u64().and_then(|port| u16::try_from(port).ok()) else {
        return Vec::new();
    };
    let endpoint = |endpoint: &Value| {
        let reference = endpoint.get("targetRef")?;
        let is_pod = reference["kind"] == "Pod" && reference["namespace"] == namespace;
        let is_ready = object::at(endpoint, &["conditions", "ready"]) != Some(&Value::Bool(false));
        let pod = reference["name"].as_str()?.to_owned();
        let address = endpoint["addresses"].get(0)?.as_str()?.to_owned();
        (is_pod && is_ready).then_some(Endpoint { address, port, pod })
    };
    items("endpoints").iter().filter_map(endpoint).collect()
}

/// Whether an endpoint is the pod that it says it is.
async fn is_pod(api: &Api, call: &Call, endpoint: &Endpoint) -> Result<bool, Status> {
    let pod = object(api, call, "pods", &endpoint.pod).await?;
    let ips = pod.as_ref().and_then(|pod| pod.pointer("/status/podIPs")).and_then(Value::as_array);
    Ok(ips.into_iter().flatten().any(|known| known["ip"] == *endpoint.address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ports_by_name_and_number() {
        let service = json!({ "spec": { "ports": [
            { "name": "web", "port": 80 }, { "name": "other", "port": 81 },
        ] } });
        assert_eq!(port_name(&service, "81"), Some("other"));
        assert_eq!(port_name(&service, "web"), Some("web"));
        assert_eq!(port_name(&service, ""), Some(""));
        assert_eq!(port_name(&service, "82"), None);
    }

    #[test]
    fn only_pods_of_the_namespace_that_are_ready() {
        let reference =
            |namespace: &str| json!({ "kind": "Pod", "namespace": namespace, "name": "p" });
        let slice = json!({
            "ports": [{ "name": "a", "port": 1 }, { "port": 2 }],
            "endpoints": [
                { "addresses": ["10.0.0.1"] },
                { "addresses": ["10.0.0.2"], "targetRef": reference("other") },
                { "addresses": ["10.0.0.3"], "targetRef": reference("x"), "conditions": { "ready": false } },
                { "addresses": ["10.0.0.4"], "targetRef": reference("x") },
            ],
        });
        let (address, pod) = ("10.0.0.4".to_owned(), "p".to_owned());
        assert_eq!(ready(&slice, "", "x"), [Endpoint { address, port: 2, pod }]);
        assert_eq!(ready(&slice, "b", "x"), []);
    }
}

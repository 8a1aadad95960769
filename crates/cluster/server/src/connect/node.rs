//! A node: where its kubelet answers, and what else may be asked of it.

use super::{Named, anybody, object, port};
use crate::api::{Api, Call};
use crate::outgoing::{Scheme, Target};
use serde_json::Value;
use teu_api::Status;

/// Where a kubelet answers that does not say where.
const KUBELET_PORT: u16 = 10_250;
/// Which of a node's addresses is taken, the first that it has: what others of the cluster reach it by.
const TYPES: [&str; 5] = ["InternalIP", "ExternalIP", "InternalDNS", "ExternalDNS", "Hostname"];

/// Who is asked for a node's proxy: its kubelet, or whatever else listens at another port.
pub async fn target(api: &Api, call: &Call, named: &Named<'_>) -> Result<Target, Status> {
    let kubelet = kubelet(api, call, named.name).await?;
    if named.port.is_empty() || named.port == kubelet.port.to_string() {
        return Ok(kubelet);
    }
    let port = port(named.port, named.scheme)?;
    Ok(match kubelet.host.parse() {
        Ok(ip) => anybody(named.scheme, ip, port),
        Err(_) => Target {
            scheme: named.scheme,
            host: kubelet.host,
            port,
            is_unverified: true,
            ..Target::default()
        },
    })
}

/// A node's kubelet, which has to show a certificate of the cluster's authority.
pub async fn kubelet(api: &Api, call: &Call, name: &str) -> Result<Target, Status> {
    let node = object(api, call, "nodes", name).await?;
    let node = node.ok_or_else(|| Status::not_found("", "nodes", name))?;
    let host = address(&node).ok_or_else(|| {
        let text = format!("no preferred addresses found for node {name:?}; its status has none");
        Status::new(503, "ServiceUnavailable", text)
    })?;
    Ok(Target {
        scheme: Scheme::Https,
        host: host.to_owned(),
        port: kubelet_port(&node),
        authorities: api.nodes.authorities.clone(),
        identity: api.nodes.identity.get(),
        ..Target::default()
    })
}

fn kubelet_port(node: &Value) -> u16 {
    let said = node.pointer("/status/daemonEndpoints/kubeletEndpoint/Port");
    let said = said.and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    said.filter(|port| *port > 0).unwrap_or(KUBELET_PORT)
}

fn address(node: &Value) -> Option<&str> {
    let all = node.pointer("/status/addresses")?.as_array()?;
    let of = |wanted: &&str| {
        let found = all.iter().find(|known| known["type"] == **wanted)?;
        found["address"].as_str()
    };
    TYPES.iter().find_map(of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn where_a_kubelet_is() {
        let mut node = json!({ "status": { "addresses": [
            { "type": "Hostname", "address": "n" },
            { "type": "InternalIP", "address": "10.0.0.1" },
            { "type": "InternalIP", "address": "fd00::1" },
        ] } });
        assert_eq!((address(&node), kubelet_port(&node)), (Some("10.0.0.1"), 10_250));
        node["status"]["daemonEndpoints"] = json!({ "kubeletEndpoint": { "Port": 1234 } });
        assert_eq!(kubelet_port(&node), 1234);
        assert_eq!(address(&json!({})), None);
    }
}

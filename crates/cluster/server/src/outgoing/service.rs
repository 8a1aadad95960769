//! Who is behind a service: one of its ready endpoints, called directly.

use crate::api::Api;
use crate::outgoing::Target;
use crate::table::Rows;
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use teu_api::object;
use teu_store::Span;
use teu_store::cache::ListAt;

/// A service that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// There is none.
    #[error("service \"{name}\" not found")]
    Service {
        /// Which.
        name: String,
    },
    /// It leads outside.
    #[error("service {namespace}/{name} is of type ExternalName, which is not called")]
    External {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// It has no such port.
    #[error("no service port {port} found for service \"{name}\"")]
    Port {
        /// Which.
        name: String,
        /// Which port.
        port: u16,
    },
    /// Nobody is there.
    #[error("no endpoints available for service \"{name}\"")]
    Endpoints {
        /// Which.
        name: String,
    },
    /// The store does not answer.
    #[error("services cannot be read: {0}")]
    Store(#[from] teu_store::Error),
}

/// A service as a configuration names it.
#[derive(Debug, Clone, Copy)]
pub struct Reference<'a> {
    /// Namespace.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
    /// Port of the service.
    pub port: u16,
}

impl Api {
    /// One of those behind a service, under the name its certificate has.
    pub async fn behind(
        &self,
        rows: &Rows,
        reference: Reference<'_>,
        authorities: Vec<u8>,
    ) -> Result<Target, Missing> {
        let Reference { namespace, name, port } = reference;
        let missing = || Missing::Service { name: name.to_owned() };
        let services = rows.find("", "v1", "services").ok_or_else(missing)?;
        let key = services.shelf.key(namespace, name);
        let found = services.shelf.cache().get(&key, ListAt::Any).await?.ok_or_else(missing)?;
        let service = found.object.to_value(0).map_err(|_| missing())?;
        if object::text(&service, &["spec", "type"]) == Some("ExternalName") {
            let (namespace, name) = (namespace.to_owned(), name.to_owned());
            return Err(Missing::External { namespace, name });
        }
        let ports = object::at(&service, &["spec", "ports"]).and_then(Value::as_array);
        let number = Value::from(port);
        let wanted = ports.into_iter().flatten().find(|known| known.get("port") == Some(&number));
        let wanted = wanted.ok_or_else(|| Missing::Port { name: name.to_owned(), port })?;
        let port_name = wanted.get("name").and_then(Value::as_str).unwrap_or_default();
        let address = self.endpoint(rows, namespace, name, port_name).await?;
        let address = address.ok_or_else(|| Missing::Endpoints { name: name.to_owned() })?;
        Ok(Target {
            host: format!("{name}.{namespace}.svc"),
            port,
            address: Some(address),
            authorities,
            ..Target::default()
        })
    }

    async fn endpoint(
        &self,
        rows: &Rows,
        namespace: &str,
        service: &str,
        port_name: &str,
    ) -> Result<Option<SocketAddr>, Missing> {
        let Some(slices) = rows.find("discovery.k8s.io", "v1", "endpointslices") else {
            return Ok(None);
        };
        let span: Span = slices.shelf.span(namespace);
        let found = slices.shelf.cache().list(&span, ListAt::Any).await?;
        for item in &found.items {
            let index = item.object.selectable(&slices.row);
            if index.label("kubernetes.io/service-name") != Some(service) {
                continue;
            }
            let Ok(slice) = item.object.to_value(0) else { continue };
            if let Some(address) = ready(&slice, port_name) {
                return Ok(Some(address));
            }
        }
        Ok(None)
    }
}

/// The first ready address of a slice, with the port of this name.
fn ready(slice: &Value, port_name: &str) -> Option<SocketAddr> {
    let named =
        |port: &&Value| port.get("name").and_then(Value::as_str).unwrap_or_default() == port_name;
    let port = slice.get("ports")?.as_array()?.iter().find(named)?;
    let port = u16::try_from(port.get("port")?.as_u64()?).ok()?;
    let is_ready = |endpoint: &&Value| {
        object::at(endpoint, &["conditions", "ready"]) != Some(&Value::Bool(false))
    };
    let endpoint = slice.get("endpoints")?.as_array()?.iter().find(is_ready)?;
    let address: IpAddr = endpoint.get("addresses")?.get(0)?.as_str()?.parse().ok()?;
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn the_first_that_is_ready() {
        let slice = json!({
            "ports": [{ "name": "a", "port": 1 }, { "name": "b", "port": 2 }],
            "endpoints": [
                { "addresses": ["10.0.0.1"], "conditions": { "ready": false } },
                { "addresses": ["10.0.0.2"], "conditions": { "ready": true } },
            ],
        });
        assert_eq!(super::ready(&slice, "b"), "10.0.0.2:2".parse().ok());
        assert_eq!(super::ready(&slice, "c"), None);
    }
}

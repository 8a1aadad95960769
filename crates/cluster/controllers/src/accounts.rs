//! Every namespace has a service account `default`, which pods use that name no other, and the
//! cluster's authority in the config map `kube-root-ca.crt`, by which they know the API server.

use crate::Context;
use crate::desk::{Controller, Desk};
use crate::mirror::{Key, Mirror, key, parts};
use crate::resources::{ACCOUNTS, CONFIG_MAPS, NAMESPACES};
use crate::worker::{AT_ONCE, Look};
use serde_json::{Value, json};
use std::sync::Arc;
use teu_api::{Status, object};
use teu_client::Patch;

const ACCOUNT: &str = "default";
const MAP: &str = "kube-root-ca.crt";
const KEY: &str = "ca.crt";
/// What people read in the config map.
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

struct Accounts {
    context: Context,
    authority_pem: String,
    namespaces: Arc<Mirror>,
    accounts: Arc<Mirror>,
    maps: Arc<Mirror>,
}

/// Runs until the future is dropped. Keys are those of namespaces.
pub async fn run(context: Context, authority_pem: String) {
    let mut desk = Desk::new(&context);
    let namespaces = desk.each(NAMESPACES);
    let accounts = desk.reads_some(ACCOUNTS, "metadata.name=default");
    let maps = desk.reads_some(CONFIG_MAPS, "metadata.name=kube-root-ca.crt");
    for mirror in [&accounts, &maps] {
        desk.on(mirror, |change, queue| {
            if let Some(newest) = change.newest() {
                queue.add(key("", object::namespace(newest)));
            }
        });
    }
    desk.work(AT_ONCE, Accounts { context, authority_pem, namespaces, accounts, maps }).await;
}

impl Controller for Accounts {
    async fn look(&self, key: &Key) -> Look {
        let is_active = |namespace: &Arc<Value>| !object::is_terminating(namespace);
        if self.namespaces.at(key).filter(is_active).is_none() {
            return Ok(None);
        }
        match self.mend(parts(key).1).await {
            // One that is going takes nothing new.
            Err(status) if !matches!(status.code, 403 | 404) => Err(status),
            _ => Ok(None),
        }
    }
}

impl Accounts {
    /// Makes what is missing.
    async fn mend(&self, namespace: &str) -> Result<(), Status> {
        let client = &self.context.client;
        if self.accounts.get(namespace, ACCOUNT).is_none() {
            let account = json!({ "metadata": { "name": ACCOUNT, "namespace": namespace } });
            unless_there(client.create(ACCOUNTS, namespace, account).await)?;
        }
        let map = self.maps.get(namespace, MAP);
        if map.is_none_or(|map| object::text(&map, &["data", KEY]) != Some(&self.authority_pem)) {
            let annotations = json!({ "kubernetes.io/description": DESCRIPTION });
            let map = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": { "name": MAP, "namespace": namespace, "annotations": annotations },
                "data": { KEY: self.authority_pem },
            });
            let patch = Patch::Apply("root-ca-certificate-publisher");
            client.patch(CONFIG_MAPS, (namespace, MAP), "", patch, map).await?;
        }
        Ok(())
    }
}

fn unless_there(made: Result<Value, Status>) -> Result<(), Status> {
    match made {
        Err(status) if status.reason != "AlreadyExists" => Err(status),
        _ => Ok(()),
    }
}

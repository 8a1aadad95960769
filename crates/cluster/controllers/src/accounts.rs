//! Every namespace has a service account `default`, which pods use that name no other, and the
//! cluster's authority in the config map `kube-root-ca.crt`, by which they know the API server.

use crate::Context;
use crate::follow::{Wanted, follow};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use teu_api::{Status, object};
use teu_client::{Choice, Event, Kind, Patch};

const NAMESPACES: Kind<'static> = Kind { group: "", version: "v1", plural: "namespaces" };
const ACCOUNTS: Kind<'static> = Kind { group: "", version: "v1", plural: "serviceaccounts" };
const MAPS: Kind<'static> = Kind { group: "", version: "v1", plural: "configmaps" };
const ACCOUNT: &str = "default";
const MAP: &str = "kube-root-ca.crt";
const KEY: &str = "ca.crt";
/// What people read in the config map.
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";
/// Before what failed is tried again.
const PAUSE_MILLISECONDS: u64 = 500;

/// What a namespace has, as far as was seen.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Seen {
    is_active: bool,
    has_account: bool,
    has_map: bool,
}

/// Runs until the future is dropped.
pub async fn run(context: Context, authority_pem: String) {
    let named =
        |name: &str| Choice { fields: format!("metadata.name={name}"), ..Choice::default() };
    let mut events = follow(
        &context,
        &[
            Wanted { kind: NAMESPACES, choice: Choice::default() },
            Wanted { kind: ACCOUNTS, choice: named(ACCOUNT) },
            Wanted { kind: MAPS, choice: named(MAP) },
        ],
    );
    let mut seen = BTreeMap::<String, Seen>::new();
    let mut failed = false;
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = context.timer.sleep(PAUSE_MILLISECONDS), if failed => Some((usize::MAX, Event::Bookmark(String::new()))),
        };
        let Some((at, event)) = event else { return };
        note(&mut seen, at, &event, &authority_pem);
        while let Ok((at, event)) = events.try_recv() {
            note(&mut seen, at, &event, &authority_pem);
        }
        failed = false;
        let lacks = |has: &Seen| has.is_active && !(has.has_account && has.has_map);
        for (namespace, has) in seen.iter_mut().filter(|(_, has)| lacks(has)) {
            match mend(&context, namespace, *has, &authority_pem).await {
                // Its events say the same, and later whether it is still so.
                Ok(()) => (has.has_account, has.has_map) = (true, true),
                // One that is going takes nothing new, and says so itself when it is gone.
                Err(status) => failed |= !matches!(status.code, 403 | 404),
            }
        }
    }
}

/// What an event says of its namespace.
fn note(seen: &mut BTreeMap<String, Seen>, at: usize, event: &Event, authority_pem: &str) {
    let (object, is_there) = match event {
        Event::Applied(object) => (object, true),
        Event::Deleted(object) => (object, false),
        Event::Bookmark(_) => return,
    };
    if at == 0 {
        let name = object::name(object).to_owned();
        match is_there {
            true => seen.entry(name).or_default().is_active = !object::is_terminating(object),
            false => drop(seen.remove(&name)),
        }
        return;
    }
    let entry = seen.entry(object::namespace(object).to_owned()).or_default();
    match at {
        1 => entry.has_account = is_there,
        _ => {
            let is_ours = object::text(object, &["data", KEY]) == Some(authority_pem);
            entry.has_map = is_there && is_ours;
        }
    }
}

/// Makes what is missing.
async fn mend(
    context: &Context,
    namespace: &str,
    has: Seen,
    authority_pem: &str,
) -> Result<(), Status> {
    if !has.has_account {
        let account = json!({ "metadata": { "name": ACCOUNT, "namespace": namespace } });
        unless_there(context.client.create(ACCOUNTS, namespace, account).await)?;
    }
    if !has.has_map {
        let annotations = json!({ "kubernetes.io/description": DESCRIPTION });
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": MAP, "namespace": namespace, "annotations": annotations },
            "data": { KEY: authority_pem },
        });
        let at = (namespace, MAP);
        let patch = Patch::Apply("root-ca-certificate-publisher");
        context.client.patch(MAPS, at, "", patch, map).await?;
    }
    Ok(())
}

fn unless_there(made: Result<Value, Status>) -> Result<(), Status> {
    match made {
        Err(status) if status.reason != "AlreadyExists" => Err(status),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_noted() {
        let mut seen = BTreeMap::new();
        let object = |namespace: &str, name: &str, data: Value| json!({ "metadata": { "name": name, "namespace": namespace }, "data": data });
        note(&mut seen, 0, &Event::Applied(object("", "a", Value::Null)), "x");
        assert_eq!(seen["a"], Seen { is_active: true, ..Seen::default() });
        note(&mut seen, 1, &Event::Applied(object("a", ACCOUNT, Value::Null)), "x");
        note(&mut seen, 2, &Event::Applied(object("a", MAP, json!({ KEY: "x" }))), "x");
        assert_eq!(seen["a"], Seen { is_active: true, has_account: true, has_map: true });
        note(&mut seen, 2, &Event::Applied(object("a", MAP, json!({ KEY: "y" }))), "x");
        note(&mut seen, 1, &Event::Deleted(object("a", ACCOUNT, Value::Null)), "x");
        assert_eq!(seen["a"], Seen { is_active: true, ..Seen::default() });
        note(&mut seen, 0, &Event::Deleted(object("", "a", Value::Null)), "x");
        assert!(seen.is_empty());
    }
}

//! Aggregated APIs: groups and versions that other servers serve (`APIService`), found, watched over,
//! shown in discovery, and reached through [`crate::proxy`].

pub mod own;

use crate::api::Api;
use crate::auth::User;
use crate::follow::Pause;
use crate::local::Local;
use crate::outgoing::service::Reference;
use crate::outgoing::{CallError, Target};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use teu_api::{Status, object};
use teu_client::{Choice, Client, Event, Kind, Patch, Watch};
use teu_kubernetes::{Resource, Scope};
use tokio::sync::Notify;

const API_SERVICES: Kind<'static> =
    Kind { group: "apiregistration.k8s.io", version: "v1", plural: "apiservices" };
/// Between two tries to reach one that does not answer, doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// For the list of its resources to come.
const DISCOVERY_TIME: Duration = Duration::from_secs(5);
/// What is said of what this server serves itself.
const LOCAL: &str = "Local APIServices are always available";
/// The condition that says how one is.
const AVAILABLE: &str = "Available";
/// Its status, reason and message.
type Said<'a> = (&'a str, &'a str, &'a str);
/// Resources of one group and version that are shown.
const MAX_RESOURCES: usize = 1000;

/// One group and version that another server serves.
#[derive(Debug, Clone, Default)]
pub struct Remote {
    /// Group.
    pub group: String,
    /// Version.
    pub version: String,
    namespace: String,
    service: String,
    port: u16,
    authorities: Vec<u8>,
    is_unverified: bool,
    /// Why it cannot be used; none if it can.
    trouble: Option<(&'static str, String)>,
    /// What it has, when it last said so.
    resources: Vec<Resource>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Aggregated {
    remotes: RwLock<BTreeMap<String, Remote>>,
    changed: Notify,
}

impl Aggregated {
    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Remote>> {
        self.remotes.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over where one is, or that it is none; what is known of it stays known while it is there.
    fn know(&self, name: String, remote: Option<Remote>) {
        let mut remotes = self.write();
        let known = remotes.remove(&name);
        if let Some(mut remote) = remote {
            if let Some(known) = known.filter(|known| known.is_where(&remote)) {
                (remote.trouble, remote.resources) = (known.trouble, known.resources);
            }
            remotes.insert(name, remote);
        }
    }

    /// All of them, as they are now.
    pub fn all(&self) -> Vec<Remote> {
        self.remotes.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Who serves a group and version, if it is not this server.
    pub fn find(&self, group: &str, version: &str) -> Option<Remote> {
        let remotes = self.remotes.read().unwrap_or_else(PoisonError::into_inner);
        remotes.get(&format!("{version}.{group}")).cloned()
    }

    /// Resources of all of them, for discovery.
    pub fn resources(&self) -> Vec<Resource> {
        self.all().into_iter().flat_map(|remote| remote.resources).collect()
    }
}

impl Remote {
    fn of(service: &Value) -> Option<Self> {
        let text = |path: &[&str]| object::text(service, path).unwrap_or_default().to_owned();
        let reference = object::at(service, &["spec", "service"]).filter(|it| it.is_object())?;
        let port = reference.get("port").and_then(Value::as_u64).unwrap_or(443);
        Some(Self {
            group: text(&["spec", "group"]),
            version: text(&["spec", "version"]),
            namespace: text(&["spec", "service", "namespace"]),
            service: text(&["spec", "service", "name"]),
            port: u16::try_from(port).unwrap_or(443),
            authorities: STANDARD.decode(text(&["spec", "caBundle"])).unwrap_or_default(),
            is_unverified: object::at(service, &["spec", "insecureSkipTLSVerify"])
                == Some(&Value::Bool(true)),
            trouble: Some(("Unknown", "not asked yet".to_owned())),
            resources: Vec::new(),
        })
    }

    /// Whether it is the same server, however it is ranked.
    fn is_where(&self, other: &Self) -> bool {
        let Self { group, version, namespace, service, port, authorities, is_unverified, .. } =
            other;
        self.group == *group
            && self.version == *version
            && self.namespace == *namespace
            && self.service == *service
            && self.port == *port
            && self.authorities == *authorities
            && self.is_unverified == *is_unverified
    }

    /// Where it is, under this server's own name.
    pub async fn target(&self, api: &Api) -> Result<Target, CallError> {
        let reference =
            Reference { namespace: &self.namespace, name: &self.service, port: self.port };
        let rows = api.table.rows();
        let mut target = api.behind(&rows, reference, self.authorities.clone()).await?;
        target.is_unverified = self.is_unverified;
        target.identity = api.proxy_identity.get();
        Ok(target)
    }
}

impl Api {
    /// Where a group and version is served, or why it is not.
    pub async fn remote(&self, group: &str, version: &str) -> Option<Result<Target, Status>> {
        let remote = self.aggregated.find(group, version)?;
        let unavailable = |error: String| {
            self.aggregated.changed.notify_one();
            Status::new(
                503,
                "ServiceUnavailable",
                format!("the server is currently unable to handle the request: {error}"),
            )
        };
        // Who can use it finds it in discovery, too; what was there once is asked itself how it is.
        if let (Some((_, error)), true) = (remote.trouble.clone(), remote.resources.is_empty()) {
            return Some(Err(unavailable(error)));
        }
        Some(remote.target(self).await.map_err(|error| unavailable(error.to_string())))
    }
}

/// Follows the `APIService`s until the server stops.
pub async fn run(api: Arc<Api>) {
    let client = Local::new(&api, User::internal("system:aggregator"), "kube-aggregator");
    let checker = tokio::spawn(check_all(Arc::clone(&api), client.clone()));
    let mut pause = Pause::new();
    while !api.shutdown.has_begun() {
        pause.begin();
        if let Ok(mut watch) = client.watch(API_SERVICES, &Choice::default(), "").await {
            follow(&api, &client, &mut *watch).await;
        }
        pause.wait(&api.shutdown).await;
    }
    checker.abort();
}

async fn follow(api: &Api, client: &Local, watch: &mut dyn Watch) {
    let mut specs: BTreeMap<String, Value> = BTreeMap::new();
    while let Ok(event) = watch.next().await {
        let aggregated = &api.aggregated;
        match event {
            Event::Bookmark(_) => continue,
            Event::Deleted(service) => {
                specs.remove(object::name(&service));
                aggregated.write().remove(object::name(&service));
            }
            Event::Applied(service) => {
                let name = object::name(&service).to_owned();
                let spec = service.get("spec").cloned().unwrap_or_default();
                // Changes of its status are our own.
                if specs.insert(name.clone(), spec.clone()) == Some(spec) {
                    continue;
                }
                let remote = Remote::of(&service);
                let is_local = remote.is_none();
                aggregated.know(name.clone(), remote);
                if is_local {
                    tell(client, &name, ("True", "Local", LOCAL)).await;
                }
            }
        }
        aggregated.changed.notify_one();
    }
}

/// Asks those that are in trouble what they have, again and again; the others when a call failed.
async fn check_all(api: Arc<Api>, client: Local) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut is_all_well = true;
        for remote in api.aggregated.all() {
            let name = format!("{}.{}", remote.version, remote.group);
            let (resources, trouble) = match check(&api, &remote).await {
                Ok(resources) => (resources, None),
                Err(trouble) => (remote.resources.clone(), Some(trouble)),
            };
            is_all_well &= trouble.is_none();
            // Whoever is served finds it said already.
            let said = match &trouble {
                None => ("True", "Passed", "all checks passed"),
                Some((reason, message)) => ("False", *reason, &**message),
            };
            tell(&client, &name, said).await;
            if let Some(known) = api.aggregated.write().get_mut(&name) {
                (known.resources, known.trouble) = (resources, trouble);
            }
        }
        if is_all_well {
            pause = FIRST_PAUSE;
            api.aggregated.changed.notified().await;
        } else {
            tokio::select! {
                () = api.aggregated.changed.notified() => pause = FIRST_PAUSE,
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LAST_PAUSE),
            }
        }
    }
}

async fn check(api: &Api, remote: &Remote) -> Result<Vec<Resource>, (&'static str, String)> {
    let failing = |error: CallError| match error {
        CallError::Service(missing) => {
            use crate::outgoing::service::Missing;
            let reason = match missing {
                Missing::Service { .. } => "ServiceNotFound",
                Missing::Port { .. } => "ServicePortError",
                Missing::Endpoints { .. } => "MissingEndpoints",
                _ => "ServiceAccessError",
            };
            (reason, missing.to_string())
        }
        other => ("FailedDiscoveryCheck", other.to_string()),
    };
    let mut target = remote.target(api).await.map_err(failing)?;
    // It lets nobody look who is nobody.
    crate::proxy::name(&mut target.headers, &User::internal("system:kube-aggregator"));
    let path = format!("/apis/{}/{}", remote.group, remote.version);
    let (code, body) = api.outgoing.get(&target, &path, DISCOVERY_TIME).await.map_err(failing)?;
    if code != 200 {
        let text = format!("failing or missing response from {path}: bad status {code}");
        return Err(("FailedDiscoveryCheck", text));
    }
    let list: Value = serde_json::from_slice(&body).unwrap_or_default();
    let resources = list.get("resources").and_then(Value::as_array);
    Ok(resources
        .into_iter()
        .flatten()
        .take(MAX_RESOURCES)
        .filter_map(|it| resource(remote, it))
        .collect())
}

/// A line of an `APIResourceList`. Subresources are shown with their resource, or not at all.
fn resource(remote: &Remote, line: &Value) -> Option<Resource> {
    let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let texts = |name: &str| -> Vec<Cow<'static, str>> {
        let all = line.get(name).and_then(Value::as_array).into_iter().flatten();
        all.filter_map(Value::as_str).map(|text| text.to_owned().into()).collect()
    };
    let plural = text("name");
    if plural.is_empty() || plural.contains('/') {
        return None;
    }
    Some(Resource {
        group: remote.group.clone().into(),
        version: remote.version.clone().into(),
        list_kind: format!("{}List", text("kind")).into(),
        kind: text("kind").into(),
        plural: plural.into(),
        singular: text("singularName").into(),
        short: texts("shortNames"),
        categories: texts("categories"),
        scope: match line.get("namespaced") {
            Some(Value::Bool(true)) => Scope::Namespaced,
            _ => Scope::Cluster,
        },
        verbs: texts("verbs"),
        subresources: Vec::new(),
        type_name: "".into(),
    })
}

/// Says in its status how it is. Other conditions are others'.
async fn tell(client: &Local, name: &str, said: Said<'_>) {
    let Ok(found) = client.get(API_SERVICES, "", name).await else { return };
    let Some(condition) = told(&found, said, &client.now()) else { return };
    let patch = json!({ "status": { "conditions": [condition] } });
    // Told anew when it changes again; nobody else writes it.
    let _ = client.patch(API_SERVICES, ("", name), "status", Patch::Strategic, patch).await;
}

/// Its condition as it is to be, if that is news. The time is that of the last change between well and
/// not.
fn told(service: &Value, (status, reason, message): Said<'_>, now: &str) -> Option<Value> {
    let all = object::at(service, &["status", "conditions"]).and_then(Value::as_array);
    let known = all.into_iter().flatten().find(|known| known["type"] == AVAILABLE);
    let is_same = |field: &str, wanted: &str| known.is_some_and(|known| known[field] == wanted);
    if is_same("status", status) && is_same("reason", reason) && is_same("message", message) {
        return None;
    }
    let since = known.filter(|_| is_same("status", status));
    let since = since.map_or_else(|| now.into(), |known| known["lastTransitionTime"].clone());
    Some(json!({
        "type": AVAILABLE, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": since,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_news_is_told_and_the_time_is_that_of_the_change() {
        let told = |service: &Value, said| told(service, said, "now");
        let unknown =
            json!({ "status": { "conditions": [{ "type": "Other", "status": "True" }] } });
        let first = told(&unknown, ("False", "A", "a")).expect("news");
        assert_eq!(
            (&first["type"], &first["lastTransitionTime"]),
            (&json!(AVAILABLE), &json!("now"))
        );
        let mut known = first;
        known["lastTransitionTime"] = "then".into();
        let service = json!({ "status": { "conditions": [{ "type": "Other" }, known] } });
        assert_eq!(told(&service, ("False", "A", "a")), None);
        let since = |said| told(&service, said).expect("news")["lastTransitionTime"].clone();
        assert_eq!(since(("False", "B", "b")), "then");
        assert_eq!(since(("True", "A", "a")), "now");
    }
}

//! Requests for certificates: nodes' are approved where the one who asks may have them, approved ones
//! are signed by the cluster's authority, old ones go.
//!
//! It is here and not with the other controllers because it holds the authority's key. What is decided
//! is pure and in [`plan`]; it sleeps until a request changes or the oldest is to go. Several servers on
//! one store do the same: the one that is later meets a conflict, and leaves it at that.

mod plan;

pub(crate) use plan::{CLIENT, NODE_CLIENT, NODE_SERVER, parse};

use crate::api::Api;
use crate::auth::{Attributes, Decision, User};
use crate::local::Local;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use plan::{Step, due};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use teu_api::{Status, object};
use teu_client::{Choice, Client as _, Deletion, Event, Kind};
use teu_pki::Authority;

const REQUESTS: Kind<'static> =
    Kind { group: "certificates.k8s.io", version: "v1", plural: "certificatesigningrequests" };
/// Before a watch that broke off begins anew.
const PAUSE: Duration = Duration::from_secs(1);

/// The groups that a certificate would have that is asked for; none of what cannot be read, which is
/// never signed.
pub(crate) fn groups_of(request: &Value) -> Vec<String> {
    parse(request).map(|asked| asked.subject.organizations).unwrap_or_default()
}

/// Runs until the server stops.
pub async fn run(api: Arc<Api>, authority: Arc<Authority>) {
    let client = |name: &str| {
        let user = User::internal(&format!("system:serviceaccount:kube-system:{name}"));
        Local::new(&api, user, name)
    };
    let keeper = Keeper {
        approver: client("certificate-controller"),
        cleaner: client("certificate-cleaner"),
        api: Arc::clone(&api),
        authority,
    };
    loop {
        tokio::select! {
            () = keeper.keep() => {}
            () = api.shutdown.begun() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = api.shutdown.begun() => return,
        }
    }
}

struct Keeper {
    api: Arc<Api>,
    approver: Local,
    cleaner: Local,
    authority: Arc<Authority>,
}

impl Keeper {
    /// Until the watch breaks off.
    async fn keep(&self) {
        let watch = self.approver.watch(REQUESTS, &Choice::default(), "").await;
        let Ok(mut watch) = watch else { return };
        // When each is to go.
        let mut ends = BTreeMap::<String, i64>::new();
        loop {
            let now = self.api.wall.seconds();
            let wait = ends.values().min().map(|first| (*first - now).max(0).unsigned_abs());
            let event = tokio::select! {
                event = watch.next() => event,
                () = tokio::time::sleep(Duration::from_secs(wait.unwrap_or(0))), if wait.is_some() => {
                    self.clean(&mut ends).await;
                    continue;
                }
            };
            match event {
                Ok(Event::Applied(request)) => {
                    ends.insert(object::name(&request).to_owned(), due(&request));
                    // What another changed meanwhile comes again.
                    let _ = self.step(&request).await;
                }
                Ok(Event::Deleted(request)) => drop(ends.remove(object::name(&request))),
                Ok(Event::Bookmark(_)) => {}
                Err(_) => return,
            }
        }
    }

    async fn clean(&self, ends: &mut BTreeMap<String, i64>) {
        let now = self.api.wall.seconds();
        for (name, end) in ends.iter_mut().filter(|(_, end)| **end <= now) {
            // Looked at again: it may be another by now.
            let found = self.cleaner.get(REQUESTS, "", name).await;
            *end = match found {
                Ok(request) if due(&request) <= now => {
                    let uid = Some(object::uid(&request).to_owned());
                    let how = Deletion { uid, ..Deletion::default() };
                    let _ = self.cleaner.delete(REQUESTS, ("", name), &how).await;
                    now + plan::HOUR
                }
                Ok(request) => due(&request),
                Err(_) => now + plan::HOUR,
            };
        }
    }

    async fn step(&self, request: &Value) -> Result<(), Status> {
        let now = self.api.wall.seconds();
        match plan::step(request, now) {
            Step::Nothing => Ok(()),
            Step::Ask(ways) => {
                for way in ways {
                    if self.may(request, way.subresource).await {
                        let condition = json!({
                            "type": "Approved", "status": "True", "reason": "AutoApproved",
                            "message": way.message,
                        });
                        return self.conclude(request, "approval", condition).await;
                    }
                }
                Ok(())
            }
            Step::Fail(why) => {
                let condition = json!({
                    "type": "Failed", "status": "True", "reason": "SignerValidationFailure",
                    "message": why,
                });
                self.conclude(request, "status", condition).await
            }
            Step::Sign(asked, grant) => {
                let pem = self.authority.sign(&asked, &grant).map_err(Status::internal)?;
                let mut new = request.clone();
                let status = object::child_mut(&mut new, "status");
                status.insert("certificate".to_owned(), STANDARD.encode(pem).into());
                self.approver.update(REQUESTS, "status", new).await.map(|_| ())
            }
        }
    }

    async fn conclude(
        &self,
        request: &Value,
        subresource: &str,
        condition: Value,
    ) -> Result<(), Status> {
        let mut new = request.clone();
        let status = object::child_mut(&mut new, "status");
        let conditions = status.entry("conditions").or_insert_with(|| json!([]));
        if let Some(conditions) = conditions.as_array_mut() {
            conditions.push(condition);
        }
        self.approver.update(REQUESTS, subresource, new).await.map(|_| ())
    }

    /// Whether the one who asked may have it without anybody's approval.
    async fn may(&self, request: &Value, subresource: &str) -> bool {
        let user = plan::asker(request);
        let attributes = Attributes {
            user: &user,
            verb: "create",
            path: "",
            group: REQUESTS.group,
            version: "*",
            resource: REQUESTS.plural,
            subresource,
            namespace: "",
            name: "",
            fields: "",
        };
        let decision = self.api.authorizer.authorize(&self.api, &attributes).await;
        matches!(decision, Decision::Allow(_))
    }
}

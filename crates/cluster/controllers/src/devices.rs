//! Claims of devices: made for pods from their templates, and let go when no pod uses them any more.
//!
//! What devices there are and who gets which is the scheduler's: here is only what follows for claims.
//! [`make`] looks at pods, [`release`] at claims.

mod plan;

use crate::Context;
use crate::claim::controller;
use crate::desk::{Controller, Desk};
use crate::mirror::{Key, Mirror, Object, controller_uid, key_of};
use crate::pods::is_of_ending_namespace;
use crate::resources::{DEVICE_CLAIMS, DEVICE_TEMPLATES, PODS};
use crate::worker::{AT_ONCE, Look};
use plan::{Named, is_done, named};
use serde_json::{Value, json};
use std::sync::Arc;
use teu_api::{Status, object};
use teu_client::Deletion;

struct Makes {
    context: Context,
    pods: Arc<Mirror>,
    claims: Arc<Mirror>,
    templates: Arc<Mirror>,
}

/// Makes the claims of pods. Runs until the future is dropped.
pub async fn make(context: Context) {
    let mut desk = Desk::new(&context);
    let pods = desk.reads(PODS);
    let (claims, templates) = (desk.reads(DEVICE_CLAIMS), desk.reads(DEVICE_TEMPLATES));
    desk.on(&pods, |change, queue| {
        if let Some(pod) = change.after.as_ref().filter(|pod| named(pod).next().is_some()) {
            queue.add(key_of(pod));
        }
    });
    for mirror in [&claims, &templates] {
        let known = Arc::clone(&pods);
        desk.on(mirror, move |change, queue| {
            let Some(newest) = change.newest() else { return };
            let name = object::name(newest);
            let mut pods = known.in_namespace(object::namespace(newest));
            pods.retain(|pod| named(pod).any(|it| it.names(name)));
            pods.iter().for_each(|pod| queue.add(key_of(pod)));
        });
    }
    desk.work(AT_ONCE, Makes { context, pods, claims, templates }).await;
}

impl Controller for Makes {
    async fn look(&self, key: &Key) -> Look {
        let Some(pod) = self.pods.at(key) else { return Ok(None) };
        if object::is_terminating(&pod) || is_done(&pod) {
            return Ok(None);
        }
        let (mut made, mut claims) = (Vec::new(), Vec::new());
        for entry in named(&pod) {
            match self.claim_of(&pod, &entry).await? {
                Some((claim, true)) => {
                    let name = object::name(&claim);
                    made.push(json!({ "name": entry.name, "resourceClaimName": name }));
                    claims.push(claim);
                }
                Some((claim, false)) => claims.push(claim),
                None => {}
            }
        }
        if !made.is_empty() {
            let at = (object::namespace(&pod), object::name(&pod));
            let status = json!({ "resourceClaimStatuses": made });
            let patch = json!({ "metadata": { "uid": object::uid(&pod) }, "status": status });
            match self.context.patch(PODS, at, "status", patch).await {
                Err(status) if !matches!(status.code, 404 | 409) => return Err(status),
                _ => {}
            }
        }
        for claim in claims {
            // Who chose the node by hand left out the scheduler, which reserves.
            if let Some(status) = plan::reserved(&claim, &pod) {
                self.context.write_status(DEVICE_CLAIMS, &claim, status).await?;
            }
        }
        Ok(None)
    }
}

impl Makes {
    /// The claim of an entry, and whether the pod does not say so yet.
    async fn claim_of(
        &self,
        pod: &Value,
        entry: &Named<'_>,
    ) -> Result<Option<(Object, bool)>, Status> {
        let namespace = object::namespace(pod);
        let found = entry.claim.and_then(|name| self.claims.get(namespace, name));
        let is_of_pod = |claim: &Value| {
            entry.template.is_none() || controller_uid(claim) == Some(object::uid(pod))
        };
        if let Some(found) = found.filter(|claim| is_of_pod(claim)) {
            return Ok(Some((found, false)));
        }
        let Some(name) = entry.template.filter(|_| entry.is_needed) else { return Ok(None) };
        let mut own = self.claims.controlled_by(object::uid(pod)).into_iter();
        // A look that was cut off made it.
        if let Some(known) = own.find(|claim| plan::entry_of(claim) == Some(entry.name)) {
            return Ok(Some((known, true)));
        }
        let Some(template) = self.templates.get(namespace, name) else {
            let text = format!(
                "PodResourceClaim {}: resource claim template {name:?}: resourceclaimtemplate.resource.k8s.io {name:?} not found",
                entry.name
            );
            self.context.recorder.warning(pod, "FailedResourceClaimCreation", text);
            return Ok(None);
        };
        let claim = plan::make(pod, entry.name, &template);
        match self.context.create(DEVICE_CLAIMS, namespace, claim).await {
            Ok(made) => Ok(Some((Object::new(made), true))),
            Err(status) if is_of_ending_namespace(&status) => Ok(None),
            Err(status) => {
                let text = format!("PodResourceClaim {}: {}", entry.name, status.message);
                self.context.recorder.warning(pod, "FailedResourceClaimCreation", text);
                Err(status)
            }
        }
    }
}

struct Releases {
    context: Context,
    pods: Arc<Mirror>,
    claims: Arc<Mirror>,
}

/// Lets claims go that no pod uses. Runs until the future is dropped.
pub async fn release(context: Context) {
    let mut desk = Desk::new(&context);
    let (claims, pods) = (desk.each(DEVICE_CLAIMS), desk.reads(PODS));
    let known = Arc::clone(&claims);
    desk.on(&pods, move |change, queue| {
        let Some(pod) = change.newest().filter(|pod| named(pod).next().is_some()) else { return };
        if change.after.as_ref().is_some_and(|pod| !is_done(pod)) {
            return;
        }
        let mut claims = known.in_namespace(object::namespace(pod));
        claims.retain(|claim| {
            plan::is_reserved(claim, pod) || controller_uid(claim) == Some(object::uid(pod))
        });
        claims.iter().for_each(|claim| queue.add(key_of(claim)));
    });
    desk.work(AT_ONCE, Releases { context, pods, claims }).await;
}

impl Controller for Releases {
    async fn look(&self, key: &Key) -> Look {
        let Some(claim) = self.claims.at(key) else { return Ok(None) };
        let mut gone = Vec::new();
        for user in plan::users(&claim) {
            if !self.runs(&claim, user).await? {
                gone.push(user.clone());
            }
        }
        let mut now = Value::clone(&claim);
        let released = plan::released(&claim, &gone);
        let is_over = released.is_some() || object::is_terminating(&claim);
        if let Some(status) = released {
            now["status"] = status;
            now = self.context.update(DEVICE_CLAIMS, "status", now).await?;
        }
        if let Some(free) = plan::without_protection(&now).filter(|_| is_over) {
            now = self.context.update(DEVICE_CLAIMS, "", free).await?;
        }
        // It was made for a pod that is through.
        let owner = controller(&now).filter(|owner| owner["kind"] == "Pod");
        let is_free = plan::users(&now).next().is_none() && !object::is_terminating(&now);
        if let Some(owner) = owner.filter(|_| is_free) {
            let name = owner["name"].as_str().unwrap_or_default();
            let pod = self.pods.get(object::namespace(&now), name);
            if pod.is_some_and(|pod| owner["uid"] != object::uid(&pod) || is_done(&pod)) {
                self.context.delete(DEVICE_CLAIMS, &now, Deletion::default()).await?;
            }
        }
        Ok(None)
    }
}

impl Releases {
    /// Whether somebody for whom a claim is reserved may still use it. Only pods can be asked.
    async fn runs(&self, claim: &Value, user: &Value) -> Result<bool, Status> {
        if user["resource"] != "pods" {
            return Ok(true);
        }
        let (namespace, name) = (object::namespace(claim), user["name"].as_str());
        let name = name.unwrap_or_default();
        let is_it = |pod: &Value| user["uid"] == object::uid(pod) && !is_done(pod);
        if let Some(pod) = self.pods.get(namespace, name) {
            return Ok(is_it(&pod));
        }
        // The mirror may not show it yet.
        match self.context.client.get(PODS, namespace, name).await {
            Ok(pod) => Ok(is_it(&pod)),
            Err(status) if status.code == 404 => Ok(false),
            Err(status) => Err(status),
        }
    }
}

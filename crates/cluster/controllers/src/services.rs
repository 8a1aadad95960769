//! Where a service's traffic may go: Endpoints and EndpointSlices, of services with a selector and of
//! those whose Endpoints somebody wrote himself.
//!
//! ```text
//! service + pods + nodes ─▶ selected ─▶ Endpoints
//!                                   └─▶ groups ─▶ slices ─▶ EndpointSlices
//! Endpoints of a service without a selector ─▶ custom ─▶ groups ─┘
//! ```
//! All decisions are pure: [`selected`] and [`custom`] say what follows, [`slices`] how it lies in
//! slices. Two loops write it: [`run`] for the first, [`mirror`] for the second.

mod backend;
mod custom;
mod ports;
mod selected;
mod slices;
#[cfg(test)]
mod tests;

use crate::Context;
use crate::desk::{Controller, Desk};
use crate::mirror::{Key, Mirror, key, key_of, parts};
use crate::resources::{ENDPOINTS, NODES, PODS, SERVICES, SLICES};
use crate::worker::{AT_ONCE, Look};
use backend::Backend;
use serde_json::{Value, json};
use slices::Plan;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use teu_api::{Status, object};
use teu_client::Deletion;

/// Where a node is.
const ZONE: &str = "topology.kubernetes.io/zone";

struct Endpoints {
    context: Context,
    services: Arc<Mirror>,
    pods: Arc<Mirror>,
    nodes: Arc<Mirror>,
    slices: Arc<Mirror>,
    endpoints: Arc<Mirror>,
    /// Services that went, whose Endpoints are to follow.
    gone: Arc<Mutex<HashSet<Key>>>,
}

/// Keeps Endpoints and slices of services with a selector. Runs until the future is dropped.
pub async fn run(context: Context) {
    let mut desk = Desk::new(&context);
    let this = Endpoints {
        services: desk.reads(SERVICES),
        pods: desk.reads(PODS),
        nodes: desk.reads(NODES),
        slices: desk.reads(SLICES),
        endpoints: desk.each(ENDPOINTS),
        gone: Arc::default(),
        context,
    };
    this.subscribe(&mut desk);
    desk.work(AT_ONCE, this).await;
}

impl Controller for Endpoints {
    async fn look(&self, key: &Key) -> Look {
        let Some(service) = self.services.at(key) else { return self.follow(key).await };
        self.gone().remove(key);
        let Some(selector) = selected::selector(&service) else { return Ok(None) };
        let (namespace, name) = parts(key);
        let found = self.pods.selected(namespace, &json!({ "matchLabels": selector }));
        let pods: Vec<Backend> = found.iter().filter_map(|pod| Backend::of(pod)).collect();
        let zone = |node: &str| {
            let node = self.nodes.get("", node).filter(|_| !node.is_empty())?;
            object::label(&node, ZONE).map(str::to_owned)
        };
        let groups = selected::groups(&service, pods.iter(), &zone);
        let existing = slices_of(&self.slices, namespace, name, selected::MANAGER);
        let plan = slices::plan(&selected::frame(&service), groups, &existing);
        apply(&self.context, namespace, plan).await.or_else(unless_over)?;
        let before = self.endpoints.at(key);
        let wanted = selected::endpoints(&service, pods.iter(), before.as_deref());
        let written = match before {
            Some(before) if *before == wanted => return Ok(None),
            Some(_) => self.context.update(ENDPOINTS, "", wanted).await,
            None => self.context.create(ENDPOINTS, namespace, wanted).await,
        };
        written.map(|_| ()).or_else(unless_over)?;
        Ok(None)
    }
}

impl Endpoints {
    fn subscribe(&self, desk: &mut Desk) {
        let gone = Arc::clone(&self.gone);
        desk.on(&self.services, move |change, queue| {
            let Some(newest) = change.newest() else { return };
            if change.after.is_none() {
                gone.lock().unwrap_or_else(PoisonError::into_inner).insert(key_of(newest));
            }
            queue.add(key_of(newest));
        });
        let services = Arc::clone(&self.services);
        desk.on(&self.pods, move |change, queue| {
            let of = |pod: &Option<Arc<Value>>| pod.as_deref().and_then(Backend::of);
            let (before, after) = (of(&change.before), of(&change.after));
            let Some(newest) = change.newest().filter(|_| before != after) else { return };
            for service in services.in_namespace(object::namespace(newest)) {
                let Some(selector) = selected::selector(&service) else { continue };
                if before.iter().chain(&after).any(|pod| pod.is_selected(selector)) {
                    queue.add(key_of(&service));
                }
            }
        });
        let services = Arc::clone(&self.services);
        desk.on(&self.nodes, move |change, queue| {
            let zone = |node: &Option<Arc<Value>>| {
                node.as_deref().and_then(|node| object::label(node, ZONE)).map(str::to_owned)
            };
            if zone(&change.before) != zone(&change.after) {
                services.all().iter().for_each(|service| queue.add(key_of(service)));
            }
        });
        watch_slices(desk, &self.slices, selected::MANAGER);
    }

    fn gone(&self) -> std::sync::MutexGuard<'_, HashSet<Key>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its slices belong to it and go by themselves; its Endpoints do not.
    async fn follow(&self, key: &Key) -> Look {
        let is_ours = |endpoints: &Arc<Value>| selected::is_kept(endpoints);
        let gone = self.gone().contains(key);
        if let Some(endpoints) = self.endpoints.at(key).filter(|it| gone || is_ours(it)) {
            self.context.delete(ENDPOINTS, &endpoints, Deletion::default()).await?;
        }
        self.gone().remove(key);
        Ok(None)
    }
}

struct Mirrored {
    context: Context,
    services: Arc<Mirror>,
    slices: Arc<Mirror>,
    endpoints: Arc<Mirror>,
}

/// Keeps the slices of Endpoints that somebody wrote himself. Runs until the future is dropped.
pub async fn mirror(context: Context) {
    let mut desk = Desk::new(&context);
    let (services, endpoints) = (desk.each(SERVICES), desk.each(ENDPOINTS));
    let slices = desk.reads(SLICES);
    watch_slices(&mut desk, &slices, custom::MANAGER);
    desk.work(AT_ONCE, Mirrored { context, services, slices, endpoints }).await;
}

impl Controller for Mirrored {
    async fn look(&self, key: &Key) -> Look {
        let (namespace, name) = parts(key);
        let has_selector = |service: Arc<Value>| selected::selector(&service).is_some();
        let is_ours = self.services.at(key).is_some_and(|service| !has_selector(service));
        let existing = slices_of(&self.slices, namespace, name, custom::MANAGER);
        let found = self.endpoints.at(key);
        let plan = match found.filter(|found| is_ours && custom::is_mirrored(found)) {
            Some(found) => slices::plan(&custom::frame(&found), custom::groups(&found), &existing),
            None => Plan { delete: existing, ..Plan::default() },
        };
        apply(&self.context, namespace, plan).await.or_else(unless_over)?;
        Ok(None)
    }
}

/// The slices that one of us keeps for a service.
fn slices_of(slices: &Mirror, namespace: &str, service: &str, manager: &str) -> Vec<Arc<Value>> {
    let labels = json!({ selected::SERVICE_NAME: service, selected::MANAGED_BY: manager });
    slices.selected(namespace, &json!({ "matchLabels": labels }))
}

/// Has services looked at whose slices change.
fn watch_slices(desk: &mut Desk, slices: &Arc<Mirror>, manager: &'static str) {
    desk.on(slices, move |change, queue| {
        for slice in change.before.iter().chain(&change.after) {
            let service = object::label(slice, selected::SERVICE_NAME);
            let is_ours = object::label(slice, selected::MANAGED_BY) == Some(manager);
            if let Some(service) = service.filter(|_| is_ours) {
                queue.add(key(object::namespace(slice), service));
            }
        }
    });
}

/// Makes and changes first, so that no endpoint is missing from all slices meanwhile.
async fn apply(context: &Context, namespace: &str, plan: Plan) -> Result<(), Status> {
    for slice in plan.create {
        context.create(SLICES, namespace, slice).await?;
    }
    for slice in plan.update {
        context.update(SLICES, "", slice).await?;
    }
    for slice in &plan.delete {
        context.delete(SLICES, slice, Deletion::default()).await?;
    }
    Ok(())
}

/// Nothing is made in a namespace that is going, and nobody needs to try again.
fn unless_over(status: Status) -> Result<(), Status> {
    if status.code == 403 || status.code == 404 { Ok(()) } else { Err(status) }
}

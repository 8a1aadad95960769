//! Volumes and claims: bound to each other (only volumes that are there: nobody here makes one), in the
//! right phase, and kept while they are in use.
//!
//! A binding is written volume first: a claim that has been told of a volume has it for itself. Every
//! step can be done again, so a server that dies between two leaves nothing half.

mod plan;

use crate::Context;
use crate::desk::{Controller, Desk};
use crate::finalizers;
use crate::mirror::{Key, Mirror, key, key_of, parts};
use crate::resources::{CLAIMS, PODS, STORAGE_CLASSES, VOLUMES};
use crate::worker::Look;
use plan::{BY_CONTROLLER, Binding, COMPLETED, Step, class, is_for, phase, uses};
use serde_json::{Value, json};
use std::sync::Arc;
use teu_api::{Status, object};
use teu_client::{Choice, Kind};

const CLAIM_IN_USE: &str = "kubernetes.io/pvc-protection";
const VOLUME_IN_USE: &str = "kubernetes.io/pv-protection";
/// Two claims at once could choose one volume.
const AT_ONCE: usize = 1;

struct Volumes {
    context: Context,
    volumes: Arc<Mirror>,
    claims: Arc<Mirror>,
    pods: Arc<Mirror>,
}

/// Runs until the future is dropped.
pub async fn run(context: Context) {
    let mut desk = Desk::new(&context);
    let volumes = desk.reads(VOLUMES);
    let claims = desk.reads(CLAIMS);
    let pods = desk.reads(PODS);
    subscribe(&mut desk, &volumes, &claims, &pods);
    desk.work(AT_ONCE, Volumes { context, volumes, claims, pods }).await;
}

impl Controller for Volumes {
    async fn look(&self, key: &Key) -> Look {
        match parts(key) {
            ("", _) => self.volume(key).await,
            _ => self.claim(key).await,
        }
    }
}

fn text<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    object::text(object, path).unwrap_or_default()
}

fn subscribe(desk: &mut Desk, volumes: &Arc<Mirror>, claims: &Arc<Mirror>, pods: &Arc<Mirror>) {
    let known = Arc::clone(claims);
    desk.on(volumes, move |change, queue| {
        let Some(volume) = change.newest() else { return };
        queue.add(key_of(volume));
        let reference = ["namespace", "name"].map(|it| text(volume, &["spec", "claimRef", it]));
        if !reference[1].is_empty() {
            queue.add(key(reference[0], reference[1]));
        }
        // It may be what a claim waits for, or has lost.
        let waits = |claim: &Arc<Value>| {
            let wanted = text(claim, &["spec", "volumeName"]);
            wanted == object::name(volume) || wanted.is_empty() && class(claim) == class(volume)
        };
        known.all().iter().filter(|it| waits(it)).for_each(|it| queue.add(key_of(it)));
    });
    desk.on(claims, |change, queue| {
        let Some(claim) = change.newest() else { return };
        queue.add(key_of(claim));
        let volume = text(claim, &["spec", "volumeName"]);
        if !volume.is_empty() {
            queue.add(key("", volume));
        }
    });
    let known = Arc::clone(claims);
    desk.on(pods, move |change, queue| {
        let Some(pod) = change.newest().filter(|_| change.after.is_none()) else { return };
        let used = known.in_namespace(object::namespace(pod));
        let used = used.iter().filter(|it| object::is_terminating(it));
        used.filter(|it| uses(pod, object::name(it))).for_each(|it| queue.add(key_of(it)));
    });
}

impl Volumes {
    async fn volume(&self, key: &Key) -> Look {
        let Some(volume) = self.volumes.at(key) else { return Ok(None) };
        let reference = ["namespace", "name"].map(|it| text(&volume, &["spec", "claimRef", it]));
        let claim = self.claims.get(reference[0], reference[1]);
        let phase = phase(&volume, claim.as_deref());
        if text(&volume, &["status", "phase"]) != phase {
            self.set_phase(&volume, phase).await?;
            return Ok(None);
        }
        let is_going = object::is_terminating(&volume);
        self.protect(VOLUMES, &volume, VOLUME_IN_USE, is_going && phase != "Bound").await?;
        Ok(None)
    }

    async fn set_phase(&self, volume: &Value, phase: &str) -> Result<Value, Status> {
        let mut new = volume.clone();
        let status = object::child_mut(&mut new, "status");
        status.insert("phase".to_owned(), phase.into());
        for field in ["message", "reason"] {
            status.shift_remove(field);
        }
        self.context.update(VOLUMES, "status", new).await
    }

    async fn claim(&self, key: &Key) -> Look {
        let Some(claim) = self.claims.at(key) else { return Ok(None) };
        if object::is_terminating(&claim) {
            let (namespace, name) = parts(key);
            let may_go =
                finalizers::has(&claim, CLAIM_IN_USE) && !self.is_used(namespace, name).await?;
            self.protect(CLAIMS, &claim, CLAIM_IN_USE, may_go).await?;
            return Ok(None);
        }
        if self.protect(CLAIMS, &claim, CLAIM_IN_USE, false).await? {
            return Ok(None);
        }
        let (binding, provisioner) = self.class_of(&claim).await?;
        let recorder = &self.context.recorder;
        match plan::claim(&claim, &self.volumes.all(), binding) {
            Step::Wait => {}
            Step::Bind(volume) => self.bind(&claim, &volume).await?,
            Step::Lost(reason, why) => {
                if text(&claim, &["status", "phase"]) != "Lost" {
                    recorder.warning(&claim, reason, why);
                    let mut status = claim["status"].clone();
                    status["phase"] = "Lost".into();
                    self.context.write_status(CLAIMS, &claim, status).await?;
                }
            }
            Step::Consumer => recorder.normal(
                &claim,
                "WaitForFirstConsumer",
                "waiting for first consumer to be created before binding",
            ),
            Step::None => self.ask_others(&claim, provisioner.as_deref()).await?,
        }
        Ok(None)
    }

    /// Whether a pod uses a claim. What goes is gone for good, so the mirror, which may be behind, has only the
    /// first word.
    async fn is_used(&self, namespace: &str, name: &str) -> Result<bool, Status> {
        if self.pods.in_namespace(namespace).iter().any(|pod| uses(pod, name)) {
            return Ok(true);
        }
        let here = Choice { namespace: namespace.to_owned(), ..Choice::default() };
        let pods = self.context.client.list(PODS, &here).await?.items;
        Ok(pods.iter().any(|pod| uses(pod, name)))
    }

    /// When the claim's class binds, and who makes its volumes.
    async fn class_of(&self, claim: &Value) -> Result<(Binding, Option<String>), Status> {
        let name = class(claim);
        let is_bound = !text(claim, &["spec", "volumeName"]).is_empty();
        if name.is_empty() || is_bound {
            return Ok((Binding::Immediate, None));
        }
        match self.context.client.get(STORAGE_CLASSES, "", name).await {
            Ok(class) => {
                let binding = match text(&class, &["volumeBindingMode"]) {
                    "WaitForFirstConsumer" => Binding::WaitForFirstConsumer,
                    _ => Binding::Immediate,
                };
                let provisioner = text(&class, &["provisioner"]).to_owned();
                Ok((binding, Some(provisioner)))
            }
            Err(status) if status.code == 404 => Ok((Binding::Immediate, None)),
            Err(status) => Err(status),
        }
    }

    /// Says that no volume fits, and to whom it is to make one.
    async fn ask_others(&self, claim: &Value, provisioner: Option<&str>) -> Result<(), Status> {
        const ASKED: &str = "volume.kubernetes.io/storage-provisioner";
        const NOBODY: &str = "kubernetes.io/no-provisioner";
        let recorder = &self.context.recorder;
        let Some(provisioner) = provisioner.filter(|it| !it.is_empty() && *it != NOBODY) else {
            let why = match class(claim) {
                "" => "no persistent volumes available for this claim and no storage class is set",
                _ => "no persistent volume fits this claim, and its storage class makes none",
            };
            recorder.normal(claim, "FailedBinding", why);
            return Ok(());
        };
        let why = format!(
            "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered."
        );
        recorder.normal(claim, "ExternalProvisioning", why);
        if object::text(claim, &["metadata", "annotations", ASKED]) != Some(provisioner) {
            let annotations = json!({ ASKED: provisioner });
            let patch = json!({ "metadata": { "annotations": annotations } });
            let at = (object::namespace(claim), object::name(claim));
            self.context.patch(CLAIMS, at, "", patch).await?;
        }
        Ok(())
    }

    /// Writes what is missing of a binding: the volume first.
    async fn bind(&self, claim: &Value, volume: &Value) -> Result<(), Status> {
        let mut volume = volume.clone();
        if text(&volume, &["spec", "claimRef", "uid"]) != object::uid(claim) {
            let is_chosen = is_for(&volume, claim);
            let spec = object::child_mut(&mut volume, "spec");
            spec.insert(
                "claimRef".to_owned(),
                json!({
                    "kind": "PersistentVolumeClaim", "apiVersion": "v1",
                    "namespace": object::namespace(claim), "name": object::name(claim),
                    "uid": object::uid(claim), "resourceVersion": claim["metadata"]["resourceVersion"],
                }),
            );
            if !is_chosen {
                annotate(&mut volume, BY_CONTROLLER);
            }
            volume = self.context.update(VOLUMES, "", volume).await?;
        }
        if text(&volume, &["status", "phase"]) != "Bound" {
            volume = self.set_phase(&volume, "Bound").await?;
        }
        let mut claim = claim.clone();
        if object::text(&claim, &["metadata", "annotations", COMPLETED]).is_none() {
            if text(&claim, &["spec", "volumeName"]).is_empty() {
                let spec = object::child_mut(&mut claim, "spec");
                spec.insert("volumeName".to_owned(), object::name(&volume).into());
                annotate(&mut claim, BY_CONTROLLER);
            }
            annotate(&mut claim, COMPLETED);
            claim = self.context.update(CLAIMS, "", claim).await?;
        }
        if text(&claim, &["status", "phase"]) != "Bound" {
            let mut status = claim["status"].clone();
            status["phase"] = "Bound".into();
            status["accessModes"] = volume["spec"]["accessModes"].clone();
            status["capacity"] = volume["spec"]["capacity"].clone();
            self.context.write_status(CLAIMS, &claim, status).await?;
        }
        Ok(())
    }

    /// Sees to the finalizer that keeps what is in use: there, or gone if it may go. Whether anything
    /// was written.
    async fn protect(
        &self,
        kind: Kind<'_>,
        object: &Value,
        finalizer: &str,
        may_go: bool,
    ) -> Result<bool, Status> {
        let new = match (finalizers::has(object, finalizer), may_go) {
            (true, true) => finalizers::without(object, finalizer),
            (false, false) if !object::is_terminating(object) => {
                finalizers::with(object, finalizer)
            }
            _ => return Ok(false),
        };
        self.context.update(kind, "", new).await.map(|_| true)
    }
}

fn annotate(object: &mut Value, key: &str) {
    let all = object::metadata_mut(object).entry("annotations").or_insert_with(|| json!({}));
    all[key] = "yes".into();
}

//! Keeps nodes' taints in step with what they say of themselves: one that is not ready, was lost, is short
//! of something or takes no pods says so by a taint, which keeps new pods away.
//!
//! A node that is as it should be costs one look at what it said; nothing is asked again and again.

use crate::api::Api;
use crate::auth::User;
use crate::local::Local;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use teu_api::admission::trouble;
use teu_api::{Status, object};
use teu_client::{Choice, Client, Event, Kind};

const NODES: Kind<'static> = Kind { group: "", version: "v1", plural: "nodes" };
/// Before a watch that broke off, or a write that failed, is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs until the server stops.
pub async fn run(api: Arc<Api>) {
    let user = User::internal("system:serviceaccount:kube-system:node-controller");
    let client = Local::new(&api, user, "kube-controller-manager");
    while !api.shutdown.has_begun() {
        // What could not be written is looked at again with everything else.
        let _ = follow(&client).await;
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = api.shutdown.begun() => return,
        }
    }
}

async fn follow(client: &Local) -> Result<(), Status> {
    let mut watch = client.watch(NODES, &Choice::default(), "").await?;
    loop {
        if let Event::Applied(node) = watch.next().await? {
            settle(client, node).await?;
        }
    }
}

async fn settle(client: &Local, mut node: Value) -> Result<(), Status> {
    let Some(taints) = trouble::mended(&node, &client.now()) else { return Ok(()) };
    object::child_mut(&mut node, "spec").insert("taints".to_owned(), taints.into());
    match client.update(NODES, "", node).await {
        // It changed, and comes again.
        Err(status) if matches!(status.reason, "Conflict" | "NotFound") => Ok(()),
        done => done.map(|_| ()),
    }
}

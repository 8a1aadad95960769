//! The list of controllers: who each of them is, and what its events are called.

use crate::resources::{REPLICA_SETS, REPLICATION_CONTROLLERS};
use crate::{Context, Office};
use crate::{accounts, cron, daemon, deployment, job, replicas, stateful, tokens, ttl};
use crate::{devices, disruption, ephemeral, networks, pod_garbage, quota, services, volumes};
use std::sync::Arc;
use teu_client::Client;

/// Runs them all until the future is dropped. `client` makes the API for one who is called
/// `system:serviceaccount:kube-system:NAME`.
pub async fn run(office: &Office, client: impl Fn(&str) -> Arc<dyn Client>, authority_pem: String) {
    let context = |name: &'static str| -> Context { office.context(client(name), name) };
    tokio::join!(
        accounts::run(context("service-account-controller"), authority_pem),
        services::run(context("endpoint-controller")),
        services::mirror(context("endpointslicemirroring-controller")),
        networks::run(context("service-cidr-controller")),
        disruption::run(context("disruption-controller")),
        quota::run(context("resourcequota-controller")),
        volumes::run(context("persistent-volume-binder")),
        ephemeral::run(context("ephemeral-volume-controller")),
        devices::make(context("resource-claim-controller")),
        devices::release(context("resource-claim-controller")),
        pod_garbage::run(context("pod-garbage-collector")),
        replicas::run(context("replicaset-controller"), REPLICA_SETS),
        replicas::run(context("replication-controller"), REPLICATION_CONTROLLERS),
        deployment::run(context("deployment-controller")),
        job::run(context("job-controller")),
        cron::run(context("cronjob-controller")),
        stateful::run(context("statefulset-controller")),
        daemon::run(office.context(client("daemon-set-controller"), "daemonset-controller")),
        tokens::run(context("token-cleaner")),
        ttl::run(context("ttl-after-finished-controller")),
    );
}

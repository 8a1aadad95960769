//! The list of controllers: who each of them is, and what its events are called.

use crate::resources::{REPLICA_SETS, REPLICATION_CONTROLLERS};
use crate::{Context, Office};
use crate::{
    account_tokens, accounts, cron, daemon, deployment, job, replicas, stateful, tokens, ttl,
};
use crate::{devices, disruption, ephemeral, networks, pod_garbage, quota, services, volumes};
use std::sync::Arc;
use teu_client::Client;

/// What they need beside the API.
pub struct Means {
    /// The cluster's authority.
    pub authority_pem: String,
    /// Who makes accounts' tokens; none where nobody does.
    pub issuer: Option<Arc<dyn account_tokens::Issuer>>,
}

impl std::fmt::Debug for Means {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Means").finish_non_exhaustive()
    }
}

/// Runs them all until the future is dropped. `client` makes the API for one who is called
/// `system:serviceaccount:kube-system:NAME`.
pub async fn run(office: &Office, client: impl Fn(&str) -> Arc<dyn Client>, means: Means) {
    let context = |name: &'static str| -> Context { office.context(client(name), name) };
    let Means { authority_pem, issuer } = means;
    let tokens = issuer.map(|issuer| {
        let context = context("serviceaccount-token-controller");
        account_tokens::run(context, authority_pem.clone(), issuer)
    });
    tokio::join!(
        accounts::run(context("service-account-controller"), authority_pem),
        async {
            if let Some(tokens) = tokens {
                tokens.await;
            }
        },
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

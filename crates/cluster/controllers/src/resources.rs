//! The resources that controllers read and write, each named once.

use teu_client::Kind;

const fn core(plural: &'static str) -> Kind<'static> {
    Kind { group: "", version: "v1", plural }
}

const fn of(group: &'static str, plural: &'static str) -> Kind<'static> {
    Kind { group, version: "v1", plural }
}

/// Pods.
pub const PODS: Kind<'static> = core("pods");
/// Nodes.
pub const NODES: Kind<'static> = core("nodes");
/// Namespaces.
pub const NAMESPACES: Kind<'static> = core("namespaces");
/// Service accounts.
pub const ACCOUNTS: Kind<'static> = core("serviceaccounts");
/// Config maps.
pub const CONFIG_MAPS: Kind<'static> = core("configmaps");
/// Secrets.
pub const SECRETS: Kind<'static> = core("secrets");
/// Events.
pub const EVENTS: Kind<'static> = core("events");
/// Services.
pub const SERVICES: Kind<'static> = core("services");
/// Endpoints.
pub const ENDPOINTS: Kind<'static> = core("endpoints");
/// Quotas.
pub const QUOTAS: Kind<'static> = core("resourcequotas");
/// Persistent volumes.
pub const VOLUMES: Kind<'static> = core("persistentvolumes");
/// Claims of persistent volumes.
pub const CLAIMS: Kind<'static> = core("persistentvolumeclaims");
/// Replication controllers.
pub const REPLICATION_CONTROLLERS: Kind<'static> = core("replicationcontrollers");

/// Replica sets.
pub const REPLICA_SETS: Kind<'static> = of("apps", "replicasets");
/// Deployments.
pub const DEPLOYMENTS: Kind<'static> = of("apps", "deployments");
/// Stateful sets.
pub const STATEFUL_SETS: Kind<'static> = of("apps", "statefulsets");
/// Daemon sets.
pub const DAEMON_SETS: Kind<'static> = of("apps", "daemonsets");
/// Controller revisions.
pub const REVISIONS: Kind<'static> = of("apps", "controllerrevisions");
/// Jobs.
pub const JOBS: Kind<'static> = of("batch", "jobs");
/// Cron jobs.
pub const CRON_JOBS: Kind<'static> = of("batch", "cronjobs");

/// Endpoint slices.
pub const SLICES: Kind<'static> = of("discovery.k8s.io", "endpointslices");
/// Ranges of services' addresses.
pub const SERVICE_RANGES: Kind<'static> = of("networking.k8s.io", "servicecidrs");
/// Addresses of services.
pub const ADDRESSES: Kind<'static> = of("networking.k8s.io", "ipaddresses");
/// Disruption budgets.
pub const BUDGETS: Kind<'static> = of("policy", "poddisruptionbudgets");
/// Storage classes.
pub const STORAGE_CLASSES: Kind<'static> = of("storage.k8s.io", "storageclasses");
/// Definitions of custom resources.
pub const DEFINITIONS: Kind<'static> = of("apiextensions.k8s.io", "customresourcedefinitions");
/// Leases.
pub const LEASES: Kind<'static> = of("coordination.k8s.io", "leases");
/// Claims of devices.
pub const DEVICE_CLAIMS: Kind<'static> = of("resource.k8s.io", "resourceclaims");
/// What claims of devices are made from.
pub const DEVICE_TEMPLATES: Kind<'static> = of("resource.k8s.io", "resourceclaimtemplates");

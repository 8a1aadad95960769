//! The built-in resources: every stable one of Kubernetes 1.37, in the order of discovery.
//!
//! Groups come in the order of their priority, the preferred version of a group before its others,
//! resources by name.

use super::Resource;
use super::entry::{Entry, Part, Set};
use std::sync::LazyLock;

const ALL: &[&str] = &["all"];
const EXTENSION: &[&str] = &["api-extensions"];
const CREATE: &[&str] = &["create"];
const READ: &[&str] = &["get", "list"];
const PROXY: &[&str] = &["create", "delete", "get", "patch", "update"];
const STREAM: &[&str] = &["create", "get"];
const STATUS: &[Part] = &[Part::STATUS];
const SCALED: &[Part] = &[Part::SCALE, Part::STATUS];

const TABLE: &[Set] = &[
    Set { group: "", version: "v1", package: "io.k8s.api.core", entries: CORE },
    Set {
        group: "apiregistration.k8s.io",
        version: "v1",
        package: "io.k8s.kube-aggregator.pkg.apis.apiregistration",
        entries: &[Entry::cluster("APIService", "apiservices").categories(EXTENSION).parts(STATUS)],
    },
    Set { group: "apps", version: "v1", package: "io.k8s.api.apps", entries: APPS },
    Set {
        group: "events.k8s.io",
        version: "v1",
        package: "io.k8s.api.events",
        entries: &[Entry::namespaced("Event", "events").short(&["ev"])],
    },
    Set {
        group: "authentication.k8s.io",
        version: "v1",
        package: "io.k8s.api.authentication",
        entries: &[
            Entry::cluster("SelfSubjectReview", "selfsubjectreviews").verbs(CREATE),
            Entry::cluster("TokenReview", "tokenreviews").verbs(CREATE),
        ],
    },
    Set {
        group: "authorization.k8s.io",
        version: "v1",
        package: "io.k8s.api.authorization",
        entries: &[
            Entry::namespaced("LocalSubjectAccessReview", "localsubjectaccessreviews")
                .verbs(CREATE),
            Entry::cluster("SelfSubjectAccessReview", "selfsubjectaccessreviews").verbs(CREATE),
            Entry::cluster("SelfSubjectRulesReview", "selfsubjectrulesreviews").verbs(CREATE),
            Entry::cluster("SubjectAccessReview", "subjectaccessreviews").verbs(CREATE),
        ],
    },
    Set { group: "autoscaling", version: "v2", package: "io.k8s.api.autoscaling", entries: SCALER },
    Set { group: "autoscaling", version: "v1", package: "io.k8s.api.autoscaling", entries: SCALER },
    Set {
        group: "batch",
        version: "v1",
        package: "io.k8s.api.batch",
        entries: &[
            Entry::namespaced("CronJob", "cronjobs").short(&["cj"]).categories(ALL).parts(STATUS),
            Entry::namespaced("Job", "jobs").categories(ALL).parts(STATUS),
        ],
    },
    Set {
        group: "certificates.k8s.io",
        version: "v1",
        package: "io.k8s.api.certificates",
        entries: &[
            Entry::cluster("CertificateSigningRequest", "certificatesigningrequests")
                .short(&["csr"])
                .parts(&[Part::written("approval"), Part::STATUS]),
            Entry::cluster("ClusterTrustBundle", "clustertrustbundles"),
            Entry::namespaced("PodCertificateRequest", "podcertificaterequests").parts(STATUS),
        ],
    },
    Set {
        group: "networking.k8s.io",
        version: "v1",
        package: "io.k8s.api.networking",
        entries: NETWORKING,
    },
    Set {
        group: "policy",
        version: "v1",
        package: "io.k8s.api.policy",
        entries: &[Entry::namespaced("PodDisruptionBudget", "poddisruptionbudgets")
            .short(&["pdb"])
            .parts(STATUS)],
    },
    Set {
        group: "rbac.authorization.k8s.io",
        version: "v1",
        package: "io.k8s.api.rbac",
        entries: &[
            Entry::cluster("ClusterRoleBinding", "clusterrolebindings"),
            Entry::cluster("ClusterRole", "clusterroles"),
            Entry::namespaced("RoleBinding", "rolebindings"),
            Entry::namespaced("Role", "roles"),
        ],
    },
    Set { group: "storage.k8s.io", version: "v1", package: "io.k8s.api.storage", entries: STORAGE },
    Set {
        group: "admissionregistration.k8s.io",
        version: "v1",
        package: "io.k8s.api.admissionregistration",
        entries: ADMISSION,
    },
    Set {
        group: "apiextensions.k8s.io",
        version: "v1",
        package: "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
        entries: &[Entry::cluster("CustomResourceDefinition", "customresourcedefinitions")
            .short(&["crd", "crds"])
            .categories(EXTENSION)
            .parts(STATUS)],
    },
    Set {
        group: "scheduling.k8s.io",
        version: "v1",
        package: "io.k8s.api.scheduling",
        entries: &[Entry::cluster("PriorityClass", "priorityclasses").short(&["pc"])],
    },
    Set {
        group: "coordination.k8s.io",
        version: "v1",
        package: "io.k8s.api.coordination",
        entries: &[Entry::namespaced("Lease", "leases")],
    },
    Set {
        group: "node.k8s.io",
        version: "v1",
        package: "io.k8s.api.node",
        entries: &[Entry::cluster("RuntimeClass", "runtimeclasses")],
    },
    Set {
        group: "discovery.k8s.io",
        version: "v1",
        package: "io.k8s.api.discovery",
        entries: &[Entry::namespaced("EndpointSlice", "endpointslices")],
    },
    Set {
        group: "flowcontrol.apiserver.k8s.io",
        version: "v1",
        package: "io.k8s.api.flowcontrol",
        entries: &[
            Entry::cluster("FlowSchema", "flowschemas").parts(STATUS),
            Entry::cluster("PriorityLevelConfiguration", "prioritylevelconfigurations")
                .parts(STATUS),
        ],
    },
    Set {
        group: "resource.k8s.io",
        version: "v1",
        package: "io.k8s.api.resource",
        entries: &[
            Entry::cluster("DeviceClass", "deviceclasses"),
            Entry::cluster("DeviceTaintRule", "devicetaintrules").parts(STATUS),
            Entry::namespaced("ResourceClaim", "resourceclaims").parts(STATUS),
            Entry::namespaced("ResourceClaimTemplate", "resourceclaimtemplates"),
            Entry::cluster("ResourceSlice", "resourceslices"),
        ],
    },
    Set {
        group: "storagemigration.k8s.io",
        version: "v1",
        package: "io.k8s.api.storagemigration",
        entries: &[
            Entry::cluster("StorageVersionMigration", "storageversionmigrations").parts(STATUS)
        ],
    },
];

const CORE: &[Entry] = &[
    Entry::namespaced("Binding", "bindings").verbs(CREATE),
    Entry::cluster("ComponentStatus", "componentstatuses").verbs(READ).short(&["cs"]),
    Entry::namespaced("ConfigMap", "configmaps").short(&["cm"]),
    Entry::namespaced("Endpoints", "endpoints").short(&["ep"]),
    Entry::namespaced("Event", "events").short(&["ev"]),
    Entry::namespaced("LimitRange", "limitranges").short(&["limits"]),
    Entry::cluster("Namespace", "namespaces")
        .verbs(&["create", "delete", "get", "list", "patch", "update", "watch"])
        .short(&["ns"])
        .parts(&[Part::of("finalize", &["update"]), Part::STATUS]),
    Entry::cluster("Node", "nodes")
        .short(&["no"])
        .parts(&[Part::of("proxy", PROXY).is("", "v1", "NodeProxyOptions"), Part::STATUS]),
    Entry::namespaced("PersistentVolumeClaim", "persistentvolumeclaims")
        .short(&["pvc"])
        .parts(STATUS),
    Entry::cluster("PersistentVolume", "persistentvolumes").short(&["pv"]).parts(STATUS),
    Entry::namespaced("Pod", "pods").short(&["po"]).categories(ALL).parts(&[
        Part::of("attach", STREAM).is("", "v1", "PodAttachOptions"),
        Part::of("binding", CREATE).is("", "v1", "Binding"),
        Part::written("ephemeralcontainers"),
        Part::of("eviction", CREATE).is("policy", "v1", "Eviction"),
        Part::of("exec", STREAM).is("", "v1", "PodExecOptions"),
        Part::of("log", &["get"]),
        Part::of("portforward", STREAM).is("", "v1", "PodPortForwardOptions"),
        Part::of("proxy", PROXY).is("", "v1", "PodProxyOptions"),
        Part::written("resize"),
        Part::STATUS,
    ]),
    Entry::namespaced("PodTemplate", "podtemplates"),
    Entry::namespaced("ReplicationController", "replicationcontrollers")
        .short(&["rc"])
        .categories(ALL)
        .parts(SCALED),
    Entry::namespaced("ResourceQuota", "resourcequotas").short(&["quota"]).parts(STATUS),
    Entry::namespaced("Secret", "secrets"),
    Entry::namespaced("ServiceAccount", "serviceaccounts")
        .short(&["sa"])
        .parts(&[Part::of("token", CREATE).is("authentication.k8s.io", "v1", "TokenRequest")]),
    Entry::namespaced("Service", "services")
        .short(&["svc"])
        .categories(ALL)
        .parts(&[Part::of("proxy", PROXY).is("", "v1", "ServiceProxyOptions"), Part::STATUS]),
];

const APPS: &[Entry] = &[
    Entry::namespaced("ControllerRevision", "controllerrevisions"),
    Entry::namespaced("DaemonSet", "daemonsets").short(&["ds"]).categories(ALL).parts(STATUS),
    Entry::namespaced("Deployment", "deployments").short(&["deploy"]).categories(ALL).parts(SCALED),
    Entry::namespaced("ReplicaSet", "replicasets").short(&["rs"]).categories(ALL).parts(SCALED),
    Entry::namespaced("StatefulSet", "statefulsets").short(&["sts"]).categories(ALL).parts(SCALED),
];

const SCALER: &[Entry] =
    &[Entry::namespaced("HorizontalPodAutoscaler", "horizontalpodautoscalers")
        .short(&["hpa"])
        .categories(ALL)
        .parts(STATUS)];

const NETWORKING: &[Entry] = &[
    Entry::cluster("IngressClass", "ingressclasses"),
    Entry::namespaced("Ingress", "ingresses").short(&["ing"]).parts(STATUS),
    Entry::cluster("IPAddress", "ipaddresses").short(&["ip"]),
    Entry::namespaced("NetworkPolicy", "networkpolicies").short(&["netpol"]),
    Entry::cluster("ServiceCIDR", "servicecidrs").parts(STATUS),
];

const STORAGE: &[Entry] = &[
    Entry::cluster("CSIDriver", "csidrivers"),
    Entry::cluster("CSINode", "csinodes").parts(STATUS),
    Entry::namespaced("CSIStorageCapacity", "csistoragecapacities"),
    Entry::cluster("StorageClass", "storageclasses").short(&["sc"]),
    Entry::cluster("VolumeAttachment", "volumeattachments").parts(STATUS),
    Entry::cluster("VolumeAttributesClass", "volumeattributesclasses").short(&["vac"]),
];

const ADMISSION: &[Entry] = &[
    Entry::cluster("MutatingAdmissionPolicy", "mutatingadmissionpolicies").categories(EXTENSION),
    Entry::cluster("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings")
        .categories(EXTENSION),
    Entry::cluster("MutatingWebhookConfiguration", "mutatingwebhookconfigurations")
        .categories(EXTENSION),
    Entry::cluster("ValidatingAdmissionPolicy", "validatingadmissionpolicies")
        .categories(EXTENSION)
        .parts(STATUS),
    Entry::cluster("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings")
        .categories(EXTENSION),
    Entry::cluster("ValidatingWebhookConfiguration", "validatingwebhookconfigurations")
        .categories(EXTENSION),
];

/// Every built-in resource: by the priority of groups, the preferred version of a group first.
pub fn resources() -> &'static [Resource] {
    static RESOURCES: LazyLock<Vec<Resource>> = LazyLock::new(|| {
        TABLE.iter().flat_map(|set| set.entries.iter().map(|entry| entry.build(set))).collect()
    });
    &RESOURCES
}

/// The built-in resource of this group, version and name in paths.
pub fn find(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    resources().iter().find(|resource| {
        resource.group == group && resource.version == version && resource.plural == plural
    })
}

/// The built-in groups with their versions, in the order of discovery: core (`""`) first, the preferred
/// version of each first.
pub fn groups() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for set in TABLE {
        match groups.last_mut() {
            Some((group, versions)) if *group == set.group => versions.push(set.version),
            _ => groups.push((set.group, vec![set.version])),
        }
    }
    groups
}

/// The version of a built-in group that clients should use.
pub fn preferred_version(group: &str) -> Option<&'static str> {
    TABLE.iter().find(|set| set.group == group).map(|set| set.version)
}

/// What types of a built-in group are called: `io.k8s.api.apps`.
pub(crate) fn package(group: &str) -> Option<&'static str> {
    TABLE.iter().find(|set| set.group == group).map(|set| set.package)
}

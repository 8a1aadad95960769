//! Which roles and bindings: those of Kubernetes, by the names that charts and people bind.

/// A cluster role.
pub struct Role {
    pub name: &'static str,
    /// See [`super::rule_value`].
    pub rules: &'static [&'static str],
    /// Roles that are made of it.
    pub part_of: &'static [&'static str],
    /// What it is made of; empty for its own rules.
    pub made_of: &'static str,
}

/// Whom a binding is for.
pub enum Member {
    User(&'static str),
    Group(&'static str),
    Account(&'static str, &'static str),
}

use Member::{Account, Group, User};

const fn role(name: &'static str, rules: &'static [&'static str]) -> Role {
    Role { name, rules, part_of: &[], made_of: "" }
}

const fn part(
    name: &'static str,
    of: &'static [&'static str],
    rules: &'static [&'static str],
) -> Role {
    Role { name, rules, part_of: of, made_of: "" }
}

const fn made(name: &'static str, part_of: &'static [&'static str]) -> Role {
    Role { name, rules: &[], part_of, made_of: name }
}

pub const ROLES: &[Role] = &[
    role("cluster-admin", &["* | * | *", "* | *"]),
    role(
        "system:discovery",
        &[
            "get | /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/",
        ],
    ),
    role(
        "system:basic-user",
        &[
            "create | authorization.k8s.io | selfsubjectaccessreviews selfsubjectrulesreviews",
            "create | authentication.k8s.io | selfsubjectreviews",
        ],
    ),
    role("system:public-info-viewer", &["get | /healthz /livez /readyz /version /version/"]),
    role(
        "system:monitoring",
        &["get | /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*"],
    ),
    made("admin", &[]),
    made("edit", &["admin"]),
    made("view", &["edit"]),
    part(
        "system:aggregate-to-admin",
        &["admin"],
        &[
            "create | authorization.k8s.io | localsubjectaccessreviews",
            "create delete deletecollection get list patch update watch | rbac.authorization.k8s.io | roles rolebindings",
        ],
    ),
    part(
        "system:aggregate-to-edit",
        &["edit"],
        &[
            "get list watch | core | pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy",
            "impersonate | core | serviceaccounts",
            "create delete deletecollection patch update | core | pods pods/attach pods/exec pods/portforward pods/proxy",
            "create | core | pods/eviction",
            "create delete deletecollection patch update | core | configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy",
            "create | core | serviceaccounts/token",
            "create delete deletecollection patch update | apps | daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale",
            "create delete deletecollection patch update | autoscaling | horizontalpodautoscalers",
            "create delete deletecollection patch update | batch | cronjobs jobs",
            "create delete deletecollection patch update | policy | poddisruptionbudgets",
            "create delete deletecollection patch update | networking.k8s.io | ingresses networkpolicies",
            "create delete deletecollection get list patch update watch | coordination.k8s.io | leases",
        ],
    ),
    part(
        "system:aggregate-to-view",
        &["view"],
        &[
            "get list watch | core | configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status",
            "get list watch | core | bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status",
            "get list watch | core | namespaces",
            "get list watch | discovery.k8s.io | endpointslices",
            "get list watch | apps | controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
            "get list watch | autoscaling | horizontalpodautoscalers horizontalpodautoscalers/status",
            "get list watch | batch | cronjobs cronjobs/status jobs jobs/status",
            "get list watch | policy | poddisruptionbudgets poddisruptionbudgets/status",
            "get list watch | networking.k8s.io | ingresses ingresses/status networkpolicies",
        ],
    ),
    role(
        "system:auth-delegator",
        &[
            "create | authentication.k8s.io | tokenreviews",
            "create | authorization.k8s.io | subjectaccessreviews",
        ],
    ),
    role(
        "system:kubelet-api-admin",
        &[
            "get list watch | core | nodes",
            "proxy | core | nodes",
            "* | core | nodes/checkpoint nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/spec nodes/stats",
        ],
    ),
    role(
        "system:node",
        &[
            "create | authentication.k8s.io | tokenreviews",
            "create | authorization.k8s.io | localsubjectaccessreviews subjectaccessreviews",
            "get list watch | core | services",
            "create get list watch | core | nodes",
            "patch update | core | nodes/status",
            "patch update | core | nodes",
            "create patch update | core events.k8s.io | events",
            "get list watch | core | pods",
            "create delete | core | pods",
            "patch update | core | pods/status",
            "create | core | pods/eviction",
            "get list watch | core | configmaps secrets",
            "get | core | persistentvolumeclaims persistentvolumes",
            "get | core | endpoints",
            "create get list watch | certificates.k8s.io | certificatesigningrequests",
            "create delete get patch update | coordination.k8s.io | leases",
            "get | storage.k8s.io | volumeattachments",
            "create | core | serviceaccounts/token",
            "get patch update | core | persistentvolumeclaims/status",
            "get list watch | storage.k8s.io | csidrivers",
            "create delete get patch update | storage.k8s.io | csinodes",
            "get list watch | node.k8s.io | runtimeclasses",
            "get | resource.k8s.io | resourceclaims",
            "create delete deletecollection get list patch update watch | resource.k8s.io | resourceslices",
        ],
    ),
    role(
        "system:node-proxier",
        &[
            "list watch | core | services",
            "get list watch | core | nodes",
            "create patch update | core events.k8s.io | events",
            "list watch | discovery.k8s.io | endpointslices",
            "list watch | networking.k8s.io | servicecidrs",
        ],
    ),
    role(
        "system:node-bootstrapper",
        &["create get list watch | certificates.k8s.io | certificatesigningrequests"],
    ),
    role(
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        &["create | certificates.k8s.io | certificatesigningrequests/nodeclient"],
    ),
    role(
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        &["create | certificates.k8s.io | certificatesigningrequests/selfnodeclient"],
    ),
    role(
        "system:certificates.k8s.io:kube-apiserver-client-approver",
        &["approve | certificates.k8s.io | signers | kubernetes.io/kube-apiserver-client"],
    ),
    role(
        "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver",
        &["approve | certificates.k8s.io | signers | kubernetes.io/kube-apiserver-client-kubelet"],
    ),
    role(
        "system:certificates.k8s.io:kubelet-serving-approver",
        &["approve | certificates.k8s.io | signers | kubernetes.io/kubelet-serving"],
    ),
    role(
        "system:certificates.k8s.io:legacy-unknown-approver",
        &["approve | certificates.k8s.io | signers | kubernetes.io/legacy-unknown"],
    ),
    role(
        "system:service-account-issuer-discovery",
        &[
            "get | /.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/",
        ],
    ),
    role(
        "system:kube-scheduler",
        &[
            "create patch update | core events.k8s.io | events",
            "create get list update watch | coordination.k8s.io | leases",
            "get list watch | core | nodes",
            "delete get list watch | core | pods",
            "create | core | bindings pods/binding",
            "patch update | core | pods/status",
            "get list watch | core | replicationcontrollers services namespaces persistentvolumes",
            "get list watch | apps | replicasets statefulsets",
            "get list watch | policy | poddisruptionbudgets",
            "get list patch update watch | core | persistentvolumeclaims",
            "create | authentication.k8s.io | tokenreviews",
            "create | authorization.k8s.io | subjectaccessreviews",
            "get list watch | storage.k8s.io | csidrivers csinodes csistoragecapacities storageclasses volumeattachments",
            "get list watch | resource.k8s.io | deviceclasses resourceslices",
            "get list patch update watch | resource.k8s.io | resourceclaims resourceclaims/status",
            "create | core | serviceaccounts/token",
        ],
    ),
    role(
        "system:kube-controller-manager",
        &[
            "create patch update | core events.k8s.io | events",
            "create get list update watch | coordination.k8s.io | leases",
            "create | core | secrets serviceaccounts",
            "delete | core | secrets",
            "get | core | configmaps namespaces secrets serviceaccounts",
            "update | core | secrets serviceaccounts",
            "create | authentication.k8s.io | tokenreviews",
            "create | authorization.k8s.io | subjectaccessreviews",
            "list watch | * | *",
            "create | core | serviceaccounts/token",
        ],
    ),
    role(
        "system:kube-dns",
        &[
            "list watch | core | endpoints services",
            "list watch | discovery.k8s.io | endpointslices",
        ],
    ),
    role(
        "system:persistent-volume-provisioner",
        &[
            "create delete get list watch | core | persistentvolumes",
            "get list update watch | core | persistentvolumeclaims",
            "get list watch | storage.k8s.io | storageclasses",
            "watch | core | events",
            "create patch update | core events.k8s.io | events",
        ],
    ),
];

/// Name, role, whom for.
pub const BINDINGS: &[(&str, &str, &[Member])] = &[
    ("cluster-admin", "cluster-admin", &[Group("system:masters")]),
    ("system:discovery", "system:discovery", &[Group("system:authenticated")]),
    ("system:basic-user", "system:basic-user", &[Group("system:authenticated")]),
    (
        "system:public-info-viewer",
        "system:public-info-viewer",
        &[Group("system:authenticated"), Group("system:unauthenticated")],
    ),
    ("system:monitoring", "system:monitoring", &[Group("system:monitoring")]),
    ("system:node-proxier", "system:node-proxier", &[User("system:kube-proxy")]),
    (
        "system:kube-controller-manager",
        "system:kube-controller-manager",
        &[User("system:kube-controller-manager")],
    ),
    ("system:kube-scheduler", "system:kube-scheduler", &[User("system:kube-scheduler")]),
    ("system:kube-dns", "system:kube-dns", &[Account("kube-system", "kube-dns")]),
    (
        "system:service-account-issuer-discovery",
        "system:service-account-issuer-discovery",
        &[Group("system:serviceaccounts")],
    ),
    ("system:node-bootstrapper", "system:node-bootstrapper", &[Group("system:bootstrappers")]),
    ("system:node", "system:node", &[]),
    // Whoever joins by a bootstrap token gets a node's certificate, and a node its next one.
    (
        "teu:node-autoapprove-bootstrap",
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        &[Group("system:bootstrappers")],
    ),
    (
        "teu:node-autoapprove-renewal",
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        &[Group("system:nodes")],
    ),
];

//! Roles of single namespaces that others bind: who may know how requests are proxied to aggregated APIs, and
//! the locks of a controller manager and a scheduler that run elsewhere. Each may have members from the start.

use super::table::Member::{self, Account, User};

/// A role of a namespace, and its binding.
pub struct Namespaced {
    pub namespace: &'static str,
    pub role: &'static str,
    /// See [`super::rule_value`].
    pub rules: &'static [&'static str],
    pub binding: &'static str,
    pub members: &'static [Member],
}

const SYSTEM: &str = "kube-system";
const LEASES: &str = "get watch list create update | coordination.k8s.io | leases";

pub const NAMESPACED: &[Namespaced] = &[
    Namespaced {
        namespace: SYSTEM,
        role: "extension-apiserver-authentication-reader",
        rules: &["get list watch | core | configmaps | extension-apiserver-authentication"],
        binding: "system::extension-apiserver-authentication-reader",
        members: &[User("system:kube-controller-manager"), User("system:kube-scheduler")],
    },
    Namespaced {
        namespace: SYSTEM,
        role: "system::leader-locking-kube-controller-manager",
        rules: &[
            "watch | core | configmaps",
            "get update | core | configmaps | kube-controller-manager",
            LEASES,
        ],
        binding: "system::leader-locking-kube-controller-manager",
        members: &[
            User("system:kube-controller-manager"),
            Account(SYSTEM, "kube-controller-manager"),
            Account(SYSTEM, "leader-election-controller"),
        ],
    },
    Namespaced {
        namespace: SYSTEM,
        role: "system::leader-locking-kube-scheduler",
        rules: &[
            "watch | core | configmaps",
            "get update | core | configmaps | kube-scheduler",
            LEASES,
        ],
        binding: "system::leader-locking-kube-scheduler",
        members: &[User("system:kube-scheduler"), Account(SYSTEM, "kube-scheduler")],
    },
];

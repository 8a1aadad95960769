//! `Role` and `ClusterRole`.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{labels, name, print};

/// `Role`.
pub const NAMESPACED: Kind = Kind {
    name: name::path_segment,
    check: |role, report| check_rules(role, true, report),
    create_on_update: true,
    columns: print::CREATED,
    cells: print::created,
    ..Kind::namespaced()
};

/// `ClusterRole`.
pub const CLUSTER: Kind = Kind {
    name: name::path_segment,
    check: check_cluster,
    create_on_update: true,
    columns: print::CREATED,
    cells: print::created,
    ..Kind::cluster()
};

fn check_cluster(role: &At, report: &mut Report) {
    check_rules(role, false, report);
    let aggregation = role.get("aggregationRule");
    if !aggregation.is_set() {
        return;
    }
    let selectors = aggregation.get("clusterRoleSelectors");
    if selectors.is_empty() {
        let why = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        report.required(&selectors, why);
    }
    for selector in selectors.items() {
        labels::check(&selector, report);
    }
}

fn check_rules(role: &At, namespaced: bool, report: &mut Report) {
    for rule in role.get("rules").items() {
        if rule.get("verbs").is_empty() {
            report.required(&rule.get("verbs"), "verbs must contain at least one value");
        }
        let urls = rule.get("nonResourceURLs");
        if !urls.is_empty() {
            if namespaced {
                report.invalid(&urls, "namespaced rules cannot apply to non-resource URLs");
            }
            let lists = ["apiGroups", "resources", "resourceNames"];
            if lists.iter().any(|list| !rule.get(list).is_empty()) {
                let why = "rules cannot apply to both regular resources and non-resource URLs";
                report.invalid(&urls, why);
            }
            continue;
        }
        for (list, what) in [("apiGroups", "api group"), ("resources", "resource")] {
            if rule.get(list).is_empty() {
                let why = format!("resource rules must supply at least one {what}");
                report.required(&rule.get(list), &why);
            }
        }
    }
}

//! `RoleBinding` and `ClusterRoleBinding`.

use super::super::equal::same;
use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, name, print};
use super::GROUP;
use serde_json::Value;

/// `RoleBinding`.
pub const NAMESPACED: Kind = Kind {
    name: name::path_segment,
    default,
    check: |binding, report| check(binding, true, report),
    change,
    create_on_update: true,
    columns: "Name,Role,Age,+Users,+Groups,+ServiceAccounts",
    cells,
    ..Kind::namespaced()
};

/// `ClusterRoleBinding`.
pub const CLUSTER: Kind = Kind {
    name: name::path_segment,
    default,
    check: |binding, report| check(binding, false, report),
    change,
    create_on_update: true,
    columns: "Name,Role,Age,+Users,+Groups,+ServiceAccounts",
    cells,
    ..Kind::cluster()
};

fn default(binding: &mut Value) {
    fill::zero(fill::child(binding, "roleRef"), "apiGroup", GROUP);
    for subject in fill::items(binding, "subjects") {
        if ["User", "Group"].contains(&fill::text(subject, "kind")) {
            fill::zero(subject, "apiGroup", GROUP);
        }
    }
}

fn check(binding: &At, namespaced: bool, report: &mut Report) {
    let role = binding.get("roleRef");
    if role.text("apiGroup") != GROUP {
        report.unsupported(&role.get("apiGroup"), &[GROUP]);
    }
    let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    let kind = role.get("kind");
    if !kinds.contains(&kind.str()) {
        report.unsupported(&kind, kinds);
    }
    let own = role.get("name");
    if own.is_empty() {
        report.required(&own, "");
    } else {
        report.each(&own, name::path_segment(own.str(), false));
    }
    for subject in binding.get("subjects").items() {
        check_subject(&subject, namespaced, report);
    }
}

fn check_subject(subject: &At, namespaced: bool, report: &mut Report) {
    let (own, group) = (subject.get("name"), subject.get("apiGroup"));
    if own.is_empty() {
        report.required(&own, "");
    }
    match subject.text("kind") {
        "ServiceAccount" => {
            if !own.is_empty() {
                report.each(&own, name::subdomain(own.str()));
            }
            if !group.is_empty() {
                report.unsupported(&group, &[""]);
            }
            if !namespaced && subject.text("namespace").is_empty() {
                report.required(&subject.get("namespace"), "");
            }
        }
        "User" | "Group" => {
            if group.str() != GROUP {
                report.unsupported(&group, &[GROUP]);
            }
        }
        _ => report.unsupported(&subject.get("kind"), &["ServiceAccount", "User", "Group"]),
    }
}

fn change(binding: &At, old: &At, report: &mut Report) {
    let (role, was) = (binding.get("roleRef"), old.get("roleRef"));
    if !same(role.value, was.value) {
        report.invalid(&role, "cannot change roleRef");
    }
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let binding = At::root(object);
    let role = binding.get("roleRef");
    let names = |kind: &str| {
        let subjects = binding.get("subjects");
        let own = subjects.items().filter(|subject| subject.text("kind") == kind);
        let texts: Vec<String> = own
            .map(|subject| match kind {
                "ServiceAccount" => {
                    format!("{}/{}", subject.text("namespace"), subject.text("name"))
                }
                _ => subject.text("name").to_owned(),
            })
            .collect();
        Value::from(texts.join(", "))
    };
    vec![
        print::name(object),
        format!("{}/{}", role.text("kind"), role.text("name")).into(),
        print::age(object, now),
        names("User"),
        names("Group"),
        names("ServiceAccount"),
    ]
}

//! Roles and bindings.

use super::super::rules;
use super::super::testing::{accepted, changed, refused};
use serde_json::{Value, json};

const GROUP: &str = "rbac.authorization.k8s.io";

fn object(kind: &str, mut fields: Value) -> Value {
    fields["apiVersion"] = "rbac.authorization.k8s.io/v1".into();
    fields["kind"] = kind.into();
    fields["metadata"] = json!({"name": "system:a"});
    if !kind.starts_with("Cluster") {
        fields["metadata"]["namespace"] = "default".into();
    }
    fields
}

#[test]
fn roles() {
    let (role, cluster) = (rules(GROUP, "v1", "Role"), rules(GROUP, "v1", "ClusterRole"));
    let good = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]});
    accepted(&*role, &object("Role", json!({"rules": [good]})));
    let urls = json!({"verbs": ["get"], "nonResourceURLs": ["/healthz"]});
    accepted(&*cluster, &object("ClusterRole", json!({"rules": [urls, good]})));
    refused(
        &*role,
        &object("Role", json!({"rules": [urls, {}]})),
        &[
            "rules[0].nonResourceURLs: Invalid value: [\"/healthz\"]: namespaced rules cannot apply to non-resource URLs",
            "rules[1].verbs: Required value: verbs must contain at least one value",
            "rules[1].apiGroups: Required value: resource rules must supply at least one api group",
            "rules[1].resources: Required value: resource rules must supply at least one resource",
        ],
    );
    refused(
        &*cluster,
        &object("ClusterRole", json!({"aggregationRule": {}})),
        &[
            "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil",
        ],
    );
}

#[test]
fn bindings() {
    let rules = rules(GROUP, "v1", "RoleBinding");
    let binding = |role: &str, subjects: Value| {
        object(
            "RoleBinding",
            json!({"roleRef": {"kind": "Role", "name": role}, "subjects": subjects}),
        )
    };
    let subjects = json!([{"kind": "User", "name": "u"}, {"kind": "Group", "name": "g"},
        {"kind": "ServiceAccount", "name": "s", "namespace": "n"}]);
    let made = accepted(&*rules, &binding("r", subjects.clone()));
    assert_eq!(made["roleRef"]["apiGroup"], GROUP);
    assert_eq!(made["subjects"][0]["apiGroup"], GROUP);
    assert_eq!(made["subjects"][2].get("apiGroup"), None);
    let cells = rules.cells(&made, 0);
    assert_eq!(cells[1], "Role/r");
    assert_eq!(cells[3..], [json!("u"), json!("g"), json!("n/s")]);
    refused(
        &*rules,
        &binding("", json!([{"kind": "Robot"}])),
        &[
            "roleRef.name: Required value",
            "subjects[0].name: Required value",
            "subjects[0].kind: Unsupported value: \"Robot\": supported values: \"ServiceAccount\", \"User\", \"Group\"",
        ],
    );
    changed(
        &*rules,
        &binding("a", subjects.clone()),
        &binding("b", subjects),
        &[
            "roleRef: Invalid value: {\"kind\":\"Role\",\"name\":\"b\",\"apiGroup\":\"rbac.authorization.k8s.io\"}: cannot change roleRef",
        ],
    );
}

//! The levels and schemas that every cluster has, as Kubernetes has them.
//!
//! Those of [`MANDATORY`] are always as they are here; the rest are kept as long as their annotation
//! (or, without one, that nobody has changed them) says so.

use crate::object;
use serde_json::{Value, json};

/// Whether the server keeps an object as it is here.
const AUTOUPDATE: &str = "apf.kubernetes.io/autoupdate-spec";
/// What cannot be otherwise.
const MANDATORY: [&str; 2] = ["exempt", "catch-all"];

/// Name, shares, percent that is lent, and queues, hand and length where requests may wait.
type LevelRow = (&'static str, u32, u32, Option<[u32; 3]>);

const LEVELS: [LevelRow; 7] = [
    ("catch-all", 5, 0, None),
    ("global-default", 20, 50, Some([128, 6, 50])),
    ("leader-election", 10, 0, Some([16, 4, 50])),
    ("node-high", 40, 25, Some([64, 6, 50])),
    ("system", 30, 33, Some([64, 6, 50])),
    ("workload-high", 40, 50, Some([128, 6, 50])),
    ("workload-low", 100, 90, Some([128, 6, 50])),
];

/// Whom a schema is about.
enum Who {
    User(&'static str),
    Group(&'static str),
    /// Of the namespace `kube-system`.
    Account(&'static str),
}

/// Verbs, group, resources, and whether also outside of namespaces.
type Resources = (&'static [&'static str], &'static str, &'static [&'static str], bool);

/// What a schema is about.
enum What {
    Everything,
    Resources(&'static [Resources]),
    Health(&'static [&'static str]),
}

struct SchemaRow {
    name: &'static str,
    level: &'static str,
    precedence: u32,
    by: Option<&'static str>,
    who: &'static [Who],
    what: What,
}

const BY_USER: Option<&str> = Some("ByUser");
const BY_NAMESPACE: Option<&str> = Some("ByNamespace");
const EVERYBODY: &[Who] =
    &[Who::Group("system:unauthenticated"), Who::Group("system:authenticated")];
const MANAGER: Who = Who::User("system:kube-controller-manager");
const SCHEDULER: Who = Who::User("system:kube-scheduler");
const NODES: &[Who] = &[Who::Group("system:nodes")];
const CHANGING: &[&str] = &["get", "create", "update"];
const ELECTION: What = What::Resources(&[(CHANGING, "coordination.k8s.io", &["leases"], false)]);

const SCHEMAS: [SchemaRow; 13] = [
    SchemaRow {
        name: "exempt",
        level: "exempt",
        precedence: 1,
        by: None,
        who: &[Who::Group("system:masters")],
        what: What::Everything,
    },
    SchemaRow {
        name: "catch-all",
        level: "catch-all",
        precedence: 10_000,
        by: BY_USER,
        who: EVERYBODY,
        what: What::Everything,
    },
    SchemaRow {
        name: "probes",
        level: "exempt",
        precedence: 2,
        by: None,
        who: EVERYBODY,
        what: What::Health(&["/healthz", "/readyz", "/livez"]),
    },
    SchemaRow {
        name: "system-leader-election",
        level: "leader-election",
        precedence: 100,
        by: BY_USER,
        who: &[MANAGER, SCHEDULER, Who::Account("*")],
        what: ELECTION,
    },
    SchemaRow {
        name: "endpoint-controller",
        level: "workload-high",
        precedence: 150,
        by: BY_USER,
        who: &[
            MANAGER,
            Who::Account("endpoint-controller"),
            Who::Account("endpointslicemirroring-controller"),
        ],
        what: What::Resources(&[(CHANGING, "", &["endpoints"], false)]),
    },
    SchemaRow {
        name: "workload-leader-election",
        level: "leader-election",
        precedence: 200,
        by: BY_USER,
        who: &[Who::Account("*")],
        what: ELECTION,
    },
    SchemaRow {
        name: "system-node-high",
        level: "node-high",
        precedence: 400,
        by: BY_USER,
        who: NODES,
        what: What::Resources(&[
            (&["*"], "", &["nodes", "nodes/status"], true),
            (&["*"], "coordination.k8s.io", &["leases"], false),
        ]),
    },
    SchemaRow {
        name: "system-nodes",
        level: "system",
        precedence: 500,
        by: BY_USER,
        who: NODES,
        what: What::Everything,
    },
    SchemaRow {
        name: "kube-controller-manager",
        level: "workload-high",
        precedence: 800,
        by: BY_NAMESPACE,
        who: &[MANAGER],
        what: What::Everything,
    },
    SchemaRow {
        name: "kube-scheduler",
        level: "workload-high",
        precedence: 800,
        by: BY_NAMESPACE,
        who: &[SCHEDULER],
        what: What::Everything,
    },
    SchemaRow {
        name: "kube-system-service-accounts",
        level: "workload-high",
        precedence: 900,
        by: BY_NAMESPACE,
        who: &[Who::Account("*")],
        what: What::Everything,
    },
    SchemaRow {
        name: "service-accounts",
        level: "workload-low",
        precedence: 9000,
        by: BY_USER,
        who: &[Who::Group("system:serviceaccounts")],
        what: What::Everything,
    },
    SchemaRow {
        name: "global-default",
        level: "global-default",
        precedence: 9900,
        by: BY_USER,
        who: EVERYBODY,
        what: What::Everything,
    },
];

/// A kind of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `prioritylevelconfigurations`.
    Level,
    /// `flowschemas`.
    Schema,
}

impl Kind {
    /// Its name in paths.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Level => "prioritylevelconfigurations",
            Self::Schema => "flowschemas",
        }
    }
}

/// All of them, levels first.
pub fn all() -> Vec<(Kind, Value)> {
    let levels = std::iter::once(exempt()).chain(LEVELS.iter().map(level));
    let levels = levels.map(|level| (Kind::Level, level));
    levels.chain(SCHEMAS.iter().map(|row| (Kind::Schema, schema(row)))).collect()
}

/// Whether an object cannot be otherwise.
pub fn is_mandatory(wanted: &Value) -> bool {
    MANDATORY.contains(&object::name(wanted))
}

/// The old object as it should be; `None` if it is, or is its owner's.
pub fn mended(old: &Value, wanted: &Value) -> Option<Value> {
    let said = object::text(old, &["metadata", "annotations", AUTOUPDATE]);
    let is_ours = match said {
        _ if is_mandatory(wanted) => true,
        Some(said) => said == "true",
        None => object::generation(old) <= 1,
    };
    let is_exempt = wanted["spec"]["type"] == "Exempt";
    let mut spec = wanted["spec"].clone();
    if is_exempt && let Some(own) = object::at(old, &["spec", "exempt"]) {
        // Of this one, how much it lends is its owner's to say.
        spec["exempt"] = own.clone();
    }
    if !is_ours || (covers(&old["spec"], &spec) && said == Some("true")) {
        return None;
    }
    let mut new = old.clone();
    new["spec"] = spec;
    let metadata = object::metadata_mut(&mut new);
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(AUTOUPDATE.to_owned(), "true".into());
    }
    Some(new)
}

/// Whether all that is wanted is there; what defaults added does not matter.
fn covers(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(name, wanted)| found.get(name).is_some_and(|found| covers(found, wanted))),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len()
                && found.iter().zip(wanted).all(|(found, wanted)| covers(found, wanted))
        }
        _ => found == wanted,
    }
}

fn metadata(name: &str) -> Value {
    json!({ "name": name, "annotations": { AUTOUPDATE: "true" } })
}

fn exempt() -> Value {
    let spec = json!({
        "type": "Exempt", "exempt": { "nominalConcurrencyShares": 0, "lendablePercent": 0 },
    });
    json!({ "metadata": metadata("exempt"), "spec": spec })
}

fn level((name, shares, lent, queues): &LevelRow) -> Value {
    let response = match queues {
        None => json!({ "type": "Reject" }),
        Some([queues, hand, length]) => json!({
            "type": "Queue",
            "queuing": { "queues": queues, "handSize": hand, "queueLengthLimit": length },
        }),
    };
    let limited = json!({
        "nominalConcurrencyShares": shares, "lendablePercent": lent, "limitResponse": response,
    });
    json!({ "metadata": metadata(name), "spec": { "type": "Limited", "limited": limited } })
}

fn schema(row: &SchemaRow) -> Value {
    let mut rule = json!({ "subjects": row.who.iter().map(subject).collect::<Vec<_>>() });
    let (everywhere, paths): (&[Resources], &[&str]) = match row.what {
        What::Everything => (&[(&["*"], "*", &["*"], true)], &["*"]),
        What::Resources(resources) => (resources, &[]),
        What::Health(paths) => (&[], paths),
    };
    if !everywhere.is_empty() {
        rule["resourceRules"] = everywhere.iter().map(resources).collect();
    }
    if !paths.is_empty() {
        let verb = if paths == ["*"] { "*" } else { "get" };
        rule["nonResourceRules"] = json!([{ "verbs": [verb], "nonResourceURLs": paths }]);
    }
    let mut spec = json!({
        "priorityLevelConfiguration": { "name": row.level },
        "matchingPrecedence": row.precedence, "rules": [rule],
    });
    if let Some(by) = row.by {
        spec["distinguisherMethod"] = json!({ "type": by });
    }
    json!({ "metadata": metadata(row.name), "spec": spec })
}

fn subject(who: &Who) -> Value {
    match who {
        Who::User(name) => json!({ "kind": "User", "user": { "name": name } }),
        Who::Group(name) => json!({ "kind": "Group", "group": { "name": name } }),
        Who::Account(name) => {
            let account = json!({ "name": name, "namespace": "kube-system" });
            json!({ "kind": "ServiceAccount", "serviceAccount": account })
        }
    }
}

fn resources((verbs, group, resources, is_cluster_wide): &Resources) -> Value {
    let mut rule = json!({
        "verbs": verbs, "apiGroups": [group], "resources": resources, "namespaces": ["*"],
    });
    if *is_cluster_wide {
        rule["clusterScope"] = true.into();
    }
    rule
}

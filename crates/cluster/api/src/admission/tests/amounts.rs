//! Limits and quotas.

use crate::admission::limits::{check_claim, check_pod, fill_pod};
use crate::admission::quota::{
    charge, growth, kind_of, must_specify, status, takes, usage, version_of,
};
use serde_json::{Value, json};

fn pod(resources: Value) -> Value {
    json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "resources": resources}]}})
}

fn ranges(limit: Value) -> Vec<Value> {
    vec![json!({"metadata": {"name": "l"}, "spec": {"limits": [limit]}})]
}

#[test]
fn filled_by_limits() {
    let ranges = ranges(
        json!({"type": "Container", "default": {"cpu": "2", "memory": "1Gi"}, "defaultRequest": {"cpu": "1"}}),
    );
    let mut object = pod(json!({"limits": {"memory": "2Gi"}}));
    fill_pod(&mut object, &ranges);
    assert_eq!(
        object["spec"]["containers"][0]["resources"],
        json!({"limits": {"memory": "2Gi", "cpu": "2"}, "requests": {"cpu": "1"}})
    );
    assert_eq!(
        object["metadata"]["annotations"]["kubernetes.io/limit-ranger"],
        "LimitRanger plugin set: cpu limit for container c; cpu request for container c"
    );
    let mut full = pod(json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1"}}));
    let before = full.clone();
    fill_pod(&mut full, &ranges);
    assert_eq!(full, before);
}

#[test]
fn checked_by_limits() {
    let check = |limit: Value, resources: Value, expected: &[&str]| {
        assert_eq!(check_pod(&pod(resources), &ranges(limit)), expected);
    };
    let least = json!({"type": "Container", "min": {"cpu": "100m"}});
    check(least.clone(), json!({"requests": {"cpu": "0.1"}}), &[]);
    check(
        least.clone(),
        json!({"requests": {"cpu": "50m"}}),
        &["minimum cpu usage per Container is 100m, but request is 50m"],
    );
    check(least, json!({}), &["minimum cpu usage per Container is 100m.  No request is specified"]);
    let most = json!({"type": "Container", "max": {"memory": "1Gi"}});
    check(most.clone(), json!({"limits": {"memory": "1024Mi"}}), &[]);
    check(
        most.clone(),
        json!({"limits": {"memory": "2Gi"}}),
        &["maximum memory usage per Container is 1Gi, but limit is 2Gi"],
    );
    check(
        most,
        json!({"requests": {"memory": "1"}}),
        &["maximum memory usage per Container is 1Gi.  No limit is specified"],
    );
    let ratio = json!({"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}});
    check(ratio.clone(), json!({"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}), &[]);
    check(
        ratio,
        json!({"limits": {"cpu": "3"}, "requests": {"cpu": "1"}}),
        &["cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000"],
    );
    let claim = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}});
    let storage = ranges(json!({"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}}));
    assert_eq!(
        check_claim(&claim, &storage),
        ["maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi"]
    );
}

#[test]
fn usages() {
    let check = |group: &str, resource: &str, object: Value, expected: Value| {
        let found: serde_json::Map<String, Value> = usage(group, resource, &object)
            .into_iter()
            .map(|(name, amount)| (name, amount.to_string().into()))
            .collect();
        assert_eq!(Value::Object(found), expected, "{resource}");
    };
    check("", "configmaps", json!({}), json!({"configmaps": "1", "count/configmaps": "1"}));
    check("apps", "replicasets", json!({}), json!({"count/replicasets.apps": "1"}));
    check(
        "",
        "services",
        json!({"spec": {"type": "NodePort", "ports": [{}, {}]}}),
        json!({"services": "1", "services.nodeports": "2", "count/services": "1"}),
    );
    check(
        "",
        "services",
        json!({"spec": {"type": "LoadBalancer", "ports": [{}]}}),
        json!({"services": "1", "services.loadbalancers": "1", "services.nodeports": "1", "count/services": "1"}),
    );
    check(
        "",
        "persistentvolumeclaims",
        json!({"spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "1Gi"}}}}),
        json!({"persistentvolumeclaims": "1", "requests.storage": "1Gi", "count/persistentvolumeclaims": "1", "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "1", "gold.storageclass.storage.k8s.io/requests.storage": "1Gi"}),
    );
    let both = json!({"spec": {
        "initContainers": [{"name": "i", "resources": {"requests": {"cpu": "3"}}}, {"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "500m"}}}],
        "containers": [{"name": "a", "resources": {"requests": {"cpu": "1", "example.com/gpu": "1"}, "limits": {"cpu": "2"}}}, {"name": "b", "resources": {"requests": {"cpu": "1"}}}],
    }});
    check(
        "",
        "pods",
        both,
        json!({"pods": "1", "count/pods": "1", "cpu": "3", "requests.cpu": "3", "requests.example.com/gpu": "1", "limits.cpu": "2"}),
    );
    check("", "pods", json!({"status": {"phase": "Succeeded"}}), json!({"count/pods": "1"}));
}

#[test]
fn scopes() {
    let check = |spec: Value, pod: Value, expected: bool| {
        let quota = json!({ "spec": spec });
        assert_eq!(takes(&quota, "", "pods", &json!({ "spec": pod })), expected, "{quota}");
        assert!(!takes(&quota, "", "services", &json!({})), "scopes are for pods");
    };
    let best = json!({"containers": [{"name": "c"}]});
    let burst = json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]});
    check(json!({"scopes": ["BestEffort"]}), best.clone(), true);
    check(json!({"scopes": ["BestEffort"]}), burst.clone(), false);
    check(json!({"scopes": ["NotBestEffort"]}), burst, true);
    check(json!({"scopes": ["Terminating"]}), json!({"activeDeadlineSeconds": 5}), true);
    check(json!({"scopes": ["NotTerminating"]}), json!({"activeDeadlineSeconds": 5}), false);
    let class = |operator: &str, values: Value| json!({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": operator, "values": values}]}});
    check(class("In", json!(["high"])), json!({"priorityClassName": "high"}), true);
    check(class("In", json!(["high"])), json!({"priorityClassName": "low"}), false);
    check(class("Exists", json!([])), best, false);
    let affinity = json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["x"]}]}}});
    check(json!({"scopes": ["CrossNamespacePodAffinity"]}), affinity, true);
    assert!(takes(&json!({"spec": {}}), "", "services", &json!({})));
    let fast = json!({"spec": {"scopeSelector": {"matchExpressions": [{"scopeName": "VolumeAttributesClass", "operator": "In", "values": ["fast"]}]}}});
    let claim = |class: &str| json!({"spec": {"volumeAttributesClassName": class}});
    assert!(takes(&fast, "", "persistentvolumeclaims", &claim("fast")));
    assert!(!takes(&fast, "", "persistentvolumeclaims", &claim("slow")));
}

#[test]
fn names_say_what_they_are_about() {
    let check = |name: &str, expected: (&str, &str)| assert_eq!(kind_of(name), expected, "{name}");
    check("count/widgets.example.com", ("example.com", "widgets"));
    check("count/pods", ("", "pods"));
    check("limits.cpu", ("", "pods"));
    check("requests.example.com/gpu", ("", "pods"));
    check("services.nodeports", ("", "services"));
    check("gold.storageclass.storage.k8s.io/requests.storage", ("", "persistentvolumeclaims"));
    check("secrets", ("", "secrets"));
}

#[test]
fn charges() {
    let quota = json!({"metadata": {"name": "q"}, "spec": {"hard": {"pods": "2", "requests.cpu": "1", "limits.memory": "1Gi"}}, "status": {"hard": {"pods": "2", "requests.cpu": "1", "limits.memory": "1Gi"}, "used": {"pods": "1", "requests.cpu": "600m", "limits.memory": "0"}}});
    let new =
        usage("", "pods", &pod(json!({"requests": {"cpu": "400m"}, "limits": {"memory": "1Gi"}})));
    let used = charge(&quota, &growth(&new, None)).expect("there is room").expect("it is charged");
    assert_eq!(used, json!({"limits.memory": "1Gi", "pods": "2", "requests.cpu": "1"}));
    let large =
        usage("", "pods", &pod(json!({"requests": {"cpu": "500m"}, "limits": {"memory": "2Gi"}})));
    assert_eq!(
        charge(&quota, &growth(&large, None)),
        Err("exceeded quota: q, requested: limits.memory=2Gi,requests.cpu=500m, used: limits.memory=0,requests.cpu=600m, limited: limits.memory=1Gi,requests.cpu=1".to_owned())
    );
    // A change is charged with what it adds only; what shrinks is not.
    assert!(growth(&new, Some(&large)).is_empty());
    assert_eq!(charge(&quota, &growth(&new, Some(&large))), Ok(None));
    let uncounted =
        json!({"metadata": {"name": "q"}, "status": {"hard": {"pods": "2", "cpu": "1"}}});
    assert_eq!(
        charge(&uncounted, &growth(&new, None)),
        Err("status unknown for quota: q, resources: cpu,pods".to_owned())
    );
    let asked = must_specify(&quota, &pod(json!({"requests": {"cpu": "1"}})));
    assert_eq!(asked.as_deref(), Some("failed quota: q: must specify limits.memory for: c"));
    assert_eq!(
        must_specify(&quota, &pod(json!({"requests": {"cpu": "1"}, "limits": {"memory": "1"}}))),
        None
    );
    let objects = [pod(json!({"requests": {"cpu": "1"}})), pod(json!({}))];
    let counted = status(&quota, objects.iter().map(|pod| ("", "pods", pod)));
    assert_eq!(counted["used"], json!({"pods": "2", "requests.cpu": "1", "limits.memory": "0"}));
}

#[test]
fn counted_resources_have_versions() {
    let check = |group: &str, plural: &str, expected: Option<&str>| {
        assert_eq!(version_of(group, plural), expected, "{plural}");
    };
    check("", "pods", Some("v1"));
    check("apps", "replicasets", Some("v1"));
    check("", "nodes", None);
    check("example.com", "widgets", None);
}

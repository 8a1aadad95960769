//! Autoscalers.

use super::super::convert::{from_stored, stored_as, to_stored};
use super::super::rules;
use super::super::testing::{accepted, refused};
use serde_json::{Value, json};

const KIND: &str = "HorizontalPodAutoscaler";

fn scaler(version: &str, mut spec: Value) -> Value {
    if spec.get("maxReplicas").is_none() {
        spec["maxReplicas"] = 3.into();
    }
    spec["scaleTargetRef"] = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    json!({"apiVersion": format!("autoscaling/{version}"), "kind": KIND,
        "metadata": {"name": "a", "namespace": "default"}, "spec": spec})
}

#[test]
fn scalers_are_filled_in() {
    let rules = rules("autoscaling", "v2", KIND);
    let made = accepted(&*rules, &scaler("v2", json!({"behavior": {}})));
    assert_eq!(made["spec"]["minReplicas"], 1);
    assert_eq!(made["spec"]["metrics"], json!([super::metrics::processors(80)]));
    assert_eq!(made["spec"]["behavior"]["scaleUp"]["stabilizationWindowSeconds"], 0);
    assert_eq!(
        made["spec"]["behavior"]["scaleDown"],
        json!({"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]})
    );
    assert_eq!(
        rules.cells(&made, 0)[1..6],
        [json!("Deployment/web"), json!("cpu: <unknown>/80%"), json!("1"), json!("3"), json!(0)]
    );
    let pods = json!({"type": "Pods", "pods": {"metric": {"name": "m"},
        "target": {"type": "AverageValue", "averageValue": "1000m"}}});
    let made = accepted(&*rules, &scaler("v2", json!({"metrics": [pods]})));
    assert_eq!(made["spec"]["metrics"][0]["pods"]["target"]["averageValue"], "1");
}

#[test]
fn faults_of_scalers() {
    let rules = rules("autoscaling", "v2", KIND);
    refused(
        &*rules,
        &scaler("v2", json!({"minReplicas": 0, "maxReplicas": 0})),
        &[
            "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
            "spec.maxReplicas: Invalid value: 0: must be greater than 0",
            "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas",
        ],
    );
    let metrics = json!([{"type": "Resource"}, {"type": "Pods", "pods": {"metric": {"name": "m"},
        "target": {"type": "Value", "value": "1"}}}]);
    refused(
        &*rules,
        &scaler(
            "v2",
            json!({"metrics": metrics, "behavior": {"scaleUp": {"policies": [
            {"type": "x", "value": 0, "periodSeconds": 2000}]}}}),
        ),
        &[
            "spec.metrics[0].resource: Required value: must populate information for the given metric source",
            "spec.metrics[1].pods.target.averageValue: Required value: must specify a positive target averageValue",
            "spec.behavior.scaleUp.policies[0].type: Unsupported value: \"x\": supported values: \"Percent\", \"Pods\"",
            "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero",
            "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 2000: must be less than or equal to 1800",
        ],
    );
}

#[test]
fn old_and_new_form() {
    assert_eq!(stored_as("autoscaling", "v1", KIND), Some(("autoscaling", "v2")));
    let old = scaler("v1", json!({"minReplicas": 1, "targetCPUUtilizationPercentage": 50}));
    accepted(&*rules("autoscaling", "v1", KIND), &old);
    let stored = to_stored("autoscaling", "v1", KIND, old.clone());
    assert_eq!(stored["apiVersion"], "autoscaling/v2");
    assert_eq!(stored["spec"]["metrics"], json!([super::metrics::processors(50)]));
    assert_eq!(from_stored("autoscaling", "v1", KIND, stored), old);
    let metrics = json!([super::metrics::processors(50), {"type": "External", "external": {
        "metric": {"name": "m"}, "target": {"type": "Value", "value": "5"}}}]);
    let behavior = json!({"scaleDown": {"selectPolicy": "Min"}});
    let mut new = scaler("v2", json!({"minReplicas": 1, "metrics": metrics, "behavior": behavior}));
    new["status"] = json!({"desiredReplicas": 2, "currentReplicas": 1, "conditions": [{"type": "AbleToScale"}],
        "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 7}}}]});
    let old = from_stored("autoscaling", "v1", KIND, new.clone());
    assert_eq!(old["spec"]["targetCPUUtilizationPercentage"], 50);
    assert_eq!(old["status"]["currentCPUUtilizationPercentage"], 7);
    assert_eq!(
        old["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"],
        "[{\"type\":\"External\",\"external\":{\"metricName\":\"m\",\"targetValue\":\"5\"}}]"
    );
    assert_eq!(to_stored("autoscaling", "v1", KIND, old), new);
}

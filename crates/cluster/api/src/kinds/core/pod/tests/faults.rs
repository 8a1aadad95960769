//! What is wrong with pods, and how it is said.

use super::super::super::super::testing::refused;
use super::super::RULES;
use super::{beside, pod, with};
use serde_json::json;

#[test]
fn faults_of_containers() {
    let label = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
    refused(&RULES, &pod(json!({})), &["spec.containers: Required value"]);
    refused(
        &RULES,
        &pod(json!({"containers": [{"name": "C_", "image": ""}, {"name": "a", "image": "b"},
            {"name": "a", "image": " b"}]})),
        &[
            &format!("spec.containers[0].name: Invalid value: \"C_\": {label}"),
            "spec.containers[0].image: Required value",
            "spec.containers[2].name: Duplicate value: \"a\"",
            "spec.containers[2].image: Invalid value: \" b\": must not have leading or trailing whitespace",
        ],
    );
    for (container, reasons) in [
        (
            json!({"ports": [{"containerPort": 0}, {"containerPort": 70000, "name": "too-long-for-a-port"}]}),
            vec![
                "spec.containers[0].ports[0].containerPort: Required value",
                "spec.containers[0].ports[1].name: Invalid value: \"too-long-for-a-port\": must be no more than 15 characters",
                "spec.containers[0].ports[1].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            ],
        ),
        (
            json!({"env": [{"name": "A=B"}, {"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels"}}}]}),
            vec![
                "spec.containers[0].env[0].name: Invalid value: \"A=B\": a valid environment variable name must consist only of printable ASCII characters other than '='",
                "spec.containers[0].env[1].valueFrom.fieldRef.fieldPath: Unsupported value: \"metadata.labels\": supported values: \"metadata.name\", \"metadata.namespace\", \"metadata.uid\", \"spec.nodeName\", \"spec.serviceAccountName\", \"status.hostIP\", \"status.hostIPs\", \"status.podIP\", \"status.podIPs\"",
            ],
        ),
        (
            json!({"volumeMounts": [{"name": "v", "mountPath": ""}]}),
            vec![
                "spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
                "spec.containers[0].volumeMounts[0].mountPath: Required value",
            ],
        ),
    ] {
        refused(&RULES, &with(container), &reasons);
    }
}

#[test]
fn more_faults_of_containers() {
    for (container, reasons) in [
        (
            json!({"imagePullPolicy": "Sometimes"}),
            vec![
                "spec.containers[0].imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"IfNotPresent\", \"Never\"",
            ],
        ),
        (
            json!({"livenessProbe": {"successThreshold": 2}}),
            vec![
                "spec.containers[0].livenessProbe: Required value: must specify a handler type",
                "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
            ],
        ),
        (
            json!({"lifecycle": {"preStop": {"sleep": {"seconds": 60}}}}),
            vec![
                "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 60: must be non-negative and less than terminationGracePeriodSeconds (30)",
            ],
        ),
        (
            json!({"resources": {"requests": {"cpu": "2", "x": "1"}, "limits": {"cpu": "1"}}}),
            vec![
                "spec.containers[0].resources.requests[x]: Invalid value: \"x\": must be a standard resource type or fully qualified",
                "spec.containers[0].resources.requests[x]: Invalid value: \"x\": must be a standard resource for containers",
                "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
            ],
        ),
        (
            json!({"resources": {"requests": {"memory": "-1"}}}),
            vec![
                "spec.containers[0].resources.requests[memory]: Invalid value: \"-1\": must be greater than or equal to 0",
            ],
        ),
        (
            json!({"securityContext": {"privileged": true, "allowPrivilegeEscalation": false}}),
            vec![
                "spec.containers[0].securityContext: Invalid value: {\"privileged\":true,\"allowPrivilegeEscalation\":false}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
            ],
        ),
        (
            json!({"resources": {"claims": [{"name": "gpu"}]}}),
            vec![
                "spec.containers[0].resources.claims[0]: Not found: \"gpu\": must be one of the names in pod.spec.resourceClaims which is empty",
            ],
        ),
    ] {
        refused(&RULES, &with(container), &reasons);
    }
}

#[test]
fn faults_of_specs() {
    for (spec, reasons) in [
        (
            json!({"restartPolicy": "x", "dnsPolicy": "y"}),
            vec![
                "spec.restartPolicy: Unsupported value: \"x\": supported values: \"Always\", \"OnFailure\", \"Never\"",
                "spec.dnsPolicy: Unsupported value: \"y\": supported values: \"ClusterFirstWithHostNet\", \"ClusterFirst\", \"Default\", \"None\"",
            ],
        ),
        (
            json!({"dnsPolicy": "None"}),
            vec![
                "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
            ],
        ),
        (
            json!({"securityContext": {"sysctls": [{"name": "foo-"}, {"name": "kernel.shmmax", "value": "1"}], "runAsUser": -1}}),
            vec![
                "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 4294967295, inclusive",
                "spec.securityContext.sysctls[0].name: Invalid value: \"foo-\": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
            ],
        ),
        (
            json!({"volumes": [{"name": "a", "emptyDir": {}, "secret": {"secretName": "x"}}, {"name": "b", "secret": {}}]}),
            vec![
                "spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type",
                "spec.volumes[1].secret.secretName: Required value",
            ],
        ),
        (
            json!({"volumes": [{"name": "a", "projected": {"sources": [{"serviceAccountToken": {"path": "../x", "expirationSeconds": 1}}]}}], "serviceAccountName": "s"}),
            vec![
                "spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes",
                "spec.volumes[0].projected.path: Invalid value: \"../x\": must not contain '..'",
            ],
        ),
        (
            json!({"volumes": [{"name": "a", "downwardAPI": {"items": [{"path": "x"}]}}]}),
            vec![
                "spec.volumes[0].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required",
            ],
        ),
        (
            json!({"tolerations": [{"effect": "NoSchedule", "tolerationSeconds": 3}]}),
            vec![
                "spec.tolerations[0].operator: Invalid value: \"\": operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
                "spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when `tolerationSeconds` is set",
            ],
        ),
    ] {
        refused(&RULES, &beside(spec), &reasons);
    }
}

#[test]
fn more_faults_of_specs() {
    for (spec, reasons) in [
        (
            json!({"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "x"}]}),
            vec![
                "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
                "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
                "spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: \"x\": supported values: \"DoNotSchedule\", \"ScheduleAnyway\"",
            ],
        ),
        (
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []},
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 0, "preference": {"matchExpressions": [{"key": "a", "operator": "In"}]}}]}}}),
            vec![
                "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term",
                "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0: must be in the range 1-100",
                "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
            ],
        ),
        (
            json!({"initContainers": [{"name": "i", "image": "a", "readinessProbe": {"exec": {"command": ["a"]}}}]}),
            vec![
                "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
            ],
        ),
        (
            json!({"ephemeralContainers": [{"name": "e", "image": "a", "targetContainerName": "x", "ports": [{"containerPort": 1}]}]}),
            vec![
                "spec.ephemeralContainers[0].targetContainerName: Not found: \"x\"",
                "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container",
                "spec.ephemeralContainers: Forbidden: cannot be set on create",
            ],
        ),
        (
            json!({"activeDeadlineSeconds": 0, "hostAliases": [{"ip": "1.2.3"}]}),
            vec![
                "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
                "spec.hostAliases[0].ip: Invalid value: \"1.2.3\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            ],
        ),
        (
            json!({"os": {"name": "windows"}, "hostPID": true}),
            vec!["spec.hostPID: Forbidden: cannot be set for a windows pod"],
        ),
        (
            json!({"schedulingGates": [{"name": "a"}], "nodeName": "n"}),
            vec![
                "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared",
            ],
        ),
    ] {
        refused(&RULES, &beside(spec), &reasons);
    }
}

"""sig-api-machinery: all operations of the APIs of policies and of priority and fairness."""

import uuid

from harness import case, equal, until

MERGE_PATCH = "application/merge-patch+json"
RULES = [{"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}]


def operations(cluster, group, plural, spec, patch, update, has_status):
    """What the suite does with each of them. `patch` and `update` are the spec's changes."""
    at = f"/apis/{group}/v1"
    documents = cluster.ok("GET", "/apis")["groups"], [cluster.ok("GET", f"/apis/{group}")]
    for groups in documents:
        assert any(it["name"] == group and {"groupVersion": f"{group}/v1", "version": "v1"} in it["versions"] for it in groups)
    known = [it["name"] for it in cluster.ok("GET", at)["resources"]]
    assert plural in known and (not has_status or f"{plural}/status" in known), known
    path, label = f"{at}/{plural}", f"example-e2e={uuid.uuid4().hex[:8]}"
    key, value = label.split("=")
    selector = {"labelSelector": label}
    template = {"metadata": {"generateName": "e2e-example-", "labels": {key: value}}, "spec": spec}
    try:
        all_operations(cluster, path, template, selector, patch, update, has_status)
    finally:
        cluster.ok("DELETE", path, query=selector)


def all_operations(cluster, path, template, selector, patch, update, has_status):
    for _ in range(2):
        cluster.ok("POST", path, template)
    made = cluster.ok("POST", path, template)
    one = f"{path}/{made['metadata']['name']}"
    read = cluster.ok("GET", one)
    equal(read["metadata"]["uid"], made["metadata"]["uid"], "the uid")
    listed = cluster.ok("GET", path, query=selector)
    equal(len(listed["items"]), 3, "how many are listed")
    with cluster.watch(path, resourceVersion=listed["metadata"]["resourceVersion"], **selector) as watch:
        changes = {"metadata": {"annotations": {"patched": "true"}}, "spec": patch}
        patched = cluster.ok("PATCH", one, changes, kind=MERGE_PATCH)
        equal(patched["metadata"]["annotations"]["patched"], "true")
        assert within(patch, patched["spec"]), patched
        assert int(patched["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])

        def change(it):
            it["metadata"]["annotations"]["updated"] = "true"
            merge(it["spec"], update)

        updated = put(cluster, one, "", change)
        equal(updated["metadata"]["annotations"]["updated"], "true")
        assert within(update, updated["spec"]), updated
        watch.wait("MODIFIED", made["metadata"]["name"], lambda it: it["metadata"].get("annotations", {}).get("patched") == "true")
    if has_status:
        found = cluster.ok("GET", f"{one}/status")
        equal((found["kind"], found["metadata"]["uid"]), (made["kind"], made["metadata"]["uid"]))
        conditions(cluster, one)
    cluster.ok("DELETE", one)
    cluster.refused(404, "GET", one)
    equal(len(cluster.ok("GET", path, query=selector)["items"]), 2, "how many are left")
    cluster.ok("DELETE", path, query=selector)
    equal(cluster.ok("GET", path, query=selector)["items"], [], "what is left")


def conditions(cluster, one):
    def condition(kind):
        text = {"reason": "E2E", "message": "Set from an e2e test", "lastTransitionTime": "2024-01-01T00:00:00Z"}
        return {"type": kind, "status": "False", **text}

    def has(it, kind):
        return any(known["type"] == kind for known in it["status"]["conditions"])

    patch = {"status": {"conditions": [condition("PatchStatusFailed")]}}
    patched = cluster.ok("PATCH", f"{one}/status", patch, kind=MERGE_PATCH)
    assert has(patched, "PatchStatusFailed"), patched["status"]
    updated = put(
        cluster,
        one,
        "/status",
        lambda it: it.setdefault("status", {}).setdefault("conditions", []).append(condition("StatusUpdateFailed")),
    )
    assert has(updated, "StatusUpdateFailed"), updated["status"]


def put(cluster, one, below, change):
    """Updates what is read anew until nobody came between."""

    def attempt():
        found = cluster.ok("GET", one)
        change(found)
        answer = cluster.call("PUT", one + below, found)
        assert answer.status in (200, 409), answer
        return answer.status == 200 and answer.json()

    return until("no conflict", attempt)


def merge(into, changes):
    for name, value in changes.items():
        if isinstance(value, dict):
            merge(into.setdefault(name, {}), value)
        else:
            into[name] = value


def within(part, whole):
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(name in whole and within(part[name], whole[name]) for name in part)
    return part == whole


@case("API priority and fairness should support FlowSchema API operations")
def flow_schemas(cluster):
    spec = {
        "matchingPrecedence": 10000,
        "priorityLevelConfiguration": {"name": "global-default"},
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [
            {
                "subjects": [{"kind": "User", "user": {"name": "example-e2e-non-existent-user"}}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            }
        ],
    }
    group = "flowcontrol.apiserver.k8s.io"
    operations(cluster, group, "flowschemas", spec, {"matchingPrecedence": 9999}, {"matchingPrecedence": 9000}, True)


@case("API priority and fairness should support PriorityLevelConfiguration API operations")
def priority_levels(cluster):
    def limited(shares):
        return {"limited": {"nominalConcurrencyShares": shares}}

    spec = {"type": "Limited", "limited": {**limited(2)["limited"], "limitResponse": {"type": "Reject"}}}
    group = "flowcontrol.apiserver.k8s.io"
    operations(cluster, group, "prioritylevelconfigurations", spec, limited(4), limited(6), True)


ADMISSION = "admissionregistration.k8s.io"


@case("ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should support ValidatingAdmissionPolicy API operations")
def validating_policies(cluster):
    spec = {"validations": [{"expression": "object.spec.replicas <= 100"}], "matchConstraints": {"resourceRules": RULES}}
    changes = {"failurePolicy": "Ignore"}, {"failurePolicy": "Fail"}
    operations(cluster, ADMISSION, "validatingadmissionpolicies", spec, *changes, True)


@case("ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should support ValidatingAdmissionPolicyBinding API operations")
def validating_bindings(cluster):
    spec = {"policyName": "replicalimit-policy.example.com", "validationActions": ["Deny"]}
    changes = {"validationActions": ["Warn"]}, {"validationActions": ["Deny"]}
    operations(cluster, ADMISSION, "validatingadmissionpolicybindings", spec, *changes, False)


@case("MutatingAdmissionPolicy [Privileged:ClusterAdmin] should support MutatingAdmissionPolicy API operations")
def mutating_policies(cluster):
    expression = "Object{spec: Object.spec{replicas: 100}}"
    spec = {
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
        "matchConstraints": {"resourceRules": RULES},
    }
    changes = {"reinvocationPolicy": "IfNeeded"}, {"reinvocationPolicy": "Never"}
    operations(cluster, ADMISSION, "mutatingadmissionpolicies", spec, *changes, False)


@case("MutatingAdmissionPolicy [Privileged:ClusterAdmin] should support MutatingAdmissionPolicyBinding API operations")
def mutating_bindings(cluster):
    spec = {"policyName": "replicalimit-policy.example.com"}
    operations(cluster, ADMISSION, "mutatingadmissionpolicybindings", spec, {}, {}, False)

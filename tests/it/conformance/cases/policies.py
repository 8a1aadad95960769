"""sig-api-machinery: admission policies at work, in a namespace that has the label they look for."""

import contextlib

from harness import case, equal, until

AT = "/apis/admissionregistration.k8s.io/v1"
RULES = [
    {
        "operations": ["CREATE", "UPDATE"],
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "resources": ["deployments"],
    }
]


@contextlib.contextmanager
def policy(cluster, kind, spec, binding):
    """A policy and its binding, for this case's namespace."""
    label = {"matchLabels": {cluster.ns: "true"}}
    labelled = {"metadata": {"labels": {cluster.ns: "true"}}}
    cluster.ok("PATCH", f"/api/v1/namespaces/{cluster.ns}", labelled, kind="application/strategic-merge-patch+json")
    name = f"{cluster.ns}.policy.example.com"
    constraints = {"namespaceSelector": label, "resourceRules": RULES}
    made = {
        f"{kind}admissionpolicies": {"metadata": {"name": name}, "spec": {"matchConstraints": constraints, **spec}},
        f"{kind}admissionpolicybindings": {
            "metadata": {"name": f"{cluster.ns}.binding.example.com"},
            "spec": {"policyName": name, "matchResources": {"namespaceSelector": label}, **binding},
        },
    }
    try:
        for plural, body in made.items():
            cluster.ok("POST", f"{AT}/{plural}", body)
        yield
    finally:
        for plural, body in made.items():
            cluster.call("DELETE", f"{AT}/{plural}/{body['metadata']['name']}")


def workload(kind, name, replicas):
    labels = {"app": "nginx"}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "nginx", "image": "nginx:latest"}]},
            },
        },
    }


def attempt(cluster, name, replicas, kind="Deployment"):
    """The answer to making one, which is taken away again."""
    path = f"/apis/apps/v1/namespaces/{cluster.ns}/{kind.lower()}s"
    answer = cluster.call("POST", path, workload(kind, name, replicas))
    if answer.status == 201:
        cluster.ok("DELETE", f"{path}/{name}")
    return answer


def validates(cluster, spec, allowed):
    with policy(cluster, "validating", spec, {"validationActions": ["Deny"]}):

        def denied():
            answer = attempt(cluster, "marker-deployment", 1)
            assert answer.status in (201, 422), answer
            return answer.status == 422 and answer.json()

        refusal = until("the marker is denied", denied)
        equal(refusal["reason"], "Invalid")
        equal(attempt(cluster, "replicated", allowed).status, 201)
        equal(attempt(cluster, "non-replicated", 1, "ReplicaSet").status, 201)
        return refusal


NAME = "ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should "


@case(NAME + "validate against a Deployment")
def validate(cluster):
    spec = {
        "validations": [
            # The message's expression adds a number to a text, which fails; it must not matter.
            {"expression": "object.spec.replicas > 1", "messageExpression": "'wants replicas > 1, got ' + object.spec.replicas"},
            {
                "expression": f"namespaceObject.metadata.name == '{cluster.ns}'",
                "message": "Internal error! Other namespace should not be allowed.",
            },
        ]
    }
    refusal = validates(cluster, spec, 2)
    wanted = (
        f"ValidatingAdmissionPolicy '{cluster.ns}.policy.example.com' with binding '{cluster.ns}.binding.example.com' "
        "denied request: failed expression: object.spec.replicas > 1"
    )
    assert wanted in refusal["message"], refusal


@case(NAME + "allow expressions to refer variables.")
def variables(cluster):
    spec = {
        "variables": [
            {"name": "replicas", "expression": "object.spec.replicas"},
            {"name": "oddReplicas", "expression": "variables.replicas % 2 == 1"},
        ],
        "validations": [{"expression": "variables.replicas > 1"}, {"expression": "variables.oddReplicas"}],
    }
    validates(cluster, spec, 3)


def mutates(cluster, expression, check):
    spec = {
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
    }
    with policy(cluster, "mutating", spec, {}):

        def mutated():
            answer = attempt(cluster, "marker-deployment", 1)
            assert answer.status == 201, answer
            return check(answer.json())

        until("the marker is mutated", mutated)


@case("MutatingAdmissionPolicy [Privileged:ClusterAdmin] should mutate a Deployment with annotations")
def annotate(cluster):
    expression = """
        Object{
            metadata: Object.metadata{
                annotations: {
                    "mutated-by": "admission-policy"
                }
            }
        }"""
    mutates(cluster, expression, lambda it: it["metadata"].get("annotations", {}).get("mutated-by") == "admission-policy")


@case("MutatingAdmissionPolicy [Privileged:ClusterAdmin] should mutate a Deployment")
def scale(cluster):
    mutates(cluster, "Object{spec: Object.spec{replicas: 1337}}", lambda it: it["spec"]["replicas"] == 1337)

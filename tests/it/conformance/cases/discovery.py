"""sig-api-machinery: which groups, versions and resources there are, one by one and all at once; which version."""

import re

from definitions import defined, definition, version
from harness import case, equal, until

ACCEPT = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
# What client-go's discovery client asks for.
CLIENT_GO = f"{ACCEPT},application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
CORE = ("", "v1", "namespaces")
# A resource of each group that every cluster has.
EXPECTED = [
    ("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
    ("apiregistration.k8s.io", "v1", "apiservices"),
    ("apps", "v1", "deployments"),
    ("authentication.k8s.io", "v1", "tokenreviews"),
    ("authorization.k8s.io", "v1", "selfsubjectaccessreviews"),
    ("autoscaling", "v1", "horizontalpodautoscalers"),
    ("autoscaling", "v2", "horizontalpodautoscalers"),
    ("batch", "v1", "jobs"),
    ("certificates.k8s.io", "v1", "certificatesigningrequests"),
    ("coordination.k8s.io", "v1", "leases"),
    ("discovery.k8s.io", "v1", "endpointslices"),
    ("events.k8s.io", "v1", "events"),
    ("networking.k8s.io", "v1", "ingresses"),
    ("node.k8s.io", "v1", "runtimeclasses"),
    ("policy", "v1", "poddisruptionbudgets"),
    ("scheduling.k8s.io", "v1", "priorityclasses"),
    ("storage.k8s.io", "v1", "csinodes"),
]


def aggregated(cluster, path, accept=ACCEPT):
    """All of `/api` or `/apis`, as (group, version) to the resources' names."""
    answer = cluster.call("GET", path, headers={"Accept": accept})
    equal(answer.status, 200, path)
    kind = answer.headers["Content-Type"]
    assert "as=APIGroupDiscoveryList" in kind and "v=v2" in kind and "g=apidiscovery.k8s.io" in kind, kind
    document = answer.json()
    equal((document["kind"], document["apiVersion"]), ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2"))
    return {
        (group["metadata"].get("name", ""), version["version"]): [it["resource"] for it in version["resources"]]
        for group in document["items"]
        for version in group["versions"]
    }


def holds(found, wanted):
    group, version, resource = wanted
    return resource in found.get((group, version), [])


def randomly_grouped():
    body = definition([version("v1")], scope="Namespaced")
    group = f"group{body['spec']['names']['singular']}.example.com"
    body["spec"]["group"], body["metadata"]["name"] = group, f"{body['spec']['names']['plural']}.{group}"
    return body


@case("AggregatedDiscovery should support raw aggregated discovery endpoint Accept headers")
def raw(cluster):
    groups = aggregated(cluster, "/apis")
    for wanted in EXPECTED:
        assert holds(groups, wanted), wanted
    assert holds(aggregated(cluster, "/api"), CORE)


@case("AggregatedDiscovery should support raw aggregated discovery request for CRDs")
def raw_custom(cluster):
    with defined(cluster, randomly_grouped()) as custom:
        wanted = (custom.group, "v1", custom.plural)
        until("it is discovered", lambda: holds(aggregated(cluster, "/apis"), wanted))


@case("AggregatedDiscovery should support aggregated discovery interface")
def interface(cluster):
    found = {**aggregated(cluster, "/api", CLIENT_GO), **aggregated(cluster, "/apis", CLIENT_GO)}
    for wanted in [CORE, *EXPECTED]:
        assert holds(found, wanted), wanted


@case("AggregatedDiscovery should support aggregated discovery interface for CRDs")
def interface_custom(cluster):
    with defined(cluster, randomly_grouped()) as custom:
        wanted = (custom.group, "v1", custom.plural)
        until("it is discovered", lambda: holds(aggregated(cluster, "/apis", CLIENT_GO), wanted))


@case("Discovery should validate PreferredVersion for each APIGroup")
def preferred(cluster):
    groups = cluster.ok("GET", "/apis/")["groups"]
    assert groups
    for group in groups:
        if group["name"].endswith(".example.com"):
            continue
        one = cluster.ok("GET", f"/apis/{group['name']}/")
        assert one["versions"], group["name"]
        assert one["preferredVersion"] in one["versions"], one


@case("Discovery should locate the groupVersion and a resource within each APIGroup")
def resources(cluster):
    for group, version, resource in [CORE, *EXPECTED]:
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        document = cluster.ok("GET", path)
        equal(document["groupVersion"], f"{group}/{version}" if group else version)
        assert any(it["name"] == resource for it in document["resources"]), (path, resource)


@case("CustomResourceDefinition resources [Privileged:ClusterAdmin] should include custom resource definition resources in discovery documents")
def definitions_are_discovered(cluster):
    look_for(cluster, "apiextensions.k8s.io", "customresourcedefinitions")


@case("AdmissionWebhook [Privileged:ClusterAdmin] should include webhook resources in discovery documents")
def webhooks_are_discovered(cluster):
    look_for(cluster, "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "validatingwebhookconfigurations")


def look_for(cluster, name, *resources):
    """All three documents of a group name these resources in `v1`."""
    groups = {it["name"]: it for it in cluster.ok("GET", "/apis")["groups"]}
    for group in groups[name], cluster.ok("GET", f"/apis/{name}"):
        equal(group["name"], name)
        assert any(it["version"] == "v1" for it in group["versions"]), group
    document = cluster.ok("GET", f"/apis/{name}/v1")
    equal(document["groupVersion"], f"{name}/v1")
    for resource in resources:
        assert any(it["name"] == resource for it in document["resources"]), resource


@case("server version should find the server version")
def server_version(cluster):
    found = cluster.ok("GET", "/version")
    assert re.fullmatch("[1-9]", found["major"]), found
    assert re.fullmatch("[0-9]+[^0-9]*", found["minor"]), found
    # What the suite's framework reads before anything else.
    assert re.match(r"v1\.[0-9]+\.[0-9]+", found["gitVersion"]), found


@case("Servers with support for Table transformation should return a 406 for a backend which does not implement metadata")
def no_table(cluster):
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    status = cluster.refused(406, "POST", path, review, headers=accept)
    equal((status["code"], status["reason"]), (406, "NotAcceptable"))

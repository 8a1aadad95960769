"""What the suite's framework asks of a cluster before the first case, around each, and after a failure, as client-go
asks it: in protobuf, by informers that begin with a streamed list."""

import time
import urllib.parse

import wire
from harness import PATIENCE, case, equal, until
from resource import PROTOBUF, Resource, unique

BOTH = f"{PROTOBUF},application/json"
AGGREGATED = ",".join(f"application/json;g=apidiscovery.k8s.io;v={it};as=APIGroupDiscoveryList" for it in ("v2", "v2beta1"))
SYSTEM = "kube-system"
LEVELS = ("privileged", "baseline", "restricted")


def protobuf(cluster, method, path, body=None, **query):
    """The content of an answer in protobuf."""
    answer = cluster.call(method, path, body, headers={"Accept": BOTH}, query=query, kind=PROTOBUF)
    assert answer.status < 300, f"{method} {path}: {answer!r}"
    equal(answer.headers["Content-Type"], PROTOBUF, f"the type of {path}")
    return wire.opened(answer.body)


def items(content):
    return [value for number, value in wire.fields(content[2]) if number == 2]


def informed(cluster, path, name, check):
    """Waits for one object as an informer does: a watch that begins with all there is, ends that with a bookmark, and
    goes on."""
    query = {
        "allowWatchBookmarks": "true",
        "fieldSelector": f"metadata.name={name}",
        "resourceVersionMatch": "NotOlderThan",
        "sendInitialEvents": "true",
        "timeout": "7m15s",
        "timeoutSeconds": "435",
        "watch": "true",
    }
    url = f"{cluster.server}{path}?{urllib.parse.urlencode(query)}"
    accept = {"Accept": f"{PROTOBUF};stream=watch,application/json;stream=watch"}
    answer = cluster.api.rest_client.pool_manager.request("GET", url, headers=accept, preload_content=False, timeout=PATIENCE)
    equal((answer.status, answer.headers["Content-Type"]), (200, f"{PROTOBUF};stream=watch"), path)
    got = begun = False
    try:
        for kind, (_, _, raw) in wire.frames(answer.stream(65536)):
            if kind == "BOOKMARK":
                begun = begun or wire.annotations(raw).get("k8s.io/initial-events-end") == "true"
            elif kind in ("ADDED", "MODIFIED") and wire.name(raw) == name:
                got = got or check(raw)
            if got and begun:
                return
    finally:
        answer.close()
    raise AssertionError(f"{path}: no {name}, or no end of the list: {got}, {begun}")


def testing_namespace(cluster, level, base="e2e-framework-case"):
    """As the framework makes one, and waits for what is in it."""
    labels = {"e2e-framework": base, "e2e-run": "43b4f1a3-6d2e-4a1b-9b1c-2f2f2f2f2f2f"}
    labels |= {f"pod-security.kubernetes.io/{mode}": level for mode in ("enforce", "warn", "audit")}
    labels["security.openshift.io/scc.podSecurityLabelSync"] = "false"
    name = unique(base)
    made = protobuf(cluster, "POST", "/api/v1/namespaces", wire.envelope("v1", "Namespace", wire.named(name, labels)))
    equal((made[0], made[1], wire.name(made[2])), ("v1", "Namespace", name))
    inside = f"/api/v1/namespaces/{name}"
    informed(cluster, f"{inside}/serviceaccounts", "default", lambda _: True)
    # Its data, the second field, has the authority of the server that was asked.
    informed(cluster, f"{inside}/configmaps", "kube-root-ca.crt", lambda raw: b"BEGIN CERTIFICATE" in wire.first(raw, 2, 2))
    return name


def secured(cluster, name, level):
    """What the labels forbid is refused, with the words that say why; a pod of the level comes in."""
    pods = Resource(cluster, "v1", "pods", ns=name)
    hard = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    contexts = {"restricted": hard, "baseline": {}, "privileged": {"privileged": True}}
    for asked, context in contexts.items():
        container = {"name": "c", "image": "registry.k8s.io/pause:3.10.1", "securityContext": context}
        body = {"metadata": {"name": f"of-{asked}"}, "spec": {"containers": [container]}}
        if LEVELS.index(asked) >= LEVELS.index(level):
            pods.create(body)
        else:
            refusal = cluster.refused(403, "POST", pods.path(), body)
            assert f'violates PodSecurity "{level}:latest"' in refusal["message"], refusal


def dumped(cluster, name):
    """What is looked at when a case has failed."""
    for path in (f"/api/v1/namespaces/{name}/events", f"/api/v1/namespaces/{name}/pods", "/api/v1/nodes"):
        protobuf(cluster, "GET", path)
    equal(cluster.call("GET", "/metrics", headers={"Accept": "text/plain"}).status, 200)


@case("the suite's framework: before the first case")
def before(cluster):
    for _ in range(2):
        cluster.fake_node()
    names = {it.name for it in cluster.nodes}
    # From the server's cache, with a selector of fields.
    listed = protobuf(cluster, "GET", "/api/v1/nodes", fieldSelector="spec.unschedulable=false", resourceVersion="0")
    equal(listed[:2], ("v1", "NodeList"))
    assert names <= {wire.name(it) for it in items(listed)}, names
    nodes = Resource(cluster, "v1", "nodes", namespaced=False)
    nodes.patch(cluster.nodes[0].name, {"spec": {"unschedulable": True}})
    left = lambda: {it["metadata"]["name"] for it in nodes.items(fieldSelector="spec.unschedulable=false", resourceVersion="0")}  # noqa: E731
    until("a node to be left out", lambda: names - left() == {cluster.nodes[0].name})
    for api, plural in (("api/v1", "replicationcontrollers"), ("apis/apps/v1", "replicasets"), ("api/v1", "pods"), ("apis/apps/v1", "daemonsets")):
        protobuf(cluster, "GET", f"/{api}/namespaces/{SYSTEM}/{plural}")
    for name in ("default", SYSTEM, "kube-public", "kube-node-lease"):
        protobuf(cluster, "GET", f"/api/v1/namespaces/{name}")
    service = Resource(cluster, "v1", "services", ns="default").get("kubernetes")
    assert service["spec"]["clusterIP"] == service["spec"]["clusterIPs"][0], service
    version = cluster.ok("GET", "/version")
    assert version["gitVersion"].startswith(f"v{version['major']}.{version['minor']}."), version


def aggregated(cluster, path, **more):
    answer = cluster.call("GET", path, headers={"Accept": f"{AGGREGATED},application/json", **more})
    assert answer.headers["ETag"], answer.headers
    return answer


def unchanged(cluster, path):
    """Asked again under its tag. Another case may have defined something in between: then the tag is another, too."""
    tag = aggregated(cluster, path).headers["ETag"]
    again = aggregated(cluster, path, **{"If-None-Match": tag})
    if again.status == 200:
        assert again.headers["ETag"] != tag, tag
        return False
    equal((again.status, again.body), (304, b""))
    return True


@case("the suite's framework: discovery")
def discovery(cluster):
    for path, known in (("/api", ("", "v1", "pods")), ("/apis", ("apps", "v1", "deployments"))):
        answer = aggregated(cluster, path)
        kind = answer.headers["Content-Type"]
        equal((answer.status, kind), (200, "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"))
        group = next(it for it in answer.json()["items"] if it["metadata"].get("name", "") == known[0])
        version = next(it for it in group["versions"] if it["version"] == known[1])
        assert known[2] in [it["resource"] for it in version["resources"]], version
        until("nothing sent where nothing is new", lambda: unchanged(cluster, path))
    # One by one, in protobuf, for those who are older.
    lists = {"/api": "APIVersions", "/apis": "APIGroupList", "/api/v1": "APIResourceList", "/apis/apps": "APIGroup", "/apis/apps/v1": "APIResourceList"}
    for path, kind in lists.items():
        equal(protobuf(cluster, "GET", path)[:2], ("v1", kind), path)
    openapi = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
    answer = cluster.call("GET", "/openapi/v2", headers={"Accept": openapi})
    equal((answer.status, answer.headers["Content-Type"].startswith("application/com.github.proto-openapi.spec.v2")), (200, True))


@case("the suite's framework: around each case")
def around(cluster):
    made = {level: testing_namespace(cluster, level) for level in LEVELS}
    namespaces = Resource(cluster, "v1", "namespaces", namespaced=False)
    try:
        for level, name in made.items():
            secured(cluster, name, level)
            dumped(cluster, name)
    finally:
        for name in made.values():
            cluster.call("DELETE", namespaces.path(name))
    # It is not waited for, but for the last ones, and for those of the same name.
    began = time.monotonic()
    for name in made.values():
        until(f"{name} to go", lambda: cluster.call("GET", namespaces.path(name)).status == 404)
    assert time.monotonic() - began < PATIENCE

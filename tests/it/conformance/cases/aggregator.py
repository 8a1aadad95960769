"""sig-api-machinery: an API that another server serves; the test plays that server in the container's place."""

import base64

import identities
from cases.deployments import complete, decide, deployment, revision_and_image
from flunders import GROUP, HERE, VERSION, Flunders
from harness import case, equal, until
from resource import MERGE, STRATEGIC, Resource, unique
from workloads import ReplicaSets, has_condition

IMAGE = "registry.k8s.io/e2e-test-images/sample-apiserver:1.29.2"
ETCD = "registry.k8s.io/etcd:3.6.5-0"
DEPLOYMENT = "sample-apiserver-deployment"
SERVICE = f"{VERSION}.{GROUP}"
PORT = 7443
ACCOUNT = {"kind": "ServiceAccount", "name": "default"}
RBAC = "rbac.authorization.k8s.io"


class Roles:
    """Rights that live outside of the namespace; `end` takes them away."""

    def __init__(self, cluster):
        self.made = []
        self.cluster = cluster

    def create(self, plural, body, ns=None):
        resource = Resource(self.cluster, f"{RBAC}/v1", plural, namespaced=ns is not None, ns=ns)
        resource.create(body)
        self.made.append((resource, body["metadata"]["name"]))

    def bind(self, name, kind, role, ns=None, **metadata):
        subject = {**ACCOUNT, "namespace": self.cluster.ns}
        plural = "rolebindings" if ns else "clusterrolebindings"
        reference = {"apiGroup": "" if ns else RBAC, "kind": kind, "name": role}
        self.create(plural, {"metadata": {"name": name, **metadata}, "roleRef": reference, "subjects": [subject]}, ns)

    def end(self):
        for resource, name in self.made:
            resource.delete(name)


def rights(cluster):
    """What the sample's service account may."""
    roles, reader = Roles(cluster), f"sample-apiserver-reader-{cluster.ns}"
    looks = ["get", "list", "watch"]
    rules = [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": looks},
        {"apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"], "verbs": looks},
        {"apiGroups": ["flowcontrol.apiserver.k8s.io"], "resources": ["prioritylevelconfigurations", "flowschemas"], "verbs": looks},
    ]
    roles.create("clusterroles", {"metadata": {"name": reader}, "rules": rules})
    roles.bind(f"wardler:{cluster.ns}{reader}", "ClusterRole", reader)
    roles.bind(f"wardler:{cluster.ns}:auth-delegator", "ClusterRole", "system:auth-delegator")
    updated = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
    roles.bind(f"wardler-auth-reader-{cluster.ns}", "Role", "extension-apiserver-authentication-reader", "kube-system", annotations=updated)
    return roles


def deployed(cluster, certificate, key):
    """The secret, the deployment, the service and an account, as the suite makes them; the pod's address."""
    data = {"tls.crt": certificate, "tls.key": key}
    data = {name: base64.b64encode(it).decode() for name, it in data.items()}
    Resource(cluster, "v1", "secrets").create({"metadata": {"name": "sample-apiserver-secret"}, "type": "Opaque", "data": data})
    cluster.fake_node(decide)
    deployments = Resource(cluster, "apps/v1", "deployments")
    body = deployment(DEPLOYMENT, 1, {"app": "sample-apiserver", "apiserver": "true"}, "sample-apiserver", IMAGE)
    mount = {"name": "apiserver-certs", "readOnly": True, "mountPath": "/apiserver.local.config/certificates"}
    probe = {"httpGet": {"scheme": "HTTPS", "port": 443, "path": "/readyz"}, "initialDelaySeconds": 20, "periodSeconds": 1}
    pod = body["spec"]["template"]["spec"]
    pod["containers"][0] |= {"volumeMounts": [mount], "args": ["--etcd-servers=http://127.0.0.1:2379"], "readinessProbe": probe}
    pod["containers"].append({"name": "etcd", "image": ETCD, "command": ["/usr/local/bin/etcd"]})
    pod["volumes"] = [{"name": "apiserver-certs", "secret": {"secretName": "sample-apiserver-secret"}}]
    deployments.create(body)
    sets = ReplicaSets(cluster, deployments, DEPLOYMENT)
    for image in (IMAGE, ETCD):
        until(f"revision 1 of {image}", lambda: revision_and_image(sets, "1", image))
    port = {"protocol": "TCP", "port": PORT, "targetPort": 443}
    service = {"metadata": {"name": "sample-api", "labels": {"test": "aggregator"}}, "spec": {"selector": {"apiserver": "true"}, "ports": [port]}}
    Resource(cluster, "v1", "services").create(service)
    Resource(cluster, "v1", "serviceaccounts").create({"metadata": {"name": "sample-apiserver"}})
    complete(sets)
    return Resource(cluster, "v1", "pods").items("apiserver=true")[0]["status"]["podIP"]


def registered(cluster, authority):
    services = Resource(cluster, "apiregistration.k8s.io/v1", "apiservices", namespaced=False)
    where = {"namespace": cluster.ns, "name": "sample-api", "port": PORT}
    ranks = {"groupPriorityMinimum": 2000, "versionPriority": 200}
    spec = {"service": where, "group": GROUP, "version": VERSION, "caBundle": base64.b64encode(authority).decode(), **ranks}
    services.create({"metadata": {"name": SERVICE}, "spec": spec})

    def answers():
        answer = cluster.call("GET", f"{HERE}/namespaces/default/flunders")
        assert answer.status in (200, 403, 404, 503), answer
        return answer.status == 200

    until("the flunders to be served", answers)
    return services


@case("Aggregator Should be able to support the 1.17 Sample API Server using the current Aggregator")
def aggregated(cluster):
    authority, certificate, key = identities.issued("e2e-sampleapiserver-ca", f"sample-api.{cluster.ns}.svc")
    address = deployed(cluster, certificate, key)
    roles = rights(cluster)
    try:
        with Flunders(cluster, address, certificate, key):
            services = registered(cluster, authority)
            try:
                plainly(cluster)
                dynamically(cluster, services)
                deleted(services)
            finally:
                cluster.call("DELETE", services.path(SERVICE))
    finally:
        roles.end()


def plainly(cluster):
    """By requests as they stand, in the namespace `default`."""
    path, name = f"{HERE}/namespaces/default/flunders", unique("rest-flunder")
    labels = {"sample-label": "true"}
    body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Flunder", "metadata": {"labels": labels, "name": name, "namespace": "default"}}
    answer = cluster.call("POST", path, body)
    equal(answer.status, 201, f"{answer!r}")
    made = answer.json()
    equal((made["apiVersion"], made["kind"], made["metadata"]["name"]), (f"{GROUP}/{VERSION}", "Flunder", name))
    equal(len(cluster.ok("GET", path)["items"]), 1)
    cluster.ok("DELETE", f"{path}/{name}")
    equal(cluster.ok("GET", path)["items"], [])


def found_by_discovery(cluster):
    """Of both forms of discovery: the one document, and one for each group."""
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    document = cluster.ok("GET", "/apis", headers={"Accept": accept})
    (group,) = [it for it in document["items"] if it["metadata"]["name"] == GROUP]
    (version,) = group["versions"]
    assert any((it["resource"], it["scope"]) == ("flunders", "Namespaced") for it in version["resources"]), version
    (group,) = [it for it in cluster.ok("GET", "/apis")["groups"] if it["name"] == GROUP]
    equal(group["preferredVersion"]["version"], VERSION)
    assert any(it["name"] == "flunders" and it["namespaced"] for it in cluster.ok("GET", HERE)["resources"])


def dynamically(cluster, services):
    """By what discovery says, in the case's namespace; and the `APIService` itself, read and written."""
    found_by_discovery(cluster)
    flunders, name = Resource(cluster, f"{GROUP}/{VERSION}", "flunders"), unique("dynamic-flunder")
    body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Flunder", "metadata": {"name": name}, "spec": {}, "status": {}}
    flunders.create(body)
    equal(len(flunders.items()), 1)
    equal(services.get(SERVICE, "status")["status"]["conditions"][0]["message"], "all checks passed")
    equal(services.patch(SERVICE, {"spec": {"versionPriority": 400}}, MERGE)["spec"]["versionPriority"], 400)
    assert SERVICE in [it["metadata"]["name"] for it in services.items()]
    services.patch(SERVICE, {"metadata": {"labels": {"e2e-apiservice": "patched"}}}, STRATEGIC)
    equal(services.get(SERVICE)["metadata"]["labels"], {"e2e-apiservice": "patched"})
    condition = {"type": "StatusUpdated", "status": "True", "reason": "E2E", "message": "Set from e2e test", "lastTransitionTime": None}
    services.change(SERVICE, lambda it: it["status"]["conditions"].append(condition), "status")
    assert has_condition("StatusUpdated", reason="E2E", message="Set from e2e test")(services.get(SERVICE, "status"))
    changed = services.change(SERVICE, lambda it: it["metadata"].update(labels={SERVICE: "updated"}))
    equal(changed["metadata"]["labels"], {SERVICE: "updated"})
    # No retries: it was there all the time.
    flunders.delete(name)
    equal(flunders.items(), [])
    flunders.create(body)
    equal(len(flunders.items()), 1)
    found_by_discovery(cluster)
    conditions = services.get(SERVICE, "status")["status"]["conditions"]
    condition = {"type": "StatusPatched", "status": "True", "reason": "E2E", "message": "Set by e2e test", "lastTransitionTime": None}
    services.patch(SERVICE, {"status": {"conditions": [*conditions, condition]}}, MERGE, "status")
    assert has_condition("StatusPatched", reason="E2E", message="Set by e2e test")(services.get(SERVICE, "status"))


def deleted(services):
    label = f"{SERVICE}=updated"
    services.delete_all(label)
    until("it to go", lambda: not services.items(label))
    # What nobody serves is not there.
    answer = until("its path to go", lambda: [it for it in [services.cluster.call("GET", HERE)] if it.status != 200])[0]
    equal(answer.status, 404, "what it says then")

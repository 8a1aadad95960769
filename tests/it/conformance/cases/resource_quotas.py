"""sig-api-machinery: ResourceQuota: what is used is counted, charged and given back."""

from kubernetes.utils.quantity import parse_quantity

from harness import case, equal, fails, found, until

QUOTA = "test-quota"
DONGLE = "example.com/dongle"
# More than any of these cases needs, but for what each of them uses up.
ROOM = {
    "pods": "5", "services": "10", "services.nodeports": "1", "services.loadbalancers": "1",
    "replicationcontrollers": "10", "resourcequotas": "1", "configmaps": "10", "secrets": "10",
    "cpu": "1", "memory": "500Mi", "ephemeral-storage": "50Gi", "persistentvolumeclaims": "10",
    "requests.storage": "10Gi", "gold.storageclass.storage.k8s.io/requests.storage": "10Gi",
    "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "10",
    "count/replicasets.apps": "5", f"requests.{DONGLE}": "3",
}


def amounts(listed):
    return {name: parse_quantity(amount) for name, amount in (listed or {}).items()}


def uses(cluster, wanted, name=QUOTA):
    """Waits until a quota says that it holds what it shall, and that this much is used."""

    def check():
        quota = cluster.core.read_namespaced_resource_quota(name, cluster.ns)
        used = amounts(quota.status.used)
        same = amounts(quota.status.hard) == amounts(quota.spec.hard)
        return same and all(used.get(it) == parse_quantity(amount) for it, amount in wanted.items())

    until(f"{name} to use {wanted}", check)


def make(cluster, name=QUOTA, scopes=None, **hard):
    body = {"metadata": {"name": name}, "spec": {"hard": {**ROOM, **hard} if scopes is None else hard}}
    if scopes:
        body["spec"]["scopes"] = scopes
    cluster.core.create_namespaced_resource_quota(cluster.ns, body)


def pod(name, requests=None, limits=None, **spec):
    resources = {"requests": requests or {}, "limits": limits or {}}
    container = {"name": "pause", "image": "registry.example/pause", "resources": resources}
    return {"metadata": {"name": name}, "spec": {"containers": [container], "nodeSelector": {"x-test/nowhere": "yes"}, **spec}}


def gone(cluster, name):
    cluster.core.delete_namespaced_pod(name, cluster.ns, grace_period_seconds=0)


@case("ResourceQuota should create a ResourceQuota and ensure its status is promptly calculated.")
def prompt(cluster):
    make(cluster)
    uses(cluster, {"resourcequotas": "1"})


@case("ResourceQuota should create a ResourceQuota and capture the life of a service.")
def services(cluster):
    make(cluster)
    uses(cluster, {"resourcequotas": "1"})

    def service(name, kind, **spec):
        ports = [{"port": 80, "targetPort": 80}]
        body = {"metadata": {"name": name}, "spec": {"type": kind, "ports": ports, "selector": {"a": "b"}, **spec}}
        return cluster.core.create_namespaced_service(cluster.ns, body)

    service("one", "ClusterIP")
    service("two", "NodePort")
    refusal = fails(403, service, "three", "LoadBalancer", allocateLoadBalancerNodePorts=True)
    assert "exceeded quota: test-quota, requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1" in refusal["message"], refusal
    uses(cluster, {"resourcequotas": "1", "services": "2", "services.nodeports": "1"})
    for name in ("one", "two"):
        cluster.core.delete_namespaced_service(name, cluster.ns)
    uses(cluster, {"resourcequotas": "1", "services": "0", "services.nodeports": "0"})


@case("ResourceQuota should create a ResourceQuota and capture the life of a secret.")
def secrets(cluster):
    before = len(cluster.core.list_namespaced_secret(cluster.ns).items)
    make(cluster, secrets=str(before + 1))
    uses(cluster, {"resourcequotas": "1", "secrets": str(before)})
    cluster.core.create_namespaced_secret(cluster.ns, {"metadata": {"name": "one"}, "stringData": {"a": "b"}})
    uses(cluster, {"secrets": str(before + 1)})
    fails(403, cluster.core.create_namespaced_secret, cluster.ns, {"metadata": {"name": "two"}})
    cluster.core.delete_namespaced_secret("one", cluster.ns)
    uses(cluster, {"resourcequotas": "1", "secrets": str(before)})


@case("ResourceQuota should create a ResourceQuota and capture the life of a configMap.")
def config_maps(cluster):
    # The authority comes a moment after the namespace.
    until("the authority", lambda: found(cluster.core.read_namespaced_config_map, "kube-root-ca.crt", cluster.ns))
    before = len(cluster.core.list_namespaced_config_map(cluster.ns).items)
    make(cluster, configmaps=str(before + 1))
    uses(cluster, {"resourcequotas": "1", "configmaps": str(before)})
    cluster.core.create_namespaced_config_map(cluster.ns, {"metadata": {"name": "one"}, "data": {"a": "b"}})
    uses(cluster, {"configmaps": str(before + 1)})
    cluster.core.delete_namespaced_config_map("one", cluster.ns)
    uses(cluster, {"resourcequotas": "1", "configmaps": str(before)})


@case("ResourceQuota should create a ResourceQuota and capture the life of a pod.")
def pods(cluster):
    make(cluster)
    uses(cluster, {"resourcequotas": "1"})
    requests = {"cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", DONGLE: "2"}
    made = cluster.core.create_namespaced_pod(cluster.ns, pod("test-pod", requests, {DONGLE: "2"}))
    full = {**requests, "resourcequotas": "1", "pods": "1", f"requests.{DONGLE}": "2"}
    del full[DONGLE]
    uses(cluster, full)
    create = cluster.core.create_namespaced_pod
    refusal = fails(403, create, cluster.ns, pod("too-much", {"cpu": "600m", "memory": "100Mi"}))
    assert "exceeded quota: test-quota, requested: cpu=600m, used: cpu=500m, limited: cpu=1" in refusal["message"], refusal
    fails(403, create, cluster.ns, pod("too-many-dongles", {**requests, "memory": "100Mi"}, {DONGLE: "2"}))
    refusal = fails(403, create, cluster.ns, pod("silent"))
    assert "must specify cpu for: pause; memory for: pause" in refusal["message"], refusal
    made.spec.containers[0].resources.requests = {"cpu": "100m", "memory": "100Mi", "ephemeral-storage": "10Gi"}
    fails(422, cluster.core.replace_namespaced_pod, "test-pod", cluster.ns, made)
    uses(cluster, full)
    gone(cluster, "test-pod")
    uses(cluster, {name: "0" for name in full if name != "resourcequotas"} | {"resourcequotas": "1"})


def controlled(name):
    spec = {"replicas": 0, "selector": {"name": name}, "template": {
        "metadata": {"labels": {"name": name}}, "spec": {"containers": [{"name": name, "image": "registry.example/nginx"}]}}}
    return {"metadata": {"name": name}, "spec": spec}


@case("ResourceQuota should create a ResourceQuota and capture the life of a replication controller.")
def replication_controllers(cluster):
    make(cluster)
    uses(cluster, {"resourcequotas": "1", "replicationcontrollers": "0"})
    cluster.core.create_namespaced_replication_controller(cluster.ns, controlled("one"))
    uses(cluster, {"replicationcontrollers": "1"})
    cluster.core.delete_namespaced_replication_controller("one", cluster.ns, propagation_policy="Background")
    uses(cluster, {"resourcequotas": "1", "replicationcontrollers": "0"})


@case("ResourceQuota should create a ResourceQuota and capture the life of a replica set.")
def replica_sets(cluster):
    make(cluster)
    uses(cluster, {"resourcequotas": "1", "count/replicasets.apps": "0"})
    body = controlled("one")
    body["spec"]["selector"] = {"matchLabels": body["spec"]["selector"]}
    cluster.apps.create_namespaced_replica_set(cluster.ns, body)
    uses(cluster, {"count/replicasets.apps": "1"})
    cluster.apps.delete_namespaced_replica_set("one", cluster.ns)
    uses(cluster, {"resourcequotas": "1", "count/replicasets.apps": "0"})


REQUESTS, LIMITS = {"cpu": "500m", "memory": "200Mi"}, {"cpu": "1", "memory": "400Mi"}


@case("ResourceQuota should verify ResourceQuota with terminating scopes.")
def terminating(cluster):
    hard = {"pods": "5", "requests.cpu": "1", "requests.memory": "500Mi", "limits.cpu": "2", "limits.memory": "1Gi"}
    for name, scope in (("ends", "Terminating"), ("stays", "NotTerminating")):
        make(cluster, name, [scope], **hard)
        uses(cluster, {"pods": "0"}, name)
    full = {"pods": "1", "requests.cpu": "500m", "requests.memory": "200Mi", "limits.cpu": "1", "limits.memory": "400Mi"}
    empty = dict.fromkeys(full, "0")
    for name, counts, other, spec in (("long", "stays", "ends", {}), ("short", "ends", "stays", {"activeDeadlineSeconds": 3600})):
        cluster.core.create_namespaced_pod(cluster.ns, pod(name, REQUESTS, LIMITS, **spec))
        uses(cluster, full, counts)
        uses(cluster, empty, other)
        gone(cluster, name)
        uses(cluster, empty, counts)


@case("ResourceQuota should verify ResourceQuota with best effort scope.")
def best_effort(cluster):
    for name, scope in (("best", "BestEffort"), ("rest", "NotBestEffort")):
        make(cluster, name, [scope], pods="5")
        uses(cluster, {"pods": "0"}, name)
    for name, counts, other, amounts in (("one", "best", "rest", ({}, {})), ("two", "rest", "best", (REQUESTS, LIMITS))):
        cluster.core.create_namespaced_pod(cluster.ns, pod(name, *amounts))
        uses(cluster, {"pods": "1"}, counts)
        uses(cluster, {"pods": "0"}, other)
        gone(cluster, name)
        uses(cluster, {"pods": "0"}, counts)


def hard(quota):
    return amounts(quota["spec"]["hard"])


@case("ResourceQuota should be able to update and delete ResourceQuota.")
def update(cluster):
    path = f"/api/v1/namespaces/{cluster.ns}/resourcequotas"
    body = {"metadata": {"name": QUOTA}, "spec": {"hard": {"cpu": "1", "memory": "500Mi"}}}
    cluster.ok("POST", path, body)
    equal(hard(cluster.ok("GET", f"{path}/{QUOTA}")), amounts(body["spec"]["hard"]))
    body["spec"]["hard"] = {"cpu": "2", "memory": "1Gi"}
    equal(hard(cluster.ok("PUT", f"{path}/{QUOTA}", body)), amounts(body["spec"]["hard"]))
    equal(hard(cluster.ok("GET", f"{path}/{QUOTA}")), amounts(body["spec"]["hard"]))
    cluster.ok("DELETE", f"{path}/{QUOTA}")
    cluster.refused(404, "GET", f"{path}/{QUOTA}")


MERGE = "application/strategic-merge-patch+json"


@case("ResourceQuota should manage the lifecycle of a ResourceQuota")
def lifecycle(cluster):
    label = {"e2e-rq-label": cluster.ns}
    body = {"metadata": {"name": QUOTA, "labels": label}, "spec": {"hard": {"cpu": "1", "memory": "500Mi"}}}
    cluster.core.create_namespaced_resource_quota(cluster.ns, body)
    equal(cluster.core.read_namespaced_resource_quota(QUOTA, cluster.ns).spec.hard, {"cpu": "1", "memory": "500Mi"})
    chosen = f"e2e-rq-label={cluster.ns}"
    equal(len(cluster.core.list_resource_quota_for_all_namespaces(label_selector=chosen).items), 1, "all with the label")
    patch = {"metadata": {"labels": {"changed": "yes"}}, "spec": {"hard": {"memory": "750Mi"}}}
    patched = cluster.ok("PATCH", f"/api/v1/namespaces/{cluster.ns}/resourcequotas/{QUOTA}", patch, kind=MERGE)
    equal(patched["metadata"]["labels"]["changed"], "yes")
    equal(patched["spec"]["hard"], {"cpu": "1", "memory": "750Mi"})
    cluster.core.delete_collection_namespaced_resource_quota(cluster.ns, label_selector=chosen)
    assert found(cluster.core.read_namespaced_resource_quota, QUOTA, cluster.ns) is None


@case("ResourceQuota should apply changes to a resourcequota status")
def status(cluster):
    path = f"/api/v1/namespaces/{cluster.ns}/resourcequotas"
    one = f"{path}/{QUOTA}"
    with cluster.watch(path) as watch:
        cluster.ok("POST", path, {"metadata": {"name": QUOTA}, "spec": {"hard": {"cpu": "500m", "memory": "500Mi"}}})

        def write():
            quota = cluster.ok("GET", one)
            quota["status"] = {"hard": quota["spec"]["hard"]}
            return cluster.call("PUT", one + "/status", quota).status == 200

        until("a status without a conflict", write)
        watch.wait("MODIFIED", QUOTA, lambda it: it["status"].get("hard") == {"cpu": "500m", "memory": "500Mi"})
        larger = {"cpu": "1", "memory": "1Gi"}
        cluster.ok("PATCH", one, {"spec": {"hard": larger}}, kind=MERGE)
        cluster.ok("PATCH", one + "/status", {"status": {"hard": larger}}, kind=MERGE)
        watch.wait("MODIFIED", QUOTA, lambda it: it["status"].get("hard") == larger)
        equal(cluster.ok("GET", one + "/status")["status"]["hard"], larger)
        patched = cluster.ok("PATCH", one + "/status", {"status": {"hard": {"cpu": "2", "memory": "2Gi"}}}, kind=MERGE)
        equal(patched["status"]["hard"], {"cpu": "2", "memory": "2Gi"})
        equal(patched["spec"]["hard"], larger)
        # What the status says is the controller's to say.
        until("the status to be right again", lambda: cluster.ok("GET", one)["status"]["hard"] == larger)
        equal(cluster.ok("GET", one)["spec"]["hard"], larger)

"""sig-apps: ReplicaSet, with a node that only reports."""

from harness import case, equal, fails, until

IMAGE = "registry.k8s.io/e2e-test-images/httpd:2.4.38-4"
OTHER = "registry.k8s.io/e2e-test-images/nginx:1.15-4"
MERGE = "application/merge-patch+json"


def make(cluster, name, replicas, labels=None):
    labels = labels or {"name": name}
    template = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "httpd", "image": IMAGE}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return cluster.apps.create_namespaced_replica_set(cluster.ns, {"metadata": {"name": name, "labels": labels}, "spec": spec})


def read(cluster, name):
    return cluster.apps.read_namespaced_replica_set(name, cluster.ns)


def ready(cluster, name, count):
    return until(f"{count} ready replicas", lambda: (read(cluster, name).status.ready_replicas or 0) == count)


def controller(cluster, name):
    owners = cluster.core.read_namespaced_pod(name, cluster.ns).metadata.owner_references or []
    return next((it.uid for it in owners if it.controller), None)


@case("ReplicaSet should adopt matching pods on creation and release no longer matching pods")
def adopt(cluster):
    cluster.fake_node()
    name = "pod-adoption-release"
    spec = {"containers": [{"name": name, "image": IMAGE}]}
    cluster.core.create_namespaced_pod(cluster.ns, {"metadata": {"name": name, "labels": {"name": name}}, "spec": spec})
    until("it to run", lambda: cluster.core.read_namespaced_pod(name, cluster.ns).status.phase == "Running")
    made = make(cluster, name, 1)
    until("it to be adopted", lambda: controller(cluster, name) == made.metadata.uid)
    pod = cluster.core.list_namespaced_pod(cluster.ns).items[0].metadata.name
    cluster.core.patch_namespaced_pod(pod, cluster.ns, {"metadata": {"labels": {"name": "not-matching-name"}}})
    until("it to be let go", lambda: controller(cluster, pod) is None)


@case("ReplicaSet Replicaset should have a working scale subresource")
def scale(cluster):
    cluster.fake_node()
    make(cluster, "test-rs", 1)
    ready(cluster, "test-rs", 1)
    got = cluster.apps.read_namespaced_replica_set_scale("test-rs", cluster.ns)
    equal((got.spec.replicas, got.status.replicas), (1, 1), "scale")
    got.metadata.resource_version = None
    got.spec.replicas = 2
    cluster.apps.replace_namespaced_replica_set_scale("test-rs", cluster.ns, got)
    equal(read(cluster, "test-rs").spec.replicas, 2)
    cluster.apps.patch_namespaced_replica_set_scale("test-rs", cluster.ns, {"spec": {"replicas": 4}})
    equal(read(cluster, "test-rs").spec.replicas, 4)
    ready(cluster, "test-rs", 4)


@case("ReplicaSet Replace and Patch tests")
def replace(cluster):
    cluster.fake_node()
    path = f"/apis/apps/v1/namespaces/{cluster.ns}/replicasets"
    make(cluster, "test-rs", 1, {"app": "test-rs"})
    ready(cluster, "test-rs", 1)
    with cluster.watch(path, labelSelector="app=test-rs") as watch:
        cluster.apps.patch_namespaced_replica_set_scale("test-rs", cluster.ns, {"spec": {"replicas": 2}})
        watch.wait("MODIFIED", "test-rs", lambda it: it["status"].get("readyReplicas") == 2)
        container = {"name": "httpd", "image": OTHER}
        spec = {"replicas": 3, "template": {"spec": {"terminationGracePeriodSeconds": 0, "containers": [container]}}}
        cluster.apps.patch_namespaced_replica_set("test-rs", cluster.ns, {"metadata": {"labels": {"test-rs": "patched"}}, "spec": spec})

        def done(it):
            image = it["spec"]["template"]["spec"]["containers"][0]["image"]
            return it["metadata"]["labels"].get("test-rs") == "patched" and it["status"].get("readyReplicas") == 3 and image == OTHER

        watch.wait("MODIFIED", "test-rs", done)


@case("ReplicaSet should list and delete a collection of ReplicaSets")
def collection(cluster):
    cluster.fake_node()
    make(cluster, "test-rs", 3, {"e2e": "collection"})
    ready(cluster, "test-rs", 3)
    listed = cluster.apps.list_replica_set_for_all_namespaces(label_selector="e2e=collection").items
    equal([it.metadata.name for it in listed if it.metadata.namespace == cluster.ns], ["test-rs"])
    cluster.apps.delete_collection_namespaced_replica_set(cluster.ns, label_selector="e2e=collection")
    until("it to go", lambda: not cluster.apps.list_namespaced_replica_set(cluster.ns, label_selector="e2e=collection").items)


@case("ReplicaSet should validate Replicaset Status endpoints")
def status(cluster):
    cluster.fake_node()
    path = f"/apis/apps/v1/namespaces/{cluster.ns}/replicasets"
    make(cluster, "test-rs", 1, {"e2e": "status"})
    ready(cluster, "test-rs", 1)
    equal(cluster.ok("GET", f"{path}/test-rs/status")["status"]["readyReplicas"], 1)
    condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from an e2e test"}
    with cluster.watch(path, labelSelector="e2e=status") as watch:
        changed = cluster.ok("GET", f"{path}/test-rs")
        changed["status"].setdefault("conditions", []).append(condition)
        cluster.ok("PUT", f"{path}/test-rs/status", changed)
        has = lambda kind: lambda it: any(one["type"] == kind for one in it["status"].get("conditions", []))
        watch.wait("MODIFIED", "test-rs", has("StatusUpdate"))
        patch = {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}
        cluster.ok("PATCH", f"{path}/test-rs/status", patch, kind=MERGE)
        watch.wait("MODIFIED", "test-rs", has("StatusPatched"))
    fails(404, cluster.apps.read_namespaced_replica_set, "another", cluster.ns)

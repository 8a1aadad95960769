"""sig-apps: ReplicationController."""

from harness import case, equal, fails, found, until

IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.56"


def make(cluster, name, replicas, labels=None):
    labels = labels or {"name": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": name, "image": IMAGE}]}}
    spec = {"replicas": replicas, "selector": labels, "template": template}
    return cluster.core.create_namespaced_replication_controller(cluster.ns, {"metadata": {"name": name, "labels": labels}, "spec": spec})


def read(cluster, name):
    return cluster.core.read_namespaced_replication_controller(name, cluster.ns)


def failure(cluster, name):
    return [it for it in read(cluster, name).status.conditions or [] if it.type == "ReplicaFailure"]


def controller(cluster, name):
    owners = cluster.core.read_namespaced_pod(name, cluster.ns).metadata.owner_references or []
    return next((it.uid for it in owners if it.controller), None)


@case("ReplicationController should get and update a ReplicationController scale")
def scale(cluster):
    make(cluster, "e2e-rc", 1)
    until("one replica", lambda: read(cluster, "e2e-rc").status.replicas == 1)
    got = cluster.core.read_namespaced_replication_controller_scale("e2e-rc", cluster.ns)
    equal((got.spec.replicas, got.status.replicas), (1, 1), "scale")
    got.metadata.resource_version = None
    got.spec.replicas = 2
    cluster.core.replace_namespaced_replication_controller_scale("e2e-rc", cluster.ns, got)
    until("two replicas", lambda: read(cluster, "e2e-rc").status.replicas == 2)
    equal(read(cluster, "e2e-rc").spec.replicas, 2)


@case("ReplicationController should release no longer matching pods")
def release(cluster):
    made = make(cluster, "pod-release", 1)
    pods = lambda: cluster.core.list_namespaced_pod(cluster.ns).items
    pod = until("its pod", pods)[0]
    until("its owner", lambda: controller(cluster, pod.metadata.name) == made.metadata.uid)
    cluster.core.patch_namespaced_pod(pod.metadata.name, cluster.ns, {"metadata": {"labels": {"name": "not-matching-name"}}})
    until("it to be let go", lambda: controller(cluster, pod.metadata.name) is None)
    until("another in its place", lambda: len(pods()) == 2)


@case("ReplicationController should surface a failure condition on a common issue like exceeded quota")
def surface(cluster):
    name = "condition-test"
    cluster.core.create_namespaced_resource_quota(cluster.ns, {"metadata": {"name": name}, "spec": {"hard": {"pods": "2"}}})
    quota = lambda: cluster.core.read_namespaced_resource_quota(name, cluster.ns).status
    until("the quota to be known", lambda: (quota().hard or {}).get("pods") == "2")
    made = make(cluster, name, 3)
    until("the failure", lambda: failure(cluster, name))
    generation = made.metadata.generation
    until("it to be seen", lambda: (read(cluster, name).status.observed_generation or 0) >= generation)
    cluster.core.patch_namespaced_replication_controller(name, cluster.ns, {"spec": {"replicas": 2}})
    until("the failure to go", lambda: not failure(cluster, name))


@case("ReplicationController should adopt matching pods on creation")
def adopt(cluster):
    cluster.fake_node()
    spec = {"containers": [{"name": "pod-adoption", "image": IMAGE}]}
    cluster.core.create_namespaced_pod(cluster.ns, {"metadata": {"name": "pod-adoption", "labels": {"name": "pod-adoption"}}, "spec": spec})
    until("it to run", lambda: cluster.core.read_namespaced_pod("pod-adoption", cluster.ns).status.phase == "Running")
    made = make(cluster, "pod-adoption", 1)
    until("it to be adopted", lambda: controller(cluster, "pod-adoption") == made.metadata.uid)
    equal(len(cluster.core.list_namespaced_pod(cluster.ns).items), 1, "pods")


@case("ReplicationController should test the lifecycle of a ReplicationController")
def lifecycle(cluster):
    cluster.fake_node()
    path = f"/api/v1/namespaces/{cluster.ns}/replicationcontrollers"
    name, labels = "rc-test", {"test-rc-static": "true"}
    with cluster.watch(path, labelSelector="test-rc-static=true") as watch:
        make(cluster, name, 1, labels)
        watch.wait("ADDED", name)
        ready = lambda count: lambda it: it.get("status", {}).get("readyReplicas", 0) == count
        watch.wait("MODIFIED", name, ready(1))
        cluster.core.patch_namespaced_replication_controller(name, cluster.ns, {"metadata": {"labels": {"test-rc": "patched"}}})
        watch.wait("MODIFIED", name, lambda it: it["metadata"]["labels"].get("test-rc") == "patched")
        cluster.ok("PATCH", f"{path}/{name}/status", {"status": {"readyReplicas": 0, "availableReplicas": 0}}, kind="application/merge-patch+json")
        # The controller knows better.
        watch.wait("MODIFIED", name, ready(1))
        equal(cluster.ok("GET", f"{path}/{name}/status")["kind"], "ReplicationController")
        scale = {"spec": {"replicas": 2}}
        cluster.ok("PATCH", f"{path}/{name}/scale", scale, kind="application/merge-patch+json")
        watch.wait("MODIFIED", name, ready(2))
        listed = cluster.core.list_replication_controller_for_all_namespaces(label_selector="test-rc-static=true").items
        assert any(it.metadata.name == name and it.metadata.namespace == cluster.ns for it in listed)
        cluster.core.delete_collection_namespaced_replication_controller(cluster.ns, label_selector="test-rc-static=true")
        watch.wait("DELETED", name)
    equal(found(cluster.core.read_namespaced_replication_controller, name, cluster.ns), None)
    fails(404, cluster.core.delete_namespaced_replication_controller, name, cluster.ns)

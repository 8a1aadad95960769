"""sig-apps: StatefulSet, with a node that only reports."""

from harness import case, equal, found, until

HTTPD = "registry.k8s.io/e2e-test-images/httpd:2.4.38-4"
OTHER = "registry.k8s.io/e2e-test-images/httpd:2.4.39-4"
MERGE = "application/merge-patch+json"
LABELS = {"foo": "bar", "baz": "blah"}


def make(cluster, name, replicas, pod=None, **more):
    service = {"clusterIP": "None", "selector": LABELS, "ports": [{"port": 80, "name": "http"}]}
    cluster.core.create_namespaced_service(cluster.ns, {"metadata": {"name": "test"}, "spec": service})
    spec = {"terminationGracePeriodSeconds": 0, "containers": [{"name": "webserver", "image": HTTPD}], **(pod or {})}
    spec = {
        "replicas": replicas,
        "serviceName": "test",
        "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": LABELS}, "spec": spec},
        **more,
    }
    return cluster.apps.create_namespaced_stateful_set(cluster.ns, {"metadata": {"name": name, "labels": LABELS}, "spec": spec})


def read(cluster, name):
    return cluster.apps.read_namespaced_stateful_set(name, cluster.ns)


def ready(cluster, name, count):
    return until(f"{count} ready replicas", lambda: (read(cluster, name).status.ready_replicas or 0) == count and read(cluster, name))


def pods(cluster):
    """Image, revision and UID of each pod."""
    listed = cluster.core.list_namespaced_pod(cluster.ns, label_selector="foo=bar").items
    revision = "controller-revision-hash"
    return {it.metadata.name: (it.spec.containers[0].image, it.metadata.labels[revision], it.metadata.uid) for it in listed}


BASIC = "StatefulSet Basic StatefulSet functionality [StatefulSetBasic] "


@case(BASIC + "should have a working scale subresource")
def scale(cluster):
    cluster.fake_node()
    make(cluster, "ss", 1)
    ready(cluster, "ss", 1)
    got = cluster.apps.read_namespaced_stateful_set_scale("ss", cluster.ns)
    equal((got.spec.replicas, got.status.replicas), (1, 1), "scale")
    got.metadata.resource_version = None
    got.spec.replicas = 2
    equal(cluster.apps.replace_namespaced_stateful_set_scale("ss", cluster.ns, got).spec.replicas, 2)
    equal(read(cluster, "ss").spec.replicas, 2)
    cluster.apps.patch_namespaced_stateful_set_scale("ss", cluster.ns, {"spec": {"replicas": 4}})
    equal(read(cluster, "ss").spec.replicas, 4)
    ready(cluster, "ss", 4)
    equal(sorted(pods(cluster)), ["ss-0", "ss-1", "ss-2", "ss-3"])


@case(BASIC + "should list, patch and delete a collection of StatefulSets")
def collection(cluster):
    cluster.fake_node()
    make(cluster, "test-ss", 1)
    ready(cluster, "test-ss", 1)
    listed = cluster.apps.list_stateful_set_for_all_namespaces(label_selector="foo=bar").items
    equal([it.metadata.name for it in listed if it.metadata.namespace == cluster.ns], ["test-ss"])
    container = {"name": "webserver", "image": OTHER}
    spec = {"replicas": 2, "template": {"spec": {"terminationGracePeriodSeconds": 0, "containers": [container]}}}
    patch = {"metadata": {"labels": {"test-ss": "patched"}}, "spec": spec}
    patched = cluster.apps.patch_namespaced_stateful_set("test-ss", cluster.ns, patch)
    equal((patched.metadata.labels["test-ss"], patched.spec.replicas), ("patched", 2))
    until("pods of the new image", lambda: [image for image, _, _ in pods(cluster).values()] == [OTHER] * 2)
    ready(cluster, "test-ss", 2)
    cluster.apps.delete_collection_namespaced_stateful_set(cluster.ns, label_selector="test-ss=patched")
    until("it to go", lambda: not cluster.apps.list_namespaced_stateful_set(cluster.ns, label_selector="test-ss=patched").items)


@case(BASIC + "should validate Statefulset Status endpoints")
def status(cluster):
    cluster.fake_node()
    path = f"/apis/apps/v1/namespaces/{cluster.ns}/statefulsets"
    make(cluster, "ss", 1)
    ready(cluster, "ss", 1)
    equal(cluster.ok("GET", f"{path}/ss/status")["status"]["readyReplicas"], 1)
    condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from an e2e test"}
    has = lambda kind: lambda it: any(one["type"] == kind for one in it["status"].get("conditions", []))
    with cluster.watch(path, labelSelector="foo=bar") as watch:

        def update():
            changed = cluster.ok("GET", f"{path}/ss")
            changed["status"].setdefault("conditions", []).append(condition)
            return cluster.call("PUT", f"{path}/ss/status", changed).status == 200

        until("an update that nobody was faster than", update)
        watch.wait("MODIFIED", "ss", has("StatusUpdate"))
        patch = {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}
        cluster.ok("PATCH", f"{path}/ss/status", patch, kind=MERGE)
        watch.wait("MODIFIED", "ss", has("StatusPatched"))


@case(BASIC + "Should recreate evicted statefulset")
def evicted(cluster):
    def decide(pod):
        # The port is taken while the other pod is there.
        taken = pod["metadata"]["name"] == "ss-0" and found(cluster.core.read_namespaced_pod, "test-pod", cluster.ns)
        return "Failed" if taken else "Running"

    node = cluster.fake_node(decide)
    port = {"ports": [{"containerPort": 21017, "hostPort": 21017, "name": "conflict"}]}
    spec = {"nodeName": node.name, "containers": [{"name": "webserver", "image": HTTPD, **port}]}
    cluster.core.create_namespaced_pod(cluster.ns, {"metadata": {"name": "test-pod"}, "spec": spec})
    until("the other pod to run", lambda: cluster.core.read_namespaced_pod("test-pod", cluster.ns).status.phase == "Running")
    with cluster.watch(f"/api/v1/namespaces/{cluster.ns}/pods", fieldSelector="metadata.name=ss-0") as watch:
        make(cluster, "ss", 1, spec)
        first = watch.wait("ADDED", "ss-0")["metadata"]["uid"]
        watch.wait("DELETED", "ss-0", lambda it: it["metadata"]["uid"] == first)
        cluster.core.delete_namespaced_pod("test-pod", cluster.ns)
        runs = lambda it: it["metadata"]["uid"] != first and it["status"].get("phase") == "Running"
        watch.wait("MODIFIED", "ss-0", runs)
    ready(cluster, "ss", 1)


@case(BASIC + "should perform canary updates and phased rolling updates of template modifications")
def canary(cluster):
    cluster.fake_node()

    def change(partition, image=None):
        spec = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}}
        if image:
            spec["template"] = {"spec": {"containers": [{"name": "webserver", "image": image}]}}
        cluster.apps.patch_namespaced_stateful_set("ss2", cluster.ns, {"spec": spec})

    def images(*wanted):
        names = ["ss2-0", "ss2-1", "ss2-2"]
        status = lambda: read(cluster, "ss2").status
        until(f"images {wanted}", lambda: [pods(cluster).get(name, "?")[0] for name in names] == list(wanted))
        ready(cluster, "ss2", 3)
        counted = wanted.count(OTHER)
        until(f"{counted} updated replicas", lambda: (status().updated_replicas or 0) == counted)

    make(cluster, "ss2", 3, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 3}})
    first = ready(cluster, "ss2", 3).status
    equal(first.current_revision, first.update_revision, "revisions")
    # Nothing is updated while the partition is beyond the last.
    change(3, OTHER)
    second = until("a new revision", lambda: read(cluster, "ss2").status.update_revision != first.update_revision and read(cluster, "ss2").status)
    equal(second.current_revision, first.current_revision, "the current revision")
    equal({image for image, _, _ in pods(cluster).values()}, {HTTPD}, "images")
    # One canary.
    change(2)
    images(HTTPD, HTTPD, OTHER)
    before = pods(cluster)
    equal([before[name][1] for name in sorted(before)], [first.current_revision] * 2 + [second.update_revision], "revisions")
    # Deleted pods come back as they were.
    for name in ("ss2-0", "ss2-2"):
        cluster.core.delete_namespaced_pod(name, cluster.ns)
    changed = lambda now: {"ss2-0", "ss2-2"} <= set(now) and all(now[name][2] != before[name][2] for name in ("ss2-0", "ss2-2"))
    until("other pods in their place", lambda: changed(pods(cluster)))
    images(HTTPD, HTTPD, OTHER)
    # Phase by phase.
    change(1)
    images(HTTPD, OTHER, OTHER)
    change(0)
    until("the update to be whole", lambda: read(cluster, "ss2").status.current_revision == second.update_revision)
    equal({image for image, _, _ in pods(cluster).values()}, {OTHER}, "images")
    equal(read(cluster, "ss2").status.current_replicas, 3, "current replicas")

"""sig-apps: Deployment, with a node that only reports."""

from harness import case, equal, found, until

HTTPD = "registry.k8s.io/e2e-test-images/httpd:2.4.38-4"
NGINX = "registry.k8s.io/e2e-test-images/nginx:1.15-4"
MERGE = "application/merge-patch+json"
REVISION = "deployment.kubernetes.io/revision"


def template(labels, image):
    return {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "httpd", "image": image}]}}


def make(cluster, name, replicas, labels, image=HTTPD, **more):
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template(labels, image), **more}
    return cluster.apps.create_namespaced_deployment(cluster.ns, {"metadata": {"name": name, "labels": labels}, "spec": spec})


def make_set(cluster, name, replicas, labels, image, annotations=None):
    metadata = {"name": name, "labels": labels, "annotations": annotations}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template(labels, image)}
    return cluster.apps.create_namespaced_replica_set(cluster.ns, {"metadata": metadata, "spec": spec})


def read(cluster, name):
    return cluster.apps.read_namespaced_deployment(name, cluster.ns)


def complete(cluster, name):
    """Waits until all replicas are of the newest template, available, and alone."""

    def done():
        got = read(cluster, name)
        status, wanted = got.status, got.spec.replicas
        counts = [status.updated_replicas, status.available_replicas, status.replicas]
        return status.observed_generation == got.metadata.generation and counts == [wanted] * 3 and got

    return until(f"{name} to be complete", done)


def sets(cluster):
    return cluster.apps.list_namespaced_replica_set(cluster.ns).items


def new_set(cluster, deployment):
    image = deployment.spec.template.spec.containers[0].image
    return next(it for it in sets(cluster) if it.spec.template.spec.containers[0].image == image)


def owner(cluster, name):
    owners = cluster.apps.read_namespaced_replica_set(name, cluster.ns).metadata.owner_references or []
    return next((it.uid for it in owners if it.controller), None)


@case("Deployment RollingUpdateDeployment should delete old pods and create new ones")
def rolling(cluster):
    cluster.fake_node()
    labels = {"name": "sample-pod"}
    make_set(cluster, "test-rolling-update-controller", 1, {**labels, "pod": "httpd"}, HTTPD, {REVISION: "3546343826724305832"})
    until("its pod", lambda: sets(cluster)[0].status.ready_replicas == 1)
    made = make(cluster, "test-rolling-update-deployment", 1, labels, NGINX)
    # A set whose labels the deployment selects is the deployment's, and its history.
    until("the set to be adopted", lambda: owner(cluster, "test-rolling-update-controller") == made.metadata.uid)
    done = complete(cluster, "test-rolling-update-deployment")
    equal(done.metadata.annotations[REVISION], "3546343826724305833")
    equal(new_set(cluster, done).metadata.annotations[REVISION], "3546343826724305833")
    equal(cluster.apps.read_namespaced_replica_set("test-rolling-update-controller", cluster.ns).spec.replicas, 0)


@case("Deployment RecreateDeployment should delete old pods and create new ones")
def recreate(cluster):
    cluster.fake_node()
    labels = {"name": "sample-pod-3"}
    make(cluster, "test-recreate-deployment", 1, labels, HTTPD, strategy={"type": "Recreate"})
    first = complete(cluster, "test-recreate-deployment")
    equal(first.metadata.annotations[REVISION], "1")
    with cluster.watch(f"/api/v1/namespaces/{cluster.ns}/pods") as watch:
        patch = {"spec": {"template": {"spec": {"containers": [{"name": "httpd", "image": NGINX}]}}}}
        cluster.apps.patch_namespaced_deployment("test-recreate-deployment", cluster.ns, patch)
        second = complete(cluster, "test-recreate-deployment")
        equal(second.metadata.annotations[REVISION], "2")
        there = set()
        for event in list(watch.events):
            pod = event["object"]
            image = pod["spec"]["containers"][0]["image"]
            (there.discard if event["type"] == "DELETED" else there.add)((pod["metadata"]["uid"], image))
            assert len({image for _, image in there}) < 2, f"old and new pods at once: {there}"


@case("Deployment deployment should delete old replica sets")
def cleanup(cluster):
    cluster.fake_node()
    labels = {"name": "cleanup-pod"}
    make_set(cluster, "test-cleanup-controller", 1, {**labels, "pod": "httpd"}, HTTPD)
    until("its pod", lambda: sets(cluster)[0].status.ready_replicas == 1)
    make(cluster, "test-cleanup-deployment", 1, labels, NGINX, revisionHistoryLimit=0)
    until("the old set to go", lambda: found(cluster.apps.read_namespaced_replica_set, "test-cleanup-controller", cluster.ns) is None)
    complete(cluster, "test-cleanup-deployment")
    equal(len(sets(cluster)), 1, "sets")


@case("Deployment deployment should support rollover")
def rollover(cluster):
    cluster.fake_node()
    labels = {"name": "rollover-pod"}
    make_set(cluster, "test-rollover-controller", 1, {**labels, "pod": "httpd"}, HTTPD)
    until("its pod", lambda: sets(cluster)[0].status.ready_replicas == 1)
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    # This image is given up before it is ready.
    name = "test-rollover-deployment"
    made = make(cluster, name, 1, labels, "gcr.io/google_samples/gb-redisslave:nonexistent", strategy=strategy, minReadySeconds=10)
    middle = until("a first new set", lambda: len(sets(cluster)) == 2 and new_set(cluster, made))
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "httpd", "image": NGINX}]}}}}
    cluster.apps.patch_namespaced_deployment(name, cluster.ns, patch)
    done = complete(cluster, name)
    newest = new_set(cluster, done)
    equal((newest.spec.replicas, len(sets(cluster))), (1, 3))
    for old in ("test-rollover-controller", middle.metadata.name):
        equal(cluster.apps.read_namespaced_replica_set(old, cluster.ns).spec.replicas, 0, old)
    equal(newest.metadata.annotations[REVISION], done.metadata.annotations[REVISION])


@case("Deployment Deployment should have a working scale subresource")
def scale(cluster):
    cluster.fake_node()
    make(cluster, "test-new-deployment", 1, {"name": "httpd"})
    complete(cluster, "test-new-deployment")
    got = cluster.apps.read_namespaced_deployment_scale("test-new-deployment", cluster.ns)
    equal((got.spec.replicas, got.status.replicas), (1, 1), "scale")
    got.metadata.resource_version = None
    got.spec.replicas = 2
    cluster.apps.replace_namespaced_deployment_scale("test-new-deployment", cluster.ns, got)
    equal(read(cluster, "test-new-deployment").spec.replicas, 2)
    cluster.apps.patch_namespaced_deployment_scale("test-new-deployment", cluster.ns, {"spec": {"replicas": 4}})
    equal(complete(cluster, "test-new-deployment").spec.replicas, 4)


@case("Deployment should run the lifecycle of a Deployment")
def lifecycle(cluster):
    cluster.fake_node()
    path = f"/apis/apps/v1/namespaces/{cluster.ns}/deployments"
    labels, name = {"test-deployment-static": "true"}, "test-deployment"
    ready = lambda count: lambda it: it.get("status", {}).get("readyReplicas", 0) == count
    with cluster.watch(path, labelSelector="test-deployment-static=true") as watch:
        make(cluster, name, 2, labels)
        watch.wait("ADDED", name)
        watch.wait("MODIFIED", name, ready(2))
        container = {"name": "httpd", "image": NGINX}
        body = {"metadata": {"labels": {"test-deployment": "patched"}}, "spec": {"replicas": 1, "template": {"spec": {"containers": [container]}}}}
        cluster.apps.patch_namespaced_deployment(name, cluster.ns, body)
        watch.wait("MODIFIED", name, lambda it: it["metadata"]["labels"].get("test-deployment") == "patched")
        watch.wait("MODIFIED", name, ready(1))
        listed = cluster.apps.list_deployment_for_all_namespaces(label_selector="test-deployment-static=true").items
        mine = [it for it in listed if it.metadata.namespace == cluster.ns]
        equal([it.metadata.name for it in mine], [name])
        equal(mine[0].spec.template.spec.containers[0].image, NGINX)
        whole = cluster.ok("GET", f"{path}/{name}")
        del whole["metadata"]["resourceVersion"]
        whole["metadata"]["labels"]["test-deployment"] = "updated"
        whole["spec"]["replicas"] = 2
        cluster.ok("PUT", f"{path}/{name}", whole)
        watch.wait("MODIFIED", name, lambda it: it["metadata"]["labels"]["test-deployment"] == "updated")
        watch.wait("MODIFIED", name, ready(2))
        cluster.ok("PATCH", f"{path}/{name}/status", {"status": {"readyReplicas": 0, "availableReplicas": 0}}, kind=MERGE)
        # The controller knows better.
        watch.wait("MODIFIED", name, ready(2))
        equal(cluster.ok("GET", f"{path}/{name}/status")["kind"], "Deployment")
        cluster.apps.delete_collection_namespaced_deployment(cluster.ns, label_selector="test-deployment-static=true")
        watch.wait("DELETED", name)


@case("Deployment should validate Deployment Status endpoints")
def status(cluster):
    cluster.fake_node()
    path = f"/apis/apps/v1/namespaces/{cluster.ns}/deployments"
    make(cluster, "test-deployment", 1, {"e2e": "testing"})
    complete(cluster, "test-deployment")
    equal(cluster.ok("GET", f"{path}/test-deployment/status")["status"]["readyReplicas"], 1)
    condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from an e2e test"}
    has = lambda kind: lambda it: any(one["type"] == kind for one in it["status"].get("conditions", []))
    with cluster.watch(path, labelSelector="e2e=testing") as watch:

        def update():
            changed = cluster.ok("GET", f"{path}/test-deployment")
            changed["status"]["conditions"].append(condition)
            return cluster.call("PUT", f"{path}/test-deployment/status", changed).status == 200

        until("an update that nobody was faster than", update)
        watch.wait("MODIFIED", "test-deployment", has("StatusUpdate"))
        patch = {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}
        cluster.ok("PATCH", f"{path}/test-deployment/status", patch, kind=MERGE)
        watch.wait("MODIFIED", "test-deployment", has("StatusPatched"))

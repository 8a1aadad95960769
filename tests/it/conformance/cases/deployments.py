"""sig-apps: Deployment, with a node that only reports."""

import workloads
from harness import case, equal, until
from node import running
from resource import MERGE, STRATEGIC, Resource, unique
from workloads import AGNHOST, HTTPD, PAUSE, ReplicaSets, has_condition, owner, replicas_of, seen, template

REVISION = "deployment.kubernetes.io/revision"
MISSING = ("gcr.io/google_samples/gb-redisslave:nonexistent", "webserver:404")


def api(cluster, plural="deployments"):
    return Resource(cluster, "apps/v1", plural)


def deployment(name, replicas, labels, container, image, kind="RollingUpdate", **more):
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "strategy": {"type": kind}}
    return {"metadata": {"name": name, "labels": labels}, "spec": {**spec, "template": template(labels, container, image), **more}}


def replica_set(name, labels, annotations=None):
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template(labels, "httpd", HTTPD)}
    return {"metadata": {"name": name, "labels": labels, "annotations": annotations or {}}, "spec": spec}


def decide(pod):
    """An image that is nowhere is never there."""
    return None if pod["spec"]["containers"][0]["image"] in MISSING else "Running"


def revision_and_image(sets, revision, image):
    """Whether deployment and newest set have this revision and image, and the set its hash."""
    whole, new, _ = sets.split()
    if new is None or not all(it["metadata"].get("annotations", {}).get(REVISION) == revision for it in (whole, new)):
        return False
    images = [it["spec"]["template"]["spec"]["containers"] for it in (whole, new)]
    return all(any(one["image"] == image for one in of) for of in images) and new["metadata"]["labels"].get("pod-template-hash")


def is_complete(it):
    wanted, status = it["spec"]["replicas"], it.get("status", {})
    counts = [status.get(key, 0) for key in ("updatedReplicas", "replicas", "availableReplicas")]
    return counts == [wanted] * 3 and status["observedGeneration"] >= it["metadata"]["generation"]


def rolls(sets):
    """No more pods than a surge, and no fewer than may be unavailable, in a rolling update."""
    whole, new, old = sets.split()
    if new is None:
        return whole
    update, wanted = whole["spec"]["strategy"]["rollingUpdate"], whole["spec"]["replicas"]
    most, least = wanted + update["maxSurge"], wanted - update["maxUnavailable"]
    # As the suite counts: what the sets are to have. What each has seen of its pods comes at its own time.
    assert sum(replicas_of(it)[0] for it in [new, *old]) <= most, f"more than {most}: {[new, *old]}"
    assert whole["status"].get("availableReplicas", 0) >= least, f"less than {least}: {whole['status']}"
    return whole


def complete(sets, checked=False):
    def check():
        got = rolls(sets) if checked else sets.deployments.get(sets.name)
        return got if is_complete(got) else None

    return until(f"{sets.name} to be complete", check)


def observed(deployments, name, generation):
    until("it to be observed", lambda: deployments.get(name).get("status", {}).get("observedGeneration", 0) >= generation)


def retemplate(name, image):
    """An edit of the first container."""
    return lambda it: it["spec"]["template"]["spec"]["containers"][0].update(name=name, image=image)


def with_old_set(cluster, name, labels, annotations=None):
    """A set that is there before the deployment that takes it over."""
    cluster.fake_node(decide)
    api(cluster, "replicasets").create(replica_set(name, {**labels, "pod": "httpd"}, annotations))
    running(cluster, f"name={labels['name']}", 1)


@case("Deployment RollingUpdateDeployment should delete old pods and create new ones")
def rolling(cluster):
    labels, name = {"name": "sample-pod"}, "test-rolling-update-deployment"
    # The next one is more than 53 bits hold.
    with_old_set(cluster, "test-rolling-update-controller", labels, {REVISION: "3546343826724305832"})
    sets = ReplicaSets(cluster, api(cluster), name)
    made = api(cluster).create(deployment(name, 1, labels, "agnhost", AGNHOST))
    until("the next revision", lambda: revision_and_image(sets, "3546343826724305833", AGNHOST))
    complete(sets)
    _, _, old = sets.split()
    equal([it["metadata"]["name"] for it in old], ["test-rolling-update-controller"], "adopted sets")
    equal(owner(old[0]), made["metadata"]["uid"])
    equal(old[0]["spec"]["replicas"], 0)


@case("Deployment RecreateDeployment should delete old pods and create new ones")
def recreate(cluster):
    cluster.fake_node()
    name, labels = "test-recreate-deployment", {"name": "sample-pod-3"}
    sets = ReplicaSets(cluster, api(cluster), name)
    api(cluster).create(deployment(name, 1, labels, "agnhost", AGNHOST, "Recreate"))
    until("revision 1", lambda: revision_and_image(sets, "1", AGNHOST))
    complete(sets)
    pods = cluster.watch(f"/api/v1/namespaces/{cluster.ns}/pods")
    changed = api(cluster).change(name, retemplate("httpd", HTTPD))

    def check(it):
        status = it["status"]
        updated, all_of_them = status.get("updatedReplicas", 0), status.get("replicas", 0)
        assert not updated or updated == all_of_them, f"new pods beside old ones: {status}"
        return it["spec"]["replicas"] == all_of_them == updated and it["metadata"]["generation"] <= status["observedGeneration"]

    fields = {"fieldSelector": f"metadata.name={name}"}
    with api(cluster).watch(resourceVersion=changed["metadata"]["resourceVersion"], **fields) as watch:
        watch.wait(None, name, check)
    # The same, pod by pod.
    there = set()
    with pods:
        for event in list(pods.events):
            one = event["object"]["metadata"]["uid"], event["object"]["spec"]["containers"][0]["image"]
            (there.discard if event["type"] == "DELETED" else there.add)(one)
            assert len({image for _, image in there}) < 2, f"old and new pods at once: {there}"


@case("Deployment deployment should delete old replica sets")
def cleanup(cluster):
    labels, name = {"name": "cleanup-pod"}, "test-cleanup-deployment"
    with_old_set(cluster, "test-cleanup-controller", labels)
    pods = Resource(cluster, "v1", "pods")
    since = pods.all()["metadata"]["resourceVersion"]
    with pods.watch(resourceVersion=since) as watch:
        api(cluster).create(deployment(name, 1, labels, "agnhost", AGNHOST, revisionHistoryLimit=0))
        sets = ReplicaSets(cluster, api(cluster), name)
        until("the history to go", lambda: sets.split()[1] and not sets.split()[2])
        # Of the time until then: the watch has seen the pod, so it has seen what was before it.
        until("the pod to be seen", lambda: any(it["type"] == "ADDED" for it in list(watch.events)))
        made = [it["object"]["spec"]["containers"][0]["name"] for it in list(watch.events) if it["type"] == "ADDED"]
    # The old set makes none when its selector gets a hash.
    equal(made, ["agnhost"], "pods that were made")
    equal(len(api(cluster, "replicasets").items()), 1, "sets")


@case("Deployment deployment should support rollover")
def rollover(cluster):
    labels, name, first = {"name": "rollover-pod"}, "test-rollover-deployment", "test-rollover-controller"
    with_old_set(cluster, first, labels)
    old_sets = api(cluster, "replicasets")
    until("its pod to be ready", lambda: old_sets.get(first)["status"].get("readyReplicas") == 1)
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    body = deployment(name, 1, labels, "redis-slave", MISSING[0], strategy=strategy, minReadySeconds=10)
    made = api(cluster).create(body)
    sets = ReplicaSets(cluster, api(cluster), name)

    def begun():
        status = api(cluster).get(name)["status"]
        return status.get("observedGeneration", 0) >= made["metadata"]["generation"] and status.get("updatedReplicas", 0) >= 1

    until("an updated replica", begun)
    assert revision_and_image(sets, "1", MISSING[0]), sets.split()
    middle = sets.split()[1]
    for it in (old_sets.get(first), middle):
        equal(replicas_of(it), (1, 1), it["metadata"]["name"])
    # It is stuck; what comes now rolls over both.
    changed = api(cluster).change(name, retemplate("agnhost", AGNHOST))
    observed(api(cluster), name, changed["metadata"]["generation"])
    until("revision 2", lambda: revision_and_image(sets, "2", AGNHOST))
    complete(sets, checked=True)
    for it in (first, middle["metadata"]["name"]):
        equal(replicas_of(old_sets.get(it)), (0, 0), it)


@case("Deployment Deployment should have a working scale subresource")
def scale(cluster):
    cluster.fake_node()
    name = "test-new-deployment"
    made = api(cluster).create(deployment(name, 1, {"name": "httpd"}, "httpd", HTTPD))
    observed(api(cluster), name, made["metadata"]["generation"])
    running(cluster, "name=httpd", 1)
    complete(ReplicaSets(cluster, api(cluster), name))
    workloads.scales(api(cluster), name)


@case("Deployment deployment should support proportional scaling")
def proportional(cluster):
    cluster.fake_node(decide)
    name, resource, sets = "webserver-deployment", api(cluster), api(cluster, "replicasets")
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    made = resource.create(deployment(name, 10, {"name": "httpd"}, "httpd", HTTPD, strategy=strategy))
    observed(resource, name, made["metadata"]["generation"])
    running(cluster, "name=httpd", 10)
    own = ReplicaSets(cluster, resource, name)
    complete(own)
    first = own.split()[1]["metadata"]["name"]
    changed = resource.change(name, retemplate("httpd", MISSING[1]))
    observed(resource, name, changed["metadata"]["generation"])

    def has(which, replicas):
        def check():
            it = sets.get(which)
            return replicas_of(it) == (replicas, replicas) and it["status"]["observedGeneration"] >= it["metadata"]["generation"]

        until(f"{replicas} replicas of {which}", check)

    until("8 that are available", lambda: sets.get(first)["status"].get("availableReplicas") == 8)
    has(first, 8)
    second = until("the second set", lambda: own.split()[1])
    equal(second["status"].get("availableReplicas", 0), 0)
    second = second["metadata"]["name"]
    has(second, 5)
    assert resource.get(name)["status"]["availableReplicas"] >= 8
    # 20 more: 12 to the one with 8, 8 to the one with 5.
    resource.change(name, lambda it: it["spec"].update(replicas=30))
    for which, replicas in ((first, 20), (second, 13)):
        until(f"{replicas} wanted of {which}", lambda: sets.get(which)["spec"]["replicas"] == replicas)


@case("Deployment should run the lifecycle of a Deployment")
def lifecycle(cluster):
    cluster.fake_node()
    name, static, resource = "test-deployment", "test-deployment-static=true", api(cluster)
    since = resource.all(static, everywhere=True)["metadata"]["resourceVersion"]
    body = deployment(name, 2, {"test-deployment-static": "true"}, name, AGNHOST)
    body["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1

    def is_at(replicas, **spec):
        def check(it):
            status, pod = it.get("status", {}), it["spec"]["template"]["spec"]
            counts = [status.get(key, 0) for key in ("readyReplicas", "updatedReplicas", "unavailableReplicas")]
            now = {"image": pod["containers"][0]["image"], "grace": pod["terminationGracePeriodSeconds"]}
            return counts == [replicas, replicas, 0] and spec.items() <= now.items()

        return check

    resource.create(body)
    seen(resource, static, since, "ADDED", name=name)
    seen(resource, static, since, None, is_at(2), name)
    spec = {"terminationGracePeriodSeconds": 2, "containers": [{"name": name, "image": PAUSE}]}
    patch = {"metadata": {"labels": {"test-deployment": "patched"}}, "spec": {"replicas": 1, "template": {"spec": spec}}}
    resource.patch(name, patch, STRATEGIC)
    seen(resource, static, since, "MODIFIED", name=name)
    seen(resource, static, since, None, is_at(1, image=PAUSE, grace=2), name)
    listed = resource.all(static, everywhere=True)
    assert any(it["metadata"]["name"] == name and it["metadata"]["namespace"] == cluster.ns for it in listed["items"])
    since = listed["metadata"]["resourceVersion"]
    # Written without a version, as it was made, with what a typed client says of a status that is empty.
    body["metadata"] |= {"creationTimestamp": None, "labels": {"test-deployment-static": "true", "test-deployment": "updated"}}
    body["spec"]["template"]["spec"]["containers"][0]["image"] = HTTPD
    body |= {"apiVersion": "apps/v1", "kind": "Deployment", "status": {}}
    resource.update(body)
    seen(resource, static, since, "MODIFIED", name=name)

    def said():
        got = resource.get(name, "status")
        equal(got["spec"]["template"]["spec"]["containers"][0]["image"], HTTPD)
        equal(got["metadata"]["labels"]["test-deployment"], "updated", "labels, which a status does not change")

    said()
    seen(resource, static, since, None, is_at(2), name)
    zero = {"metadata": {"labels": {"test-deployment": "patched-status"}}, "status": {"readyReplicas": 0, "availableReplicas": 0}}
    resource.patch(name, zero, STRATEGIC, "status")
    seen(resource, static, since, "MODIFIED", name=name)
    said()
    # The controller knows better.
    until("the status to be right again", lambda: is_at(2, image=HTTPD)(resource.get(name)))
    resource.delete_all(static, {"gracePeriodSeconds": 1})
    seen(resource, static, since, "DELETED", name=name)


@case("Deployment should validate Deployment Status endpoints")
def status(cluster):
    cluster.fake_node()
    resource, name = api(cluster), unique("test-deployment")
    since = resource.all("e2e=testing", everywhere=True)["metadata"]["resourceVersion"]
    resource.create(deployment(name, 1, {"name": "httpd", "e2e": "testing"}, "httpd", HTTPD))
    sets = ReplicaSets(cluster, resource, name)
    until("revision 1", lambda: revision_and_image(sets, "1", HTTPD))
    complete(sets)
    workloads.status_endpoints(resource, name, "e2e=testing", since)
    # A deployment that has progressed says so, whatever was written beside it.
    resource.patch(name, {"metadata": {"annotations": {"seen": "again"}}}, MERGE)
    until("its own conditions", lambda: has_condition("Available", status="True")(resource.get(name)))

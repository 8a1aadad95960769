"""sig-apps: ReplicationController."""

from answering import hostnames
from harness import case, equal, until
from node import controller, running
from resource import STRATEGIC, Resource, unique
from workloads import AGNHOST, HTTPD, NGINX, has_condition, replicas_of, template


def api(cluster):
    return Resource(cluster, "v1", "replicationcontrollers")


def replication_controller(name, replicas, labels=None, container="httpd", image=HTTPD, selector=None):
    """Without a selector it gets its template's labels."""
    spec = {"replicas": replicas, "template": template(labels or {"name": name}, container, image)}
    return {"metadata": {"name": name}, "spec": {**spec, **({"selector": selector} if selector else {})}}


@case("ReplicationController should serve a basic image on each replica with a public image")
def serves(cluster):
    name = unique("my-hostname-basic")
    body = replication_controller(name, 1, None, name, AGNHOST)
    body["spec"]["template"]["spec"]["containers"][0] |= {"args": ["serve-hostname"], "ports": [{"containerPort": 9376}]}
    cluster.fake_node()
    api(cluster).create(body)
    hostnames(cluster, running(cluster, f"name={name}", 1), 9376)


@case("ReplicationController should get and update a ReplicationController scale")
def scale(cluster):
    name, resource = unique("e2e-rc"), api(cluster)
    resource.create(replication_controller(name, 1))
    equal(resource.get(name)["spec"]["selector"], {"name": name})
    until("one replica", lambda: replicas_of(resource.get(name)) == (1, 1))
    scale = resource.get(name, "scale")
    equal(scale["status"]["replicas"], 1)
    del scale["metadata"]["resourceVersion"]
    scale["spec"]["replicas"] = 2
    resource.update(scale, "scale")
    until("two replicas", lambda: replicas_of(resource.get(name)) == (2, 2))


@case("ReplicationController should release no longer matching pods")
def release(cluster):
    name, pods = "pod-release", Resource(cluster, "v1", "pods")
    made = api(cluster).create(replication_controller(name, 1, None, name, selector={"name": name}))
    pod = until("its pod", lambda: pods.items(f"name={name}"))[0]["metadata"]["name"]
    pods.change(pod, lambda it: it["metadata"].update(labels={"name": "not-matching-name"}))
    until("it to be let go", lambda: controller(cluster, pod) is None)
    new = until("another in its place", lambda: pods.items(f"name={name}"))[0]["metadata"]["name"]
    equal(controller(cluster, new), made["metadata"]["uid"])


@case("ReplicationController should surface a failure condition on a common issue like exceeded quota")
def surface(cluster):
    name, resource, quotas = "condition-test", api(cluster), Resource(cluster, "v1", "resourcequotas")
    quotas.create({"metadata": {"name": name}, "spec": {"hard": {"pods": "2"}}})
    until("the quota to be known", lambda: quotas.get(name).get("status", {}).get("hard", {}).get("pods") == "2")
    made = resource.create(replication_controller(name, 3))

    def fails(generation, is_so):
        def check():
            got = resource.get(name)
            return got["status"].get("observedGeneration", 0) >= generation and has_condition("ReplicaFailure")(got) == is_so

        until(f"failing to be {is_so}", check)

    fails(made["metadata"]["generation"], True)
    changed = resource.change(name, lambda it: it["spec"].update(replicas=2))
    fails(changed["metadata"]["generation"], False)


@case("ReplicationController should adopt matching pods on creation")
def adopt(cluster):
    node, name = cluster.fake_node(), "pod-adoption"
    node.pods.create({"metadata": {"name": name, "labels": {"name": name}}, "spec": {"containers": [{"name": name, "image": HTTPD}]}})
    node.runs(name)
    made = api(cluster).create(replication_controller(name, 1, None, name, selector={"name": name}))
    until("it to be adopted", lambda: controller(cluster, name) == made["metadata"]["uid"])
    equal(len(node.pods.items()), 1, "pods")


@case("ReplicationController should test the lifecycle of a ReplicationController")
def lifecycle(cluster):
    cluster.fake_node()
    name, static, resource = "rc-test", "test-rc-static=true", api(cluster)
    labels = {"test-rc-static": "true"}
    body = replication_controller(name, 1, labels, name, NGINX, labels)
    body["metadata"]["labels"] = labels
    body["spec"]["template"]["metadata"]["name"] = name
    since = resource.all(static)["metadata"]["resourceVersion"]
    counts = lambda it: [it.get("status", {}).get(key, 0) for key in ("replicas", "readyReplicas")]  # noqa: E731
    with resource.watch(static, resourceVersion=since, allowWatchBookmarks="true") as watch:
        resource.create(body)
        watch.wait("ADDED", name)
        watch.wait(None, name, lambda it: counts(it) == [1, 1])
        patch = {"metadata": {"creationTimestamp": None, "labels": {"test-rc": "patched"}}, "spec": {}, "status": {"replicas": 0}}
        equal(resource.patch(name, patch, STRATEGIC)["metadata"]["labels"]["test-rc"], "patched")
        watch.wait("MODIFIED", name)
        said = resource.patch(name, {"status": {"readyReplicas": 0, "availableReplicas": 0}}, STRATEGIC, "status")
        equal(said["status"].get("readyReplicas", 0), 0)
        watch.wait("MODIFIED", name)
        watch.wait(None, name, lambda it: counts(it)[0] == 1)
        equal(resource.get(name, "status")["status"]["replicas"], 1)
        resource.patch(name, {"metadata": {"creationTimestamp": None}, "spec": {"replicas": 2}, "status": {"replicas": 0}}, STRATEGIC, "scale")
        watch.wait("MODIFIED", name)
        watch.wait(None, name, lambda it: counts(it) == [2, 2])
        got = resource.get(name)
        equal(got["metadata"]["labels"]["test-rc"], "patched")
        # Written as it was read, once: nobody may have written in between, for it is all as it should be.
        got["status"] |= {"availableReplicas": 1, "readyReplicas": 1}
        resource.update(got, "status")
        watch.wait("MODIFIED", name)
        listed = resource.items(static, everywhere=True)
        wanted = {"test-rc-static": "true", "test-rc": "patched"}
        mine = [it for it in listed if (it["metadata"]["name"], it["metadata"]["namespace"]) == (name, cluster.ns)]
        equal([it["metadata"]["labels"] for it in mine], [wanted])
        resource.delete_all(static)
        watch.wait("DELETED", name)
    resource.gone(name)

"""sig-apps: ReplicaSet, with a node that only reports."""

import workloads
from answering import hostnames
from harness import case, equal, until
from node import controller, running
from resource import STRATEGIC, Resource, unique
from workloads import AGNHOST, HTTPD, PAUSE, deleted_at_once, seen, template

LABELS = {"name": "sample-pod", "pod": "httpd"}


def api(cluster):
    return Resource(cluster, "apps/v1", "replicasets")


def replica_set(name, replicas, labels=None, container="httpd", image=HTTPD):
    labels = labels or LABELS
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template(labels, container, image)}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


def created(cluster, replicas=1, labels=None):
    cluster.fake_node()
    api(cluster).create(replica_set("test-rs", replicas, labels))
    running(cluster, "name=sample-pod", replicas)
    return api(cluster)


@case("ReplicaSet should serve a basic image on each replica with a public image")
def serves(cluster):
    name = unique("my-hostname-basic")
    body = replica_set(name, 1, {"name": name}, name, AGNHOST)
    body["spec"]["template"]["spec"]["containers"][0] |= {"args": ["serve-hostname"], "ports": [{"containerPort": 9376}]}
    cluster.fake_node()
    api(cluster).create(body)
    hostnames(cluster, running(cluster, f"name={name}", 1), 9376)


@case("ReplicaSet should adopt matching pods on creation and release no longer matching pods")
def adopt(cluster):
    node = cluster.fake_node()
    name = "pod-adoption-release"
    pod = {"metadata": {"name": name, "labels": {"name": name}}, "spec": {"containers": [{"name": name, "image": HTTPD}]}}
    node.pods.create(pod)
    node.runs(name)
    made = api(cluster).create(replica_set(name, 1, {"name": name}, name))
    until("it to be adopted", lambda: controller(cluster, name) == made["metadata"]["uid"])
    pod = running(cluster, f"name={name}", 1)[0]["metadata"]["name"]
    node.pods.change(pod, lambda it: it["metadata"].update(labels={"name": "not-matching-name"}))
    until("it to be let go", lambda: controller(cluster, pod) is None)


@case("ReplicaSet Replicaset should have a working scale subresource")
def scale(cluster):
    workloads.scales(created(cluster), "test-rs")
    running(cluster, "name=sample-pod", 4)


@case("ReplicaSet Replace and Patch tests")
def replace(cluster):
    label = "test-rs=patched"
    since = api(cluster).all(label, everywhere=True)["metadata"]["resourceVersion"]
    sets = created(cluster)
    sets.change("test-rs", lambda it: it["spec"].update(replicas=2))
    # No container is called so: it comes first, and the old one stays.
    pod = {"terminationGracePeriodSeconds": 0, "containers": [{"name": "test-rs", "image": PAUSE}]}
    sets.patch("test-rs", {"metadata": {"labels": {"test-rs": "patched"}}, "spec": {"replicas": 3, "template": {"spec": pod}}}, STRATEGIC)

    def done(it):
        spec, status = it["spec"]["template"]["spec"], it["status"]
        counts = status.get("readyReplicas"), status.get("availableReplicas")
        return counts == (3, 3) and spec["containers"][0]["image"] == PAUSE and spec["terminationGracePeriodSeconds"] == 0

    seen(sets, label, since, None, done, "test-rs")
    equal([it["name"] for it in sets.get("test-rs")["spec"]["template"]["spec"]["containers"]], ["test-rs", "httpd"])


@case("ReplicaSet should list and delete a collection of ReplicaSets")
def collection(cluster):
    value = unique("e2e")
    deleted_at_once(created(cluster, 3, {**LABELS, "e2e": value}), f"e2e={value}")


@case("ReplicaSet should validate Replicaset Status endpoints")
def status(cluster):
    selector = "name=sample-pod,pod=httpd"
    since = api(cluster).all(selector, everywhere=True)["metadata"]["resourceVersion"]
    workloads.status_endpoints(created(cluster), "test-rs", selector, since)

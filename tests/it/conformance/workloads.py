"""What the suite asks of every workload: waits that it has in common, its scale, its status."""

from harness import PATIENCE, equal, until
from resource import MERGE, STRATEGIC, Resource

AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.56"
HTTPD = "registry.k8s.io/e2e-test-images/httpd:2.4.38-4"
HTTPD_NEW = "registry.k8s.io/e2e-test-images/httpd:2.4.39-4"
NGINX = "registry.k8s.io/e2e-test-images/nginx:1.15-4"
PAUSE = "registry.k8s.io/pause:3.10.1"
BUSYBOX = "registry.k8s.io/e2e-test-images/busybox:1.37.0-1"
WAITED = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}


def template(labels, name, image, grace=0, **spec):
    """A pod template of one container, as the suite's are."""
    return {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": grace, "containers": [{"name": name, "image": image}], **spec}}


def seen(resource, labels, since, kind, check=lambda _: True, name=None, seconds=PATIENCE):
    """The suite waits for an event by a watch from the version of a list before everything, again each time."""
    with resource.watch(labels, resourceVersion=since, allowWatchBookmarks="true") as watch:
        return watch.wait(kind, name, check, seconds)


def owner(it):
    """The UID of who controls an object."""
    return next((at["uid"] for at in it["metadata"].get("ownerReferences", []) if at.get("controller")), None)


def replicas_of(it):
    return it["spec"]["replicas"], it.get("status", {}).get("replicas", 0)


def has_condition(kind, **more):
    """Whether an object's status has such a condition."""
    wanted = {"type": kind, **more}
    return lambda it: any(wanted.items() <= one.items() for one in it.get("status", {}).get("conditions", []))


def scales(resource, name):
    """The scale of one replica: read, updated without a version to 2, patched to 4."""
    until("its pod to be counted", lambda: replicas_of(resource.get(name, "scale"))[1] == 1)
    scale = resource.get(name, "scale")
    equal((scale["kind"], scale["apiVersion"]), ("Scale", "autoscaling/v1"))
    equal(replicas_of(scale), (1, 1), "the scale")
    del scale["metadata"]["resourceVersion"]
    scale["spec"]["replicas"] = 2
    equal(resource.update(scale, "scale")["spec"]["replicas"], 2)
    equal(resource.get(name)["spec"]["replicas"], 2)
    # As a client writes a whole scale that says nothing else.
    patch = {"metadata": {"creationTimestamp": None}, "spec": {"replicas": 4}, "status": {"replicas": 0}}
    resource.patch(name, patch, STRATEGIC, "scale")
    equal(resource.get(name)["spec"]["replicas"], 4)


def status_endpoints(resource, name, labels, since):
    """The status: read, updated with a condition, patched with only another; each is seen by a watch from before."""
    got = resource.get(name, "status")
    assert got["metadata"]["name"] == name and "spec" in got and "status" in got, got
    resource.change(name, lambda it: it["status"].setdefault("conditions", []).append(dict(WAITED)), "status")
    seen(resource, labels, since, None, has_condition("StatusUpdate", reason="E2E", message="Set from e2e test"), name)
    patched = resource.patch(name, {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}, MERGE, "status")
    assert has_condition("StatusPatched")(patched), patched
    seen(resource, labels, since, None, has_condition("StatusPatched"), name)


def deleted_at_once(resource, labels, grace=1):
    """A collection that is deleted is no longer listed, in any namespace."""
    equal(len(resource.items(labels, everywhere=True)), 1, "the filtered list")
    resource.delete_all(labels, {"gracePeriodSeconds": grace})
    equal(resource.items(labels, everywhere=True), [], "what is left")


def deleted_in_background(resource, name):
    """What the suite calls deleting and waiting for the garbage collector: by background, until it and its pods went."""
    got = resource.get(name)
    chosen = selector(got)
    resource.delete(name, {"propagationPolicy": "Background"})
    until(f"{name} to go", lambda: resource.cluster.call("GET", resource.path(name)).status == 404)
    pods = Resource(resource.cluster, "v1", "pods")
    until(f"the pods of {name} to go", lambda: not pods.items(chosen))


def selector(it):
    """The labels that a workload chooses its pods by, as a query has them."""
    chosen = it["spec"]["selector"]
    return ",".join(f"{key}={value}" for key, value in chosen.get("matchLabels", chosen).items())


class ReplicaSets:
    """The sets of a deployment, told apart as its controller does: by the template without the hash."""

    def __init__(self, cluster, deployments, name):
        self.resource, self.deployments, self.name = Resource(cluster, "apps/v1", "replicasets"), deployments, name

    def split(self):
        """The deployment, its newest set (or none), and all others of it."""
        deployment = self.deployments.get(self.name)
        own = [it for it in self.resource.items(selector(deployment)) if owner(it) == deployment["metadata"]["uid"]]
        new = [it for it in own if plain(it["spec"]["template"]) == plain(deployment["spec"]["template"])]
        new.sort(key=lambda it: it["metadata"]["creationTimestamp"])
        newest = new[0] if new else None
        return deployment, newest, [it for it in own if it is not newest]


def plain(template):
    labels = {key: value for key, value in template["metadata"].get("labels", {}).items() if key != "pod-template-hash"}
    return {**template, "metadata": {**template["metadata"], "labels": labels}}

"""sig-apps: Job, with a node that only reports."""

from harness import case, equal, fails, found, until

IMAGE = "registry.k8s.io/e2e-test-images/busybox:1.37"
MERGE = "application/merge-patch+json"


def make(cluster, name, labels=None, template=None, **spec):
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": IMAGE, "command": ["sleep", "3600"]}]}
    spec = {"parallelism": 2, "completions": 4, "template": {"metadata": template or {}, "spec": pod}, **spec}
    return cluster.batch.create_namespaced_job(cluster.ns, {"metadata": {"name": name, "labels": labels}, "spec": spec})


def pods(cluster, name):
    return cluster.core.list_namespaced_pod(cluster.ns, label_selector=f"batch.kubernetes.io/job-name={name}").items


def running(cluster, name, count):
    return until(f"{count} pods", lambda: [len([it for it in pods(cluster, name) if it.status.phase == "Running"])] == [count] and pods(cluster, name))


def controller(cluster, name):
    owners = cluster.core.read_namespaced_pod(name, cluster.ns).metadata.owner_references or []
    return next((it.uid for it in owners if it.controller), None)


@case("Job should delete a job")
def delete(cluster):
    cluster.fake_node(lambda pod: "Running")
    make(cluster, "foo")
    running(cluster, "foo", 2)
    cluster.batch.delete_namespaced_job("foo", cluster.ns, propagation_policy="Foreground")
    until("it to go", lambda: found(cluster.batch.read_namespaced_job, "foo", cluster.ns) is None)
    equal(pods(cluster, "foo"), [], "its pods")


@case("Job should adopt matching orphans and release non-matching pods")
def adopt(cluster):
    cluster.fake_node(lambda pod: "Running")
    made = make(cluster, "adopt-release")
    name = running(cluster, "adopt-release", 2)[0].metadata.name
    cluster.ok("PATCH", f"/api/v1/namespaces/{cluster.ns}/pods/{name}", {"metadata": {"ownerReferences": None}}, kind=MERGE)
    until("it to be adopted", lambda: controller(cluster, name) == made.metadata.uid)
    cluster.ok("PATCH", f"/api/v1/namespaces/{cluster.ns}/pods/{name}", {"metadata": {"labels": None}}, kind=MERGE)
    until("it to be let go", lambda: controller(cluster, name) is None)


@case("Job should apply changes to a job status")
def status(cluster):
    cluster.fake_node(lambda pod: "Running")
    path = f"/apis/batch/v1/namespaces/{cluster.ns}/jobs/suspend-false-to-true"
    name = "suspend-false-to-true"
    make(cluster, name)
    running(cluster, name, 2)
    # Status and metadata of one patch.
    body = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"startTime": None}}
    before = cluster.ok("GET", path)["status"]["startTime"]
    body["status"] = {"startTime": before, "conditions": [{"type": "E2E", "status": "True"}]}
    said = cluster.ok("PATCH", path + "/status", body, kind=MERGE)
    equal(said["metadata"]["annotations"]["patchedstatus"], "true")

    def update():
        changed = cluster.ok("GET", path)
        changed["status"].setdefault("conditions", []).append({"type": "Another", "status": "True"})
        return cluster.call("PUT", path + "/status", changed).status == 200

    until("an update that nobody was faster than", update)
    got = cluster.ok("GET", path + "/status")
    assert any(it["type"] == "Another" for it in got["status"]["conditions"]), got["status"]
    equal(got["kind"], "Job")


@case("Job should allow to use a pod failure policy to ignore failure matching on DisruptionTarget condition")
def ignore(cluster):
    node = cluster.fake_node(lambda pod: "Running" if not done else "Succeeded")
    done = []
    rule = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    name = "pod-disruption-failure-ignore"
    make(cluster, name, parallelism=1, completions=1, backoffLimit=0, podFailurePolicy={"rules": [rule]})
    pod = running(cluster, name, 1)[0].metadata.name
    # The next one ends well; this one is evicted.
    done.append(True)
    cluster.ok("POST", f"/api/v1/namespaces/{cluster.ns}/pods/{pod}/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}})
    status = lambda: cluster.batch.read_namespaced_job(name, cluster.ns).status
    until("it to be complete", lambda: any(it.type == "Complete" and it.status == "True" for it in status().conditions or []))
    equal((status().succeeded, status().failed), (1, None), "ends")
    assert node.name
    fails(404, cluster.batch.read_namespaced_job, "another", cluster.ns)

"""sig-apps: Job, with a node that only reports: what a container would do is said by its index and its turn."""

import concurrent.futures
import datetime

from harness import case, equal, until
from resource import MERGE, STRATEGIC, Resource, unique
from workloads import BUSYBOX, has_condition, owner, seen

INDEX = "batch.kubernetes.io/job-completion-index"
# Failed pods of an index come again after ten seconds, and then twenty.
BACKOFF = 120.0


def api(cluster):
    return Resource(cluster, "batch/v1", "jobs")


def job(name, parallelism=2, completions=4, restart="Never", labels=None, node=None, **more):
    """The suite's job: pods of one container with a folder, found by `job`."""
    container = {"name": "c", "image": BUSYBOX, "command": [], "volumeMounts": [{"mountPath": "/data", "name": "data"}], "securityContext": {}}
    pod = {"restartPolicy": restart, "volumes": [{"name": "data", "emptyDir": {}}], "containers": [container], "securityContext": {}}
    template = {"metadata": {"labels": {"job": name}}, "spec": {**pod, **({"nodeName": node} if node else {})}}
    counts = {"parallelism": parallelism, "completions": completions, "backoffLimit": 6, "manualSelector": False}
    spec = {**counts, "template": template, **more}
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": {key: value for key, value in spec.items() if value is not None}}


def indexed(name, parallelism, completions, **more):
    return job(name, parallelism, completions, completionMode="Indexed", **more)


def index(pod):
    return int(pod["metadata"]["annotations"][INDEX])


def even(pod):
    """Those of even indexes end well."""
    return "Failed" if index(pod) % 2 else "Succeeded"


def pods(cluster, name):
    return Resource(cluster, "v1", "pods").items(f"job={name}")


def running(cluster, name, count):
    """Exactly so many run."""

    def check():
        run = [it for it in pods(cluster, name) if it["status"]["phase"] == "Running" and "deletionTimestamp" not in it["metadata"]]
        return run if len(run) == count else None

    return until(f"{count} pods", check)


def complete(cluster, name, reason, succeeded):
    """It is complete, for this reason, with so many pods; then nothing of it is left to count."""
    done = lambda: api(cluster).get(name)["status"].get("succeeded", 0) == succeeded  # noqa: E731
    until(f"{succeeded} to succeed", done, BACKOFF)
    until("it to be complete", lambda: has_condition("Complete", status="True", reason=reason)(api(cluster).get(name)), BACKOFF)
    got = api(cluster).get(name)
    assert all("batch.kubernetes.io/job-tracking" not in it["metadata"].get("finalizers", []) for it in pods(cluster, name))
    return got["status"]


def failed(cluster, name):
    until("it to fail", lambda: has_condition("Failed", status="True")(api(cluster).get(name)), BACKOFF)
    return api(cluster).get(name)["status"]


def over(status):
    """Nothing is active, ready or about to end; the latter two are said, though they are none."""
    equal((status.get("active", 0), status["ready"], status["terminating"]), (0, 0, 0), "active, ready, terminating")


@case("Job should delete a job")
def delete(cluster):
    cluster.fake_node(lambda _: "Running")
    api(cluster).create(job("foo"))
    running(cluster, "foo", 2)
    # As the suite deletes and waits for the garbage collector.
    api(cluster).delete("foo", {"propagationPolicy": "Background"})
    until("its pods to go", lambda: not pods(cluster, "foo"))
    api(cluster).gone("foo")


@case("Job should adopt matching orphans and release non-matching pods")
def adopt(cluster):
    cluster.fake_node(lambda _: "Running")
    name = "adopt-release"
    made = api(cluster).create(job(name))
    running(cluster, name, 2)
    listed = pods(cluster, name)
    equal(len(listed), 2)
    pod, resource = listed[0]["metadata"]["name"], Resource(cluster, "v1", "pods")
    resource.change(pod, lambda it: it["metadata"].pop("ownerReferences"))

    def adopted():
        references = [it for it in resource.get(pod)["metadata"].get("ownerReferences", []) if it.get("controller")]
        return references and (references[0]["kind"], references[0]["name"], references[0]["uid"])

    equal(until("it to be adopted", adopted), ("Job", name, made["metadata"]["uid"]))
    resource.change(pod, lambda it: it["metadata"].pop("labels"))
    until("it to be let go", lambda: owner(resource.get(pod)) is None)


@case("Job should apply changes to a job status")
def status(cluster):
    cluster.fake_node(lambda _: "Running")
    name, resource = "suspend-false-to-true", api(cluster)
    made = resource.create(job(name))
    running(cluster, name, 2)
    begun = datetime.datetime.now(datetime.timezone.utc)
    first, second = ((begun + datetime.timedelta(seconds=it)).strftime("%Y-%m-%dT%H:%M:%SZ") for it in (0, 1))
    own = lambda it: next(at for at in it["status"]["conditions"] if at["type"] == "CustomConditionType")  # noqa: E731
    # As a typed client writes a whole status of one condition.
    condition = {"type": "CustomConditionType", "status": "True", "lastProbeTime": None, "lastTransitionTime": first}
    patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"conditions": [condition]}}
    patched = resource.patch(name, patch, MERGE, "status")
    equal(own(patched)["lastTransitionTime"], first)
    equal(patched["metadata"]["annotations"]["patchedstatus"], "true")
    updated = resource.change(name, lambda it: own(it).update(lastTransitionTime=second), "status")
    equal(own(updated)["lastTransitionTime"], second)
    equal(resource.get(name, "status")["metadata"]["uid"], made["metadata"]["uid"])


@case("Job should manage the lifecycle of a job")
def lifecycle(cluster):
    cluster.fake_node()
    name, resource = unique("e2e"), api(cluster)
    label = f"e2e-job-label={name}"
    since = resource.all(label)["metadata"]["resourceVersion"]
    made = resource.create(job(name, labels={"e2e-job-label": name}, suspend=True))
    patched = resource.patch(name, {"metadata": {"labels": {name: "patched"}}}, STRATEGIC)
    assert int(patched["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    seen(resource, label, since, "MODIFIED", lambda it: it["metadata"]["labels"].get(name) == "patched", name)
    equal(patched["metadata"]["labels"][name], "patched")

    def resume(it):
        it["spec"]["suspend"] = False
        it["metadata"].setdefault("annotations", {})["updated"] = "true"

    updated = resource.change(name, resume)
    seen(resource, label, patched["metadata"]["resourceVersion"], "MODIFIED", lambda it: it["metadata"].get("annotations", {}).get("updated") == "true", name)
    equal(len(resource.items(label, everywhere=True)), 1)
    complete(cluster, name, "CompletionsReached", 4)
    resource.delete_all(label, {"propagationPolicy": "Background"})
    seen(resource, label, updated["metadata"]["resourceVersion"], "DELETED", lambda it: it["metadata"]["labels"]["e2e-job-label"] == name, name)
    equal(resource.items(label, everywhere=True), [])


@case("Job should run a job to completion when tasks sometimes fail and are locally restarted")
def restarted(cluster):
    node = cluster.fake_node(lambda _: "Running")
    name = "fail-once-local"
    api(cluster).create(job(name, restart="OnFailure"))
    ended = set()

    def end():
        """Each pod's container fails once, starts again, and ends well."""
        for pod in pods(cluster, name):
            if pod["status"]["phase"] == "Running" and pod["metadata"]["name"] not in ended:
                container = {**pod["status"]["containerStatuses"][0], "restartCount": 1}
                node.report(pod["metadata"]["name"], {"containerStatuses": [container]})
                node.report(pod["metadata"]["name"], "Succeeded")
                ended.add(pod["metadata"]["name"])
        return len(ended) == 4

    until("four pods to end", end)
    equal(complete(cluster, name, "CompletionsReached", 4).get("failed", 0), 0, "failed pods")


@case("Job should create pods for an Indexed job with completion indexes and specified hostname")
def indexes(cluster):
    cluster.fake_node()
    name = "indexed-job"
    api(cluster).create(indexed(name, 2, 4))
    complete(cluster, name, "CompletionsReached", 4)
    ends = {index(it): it["spec"]["hostname"] for it in pods(cluster, name) if it["status"]["phase"] == "Succeeded"}
    equal(ends, {at: f"{name}-{at}" for at in range(4)}, "hostnames by index")


@case("Job should allow to use the pod failure policy on exit code to fail the job early")
def exit_code(cluster):
    node = cluster.fake_node(lambda _: "Failed")
    name = "pod-failure-failjob"
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}}
    api(cluster).create(job(name, node=node.name, podFailurePolicy={"rules": [rule]}))
    failed(cluster, name)
    assert has_condition("Failed", reason="PodFailurePolicy")(api(cluster).get(name)), api(cluster).get(name)["status"]


@case("Job should allow to use a pod failure policy to ignore failure matching on DisruptionTarget condition")
def disrupted(cluster):
    # Each runs for ever until it is evicted; the one that comes for it ends well.
    first = {}

    def decide(pod):
        is_first = first.setdefault(index(pod), pod["metadata"]["uid"]) == pod["metadata"]["uid"]
        return "Running" if is_first else "Succeeded"

    node = cluster.fake_node(decide)
    name = "evicted-pod-ignore-on-disruption-condition"
    rule = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    api(cluster).create(indexed(name, 3, 3, node=node.name, backoffLimit=2, podFailurePolicy={"rules": [rule]}))
    until("three ready pods", lambda: api(cluster).get(name)["status"].get("ready") == 3)
    there = running(cluster, name, 3)

    def evict(pod):
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod["metadata"]["name"], "namespace": cluster.ns}}
        cluster.ok("POST", node.pods.path(pod["metadata"]["name"], "eviction"), eviction)
        until("it to go", lambda: cluster.call("GET", node.pods.path(pod["metadata"]["name"])).status == 404)

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(evict, there))
    equal(complete(cluster, name, "CompletionsReached", 3).get("failed", 0), 0, "failures that count")


@case("Job should execute all indexes despite some failing when using backoffLimitPerIndex")
def per_index(cluster):
    cluster.fake_node(even)
    name = "with-backoff-limit-per-index"
    api(cluster).create(indexed(name, 2, 4, backoffLimit=None, backoffLimitPerIndex=1))
    status = failed(cluster, name)
    equal((status["failedIndexes"], status["completedIndexes"], status["failed"], status["succeeded"]), ("1,3", "0,2", 4, 2))


@case("Job should terminate job execution when the number of failed indexes exceeds maxFailedIndexes")
def max_failed(cluster):
    cluster.fake_node(lambda _: "Failed")
    name = "with-max-failed-indexes"
    api(cluster).create(indexed(name, 1, 4, backoffLimit=None, backoffLimitPerIndex=0, maxFailedIndexes=0))
    status = failed(cluster, name)
    equal((status["failedIndexes"], status["failed"]), ("0", 1))


@case("Job should mark indexes as failed when the FailIndex action is matched in podFailurePolicy")
def fail_index(cluster):
    cluster.fake_node(even)
    name = "matching-fail-index-action"
    rule = {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [1]}}
    api(cluster).create(indexed(name, 2, 2, backoffLimit=None, backoffLimitPerIndex=1, podFailurePolicy={"rules": [rule]}))
    status = failed(cluster, name)
    equal((status["failedIndexes"], status["completedIndexes"], status["failed"], status["succeeded"]), ("1", "0", 1, 1))


def succeeds(cluster, name, decide, completions, rule, succeeded, **more):
    """A job that is over as soon as its policy says so: first the criteria are met, then it is complete."""
    cluster.fake_node(decide)
    api(cluster).create(indexed(name, 2, completions, successPolicy={"rules": [rule]}, **more))
    met = has_condition("SuccessCriteriaMet", status="True", reason="SuccessPolicy")
    until("the criteria to be met", lambda: met(api(cluster).get(name)))
    status = complete(cluster, name, "SuccessPolicy", succeeded)
    over(status)
    return status


@case("Job with successPolicy should succeeded when all indexes succeeded")
def all_succeed(cluster):
    status = succeeds(cluster, "with-success-policy-all-index-succeeded", None, 2, {"succeededCount": 2}, 2)
    equal(status.get("failed", 0), 0)


def first_first(pod):
    """The first ends well; the others are still at it, as the suite's are when it has ended."""
    return "Succeeded" if index(pod) == 0 else "Running"


@case("Job with successPolicy succeededIndexes rule should succeeded even when some indexes remain pending")
def some_indexes(cluster):
    status = succeeds(cluster, "with-success-policy-succeeded-indexed", first_first, 5, {"succeededIndexes": "0"}, 1)
    equal(status["completedIndexes"], "0")


@case("Job with successPolicy succeededCount rule should succeeded even when some indexes remain pending")
def some_count(cluster):
    name = "with-success-policy-succeeded-count"
    status = succeeds(cluster, name, first_first, 5, {"succeededCount": 1}, 1, backoffLimit=2**31 - 1)
    equal(status["completedIndexes"], "0")

"""sig-apps: DisruptionController: what a budget allows, and evictions that honour it."""

import datetime
import json

from harness import case, equal, fails, found, until

BUDGET = "foo"
LABELS = {"foo": "bar"}
MERGE = "application/merge-patch+json"


def path(cluster, namespace=None):
    return f"/apis/policy/v1/namespaces/{namespace or cluster.ns}/poddisruptionbudgets"


def processed(cluster, name=BUDGET, namespace=None):
    """The budget, as soon as the controller has seen it as it is."""

    def check():
        budget = cluster.ok("GET", f"{path(cluster, namespace)}/{name}")
        seen = budget.get("status", {}).get("observedGeneration", 0)
        return budget if seen >= budget["metadata"]["generation"] else None

    return until(f"{name} to be processed", check)


def make(cluster, least, name=BUDGET, labels=None, namespace=None):
    labels = labels or LABELS
    body = {"metadata": {"name": name, "labels": labels}, "spec": {"selector": {"matchLabels": labels}, "minAvailable": least}}
    cluster.ok("POST", path(cluster, namespace), body)
    return processed(cluster, name, namespace)


def change(cluster, alter):
    """Changes the budget until nobody else was faster."""

    def write():
        budget = cluster.ok("GET", f"{path(cluster)}/{BUDGET}")
        alter(budget)
        answer = cluster.call("PUT", f"{path(cluster)}/{BUDGET}", budget)
        assert answer.status in (200, 409), answer
        return answer.json() if answer.status == 200 else None

    until("an update without a conflict", write)
    return processed(cluster)


def containers():
    return [{"name": "pause", "image": "registry.example/pause"}]


def make_pods(cluster, count):
    for at in range(count):
        body = {"metadata": {"name": f"pod-{at}", "labels": LABELS}, "spec": {"containers": containers()}}
        cluster.core.create_namespaced_pod(cluster.ns, body)
    return running(cluster, count)


def running(cluster, count):
    """The names of the pods, when so many run and stay."""

    def check():
        pods = cluster.core.list_namespaced_pod(cluster.ns, label_selector="foo=bar").items
        stay = [it for it in pods if it.metadata.deletion_timestamp is None]
        run = [it.metadata.name for it in stay if it.status.phase == "Running"]
        return run if len(run) == count and len(stay) == count else None

    return until(f"{count} pods to run", check)


def evict(cluster, name):
    body = {"metadata": {"name": name, "namespace": cluster.ns}}
    return cluster.core.create_namespaced_pod_eviction(name, cluster.ns, body)


def refused(cluster, name):
    refusal = fails(429, evict, cluster, name)
    causes = [cause["reason"] for cause in refusal["details"]["causes"]]
    equal(causes, ["DisruptionBudget"], json.dumps(refusal))


@case("DisruptionController should create a PodDisruptionBudget")
def create(cluster):
    make(cluster, "1%")
    changed = change(cluster, lambda budget: budget["spec"].update(minAvailable="2%"))
    equal(changed["spec"]["minAvailable"], "2%")
    older = int(changed["metadata"]["resourceVersion"])
    patched = cluster.ok("PATCH", f"{path(cluster)}/{BUDGET}", {"spec": {"minAvailable": "3%"}}, kind=MERGE)
    equal(patched["spec"]["minAvailable"], "3%")
    assert int(patched["metadata"]["resourceVersion"]) > older, patched
    processed(cluster)
    cluster.policy.delete_namespaced_pod_disruption_budget(BUDGET, cluster.ns)
    assert found(cluster.policy.read_namespaced_pod_disruption_budget, BUDGET, cluster.ns) is None


@case("DisruptionController Listing PodDisruptionBudgets for all namespaces should list and delete a collection of PodDisruptionBudgets")
def collection(cluster):
    other = cluster.namespace()
    labels = {"foo_pdb": cluster.ns}
    chosen = f"foo_pdb={cluster.ns}"
    try:
        make(cluster, 2, labels=labels)
        make(cluster, "1%", "foo2", labels)
        make(cluster, 2, "foo3", labels, other)
        everywhere = cluster.policy.list_pod_disruption_budget_for_all_namespaces(label_selector=chosen).items
        equal({it.metadata.name for it in everywhere}, {BUDGET, "foo2", "foo3"})
        here = cluster.policy.list_namespaced_pod_disruption_budget(cluster.ns, label_selector=chosen).items
        equal({it.metadata.name for it in here}, {BUDGET, "foo2"})
        cluster.policy.delete_collection_namespaced_pod_disruption_budget(cluster.ns)
        equal(cluster.policy.list_namespaced_pod_disruption_budget(cluster.ns).items, [])
    finally:
        cluster.core.delete_namespace(other)


@case("DisruptionController should observe PodDisruptionBudget status updated")
def observed(cluster):
    make(cluster, 1)

    def allows():
        return cluster.policy.read_namespaced_pod_disruption_budget(BUDGET, cluster.ns).status

    cluster.fake_node()
    make_pods(cluster, 3)
    until("disruptions to be allowed", lambda: allows().disruptions_allowed == 2)
    status = allows()
    equal((status.current_healthy, status.desired_healthy, status.expected_pods), (3, 1, 3))
    (condition,) = status.conditions
    equal((condition.type, condition.status, condition.reason), ("DisruptionAllowed", "True", "SufficientPods"))


@case("DisruptionController should update/patch PodDisruptionBudget status")
def status(cluster):
    make(cluster, 1)
    one = f"{path(cluster)}/{BUDGET}/status"
    cluster.fake_node()
    (name,) = make_pods(cluster, 1)

    def write():
        budget = cluster.ok("GET", one)
        at = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        budget["status"]["disruptedPods"] = {name: at}
        return cluster.call("PUT", one, budget).status == 200

    until("an update without a conflict", write)
    assert name in cluster.ok("GET", one)["status"]["disruptedPods"]
    patched = cluster.ok("PATCH", one, {"status": {"disruptedPods": None}}, kind=MERGE)
    assert not patched["status"].get("disruptedPods"), patched


@case("DisruptionController should block an eviction until the PDB is updated to allow it")
def blocked(cluster):
    make(cluster, 3)
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": containers()}}
    spec = {"replicas": 3, "selector": {"matchLabels": LABELS}, "template": template}
    cluster.apps.create_namespaced_replica_set(cluster.ns, {"metadata": {"name": "rs"}, "spec": spec})
    cluster.fake_node()
    first = running(cluster, 3)[0]
    refused(cluster, first)
    change(cluster, lambda budget: budget["spec"].update(minAvailable=2))
    running(cluster, 3)

    def healthy():
        status = processed(cluster)["status"]
        return (status["currentHealthy"], status["desiredHealthy"]) == (3, 2) and status["disruptionsAllowed"] > 0

    until("three healthy pods to be seen", healthy)
    evict(cluster, first)

    patch = {"spec": {"minAvailable": None, "maxUnavailable": 0}}
    patched = cluster.ok("PATCH", f"{path(cluster)}/{BUDGET}", patch, kind=MERGE)
    equal((patched["spec"].get("minAvailable"), patched["spec"]["maxUnavailable"]), (None, 0))
    processed(cluster)
    second = running(cluster, 3)[0]
    refused(cluster, second)
    cluster.policy.delete_namespaced_pod_disruption_budget(BUDGET, cluster.ns)
    running(cluster, 3)
    evict(cluster, second)
    cluster.apps.delete_namespaced_replica_set("rs", cluster.ns)

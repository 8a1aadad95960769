"""sig-api-machinery: what goes with its owner, and what stays. Nobody runs the pods, or a node that only reports."""

from harness import case, equal, until
from resource import STRATEGIC, Resource
from workloads import NGINX, owner, replicas_of, template

# The suite makes between 10 and 100, as the nodes have room.
MANY = 100
# For what should not happen after all is over.
WHILE = 3.0


def background(made, policy="Background"):
    """Options of a deletion that means this very object."""
    return {"propagationPolicy": policy, "preconditions": {"uid": made["metadata"]["uid"]}}


def resources(cluster):
    kinds = {"deployments": "apps/v1", "replicasets": "apps/v1", "replicationcontrollers": "v1", "pods": "v1"}
    return {kind: Resource(cluster, api, kind) for kind, api in kinds.items()}


def counts(of, **wanted):
    return {kind: len(of[kind].items()) for kind in wanted} == wanted


def deployment(of, labels):
    name = "simpletest.deployment"
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "strategy": {"type": "RollingUpdate"}, "template": template(labels, "nginx", NGINX)}
    made = of["deployments"].create({"metadata": {"name": name}, "spec": spec})
    return made, until("its replica set", lambda: of["replicasets"].items())[0]


def replication_controller(of, name, replicas, labels, grace=0):
    spec = {"replicas": replicas, "selector": labels, "template": template(labels, "nginx", NGINX, grace)}
    return of["replicationcontrollers"].create({"metadata": {"name": name}, "spec": spec})


def all_there(of, made):
    """Waits until the controller has made all of its pods."""
    name, wanted = made["metadata"]["name"], made["spec"]["replicas"]
    until(f"{wanted} pods", lambda: replicas_of(of["replicationcontrollers"].get(name)) == (wanted, wanted))


@case("Garbage collector should delete RS created by deployment when not orphaning")
def goes_with_deployment(cluster):
    of = resources(cluster)
    made, _ = deployment(of, {"gctest-00001": "delete_rs-00001"})
    of["deployments"].delete(made["metadata"]["name"], background(made))
    until("all to go", lambda: counts(of, deployments=0, replicasets=0, pods=0))


@case("Garbage collector should orphan RS created by deployment when deleteOptions.PropagationPolicy is Orphan")
def stays_without_deployment(cluster):
    of = resources(cluster)
    made, its_set = deployment(of, {"gctest-00002": "orphan_rs-00002"})
    name, generation = its_set["metadata"]["name"], its_set["metadata"]["generation"]

    def is_stable():
        got = of["replicasets"].get(name)
        return got["status"].get("observedGeneration", 0) >= generation and replicas_of(got) == (2, 2)

    until("its pods", is_stable)
    of["deployments"].delete(made["metadata"]["name"], background(made, "Orphan"))
    until("the deployment to go", lambda: counts(of, deployments=0))
    # Once it is gone, all that the collector does about it is done.
    assert counts(of, deployments=0, replicasets=1, pods=2), {kind: it.items() for kind, it in of.items()}
    left = of["replicasets"].get(name)
    equal((owner(left), left["metadata"].get("deletionTimestamp")), (None, None))


@case("Garbage collector should delete pods created by rc when not orphaning")
def pods_go_with_controller(cluster):
    of = resources(cluster)
    made = replication_controller(of, "simpletest.rc", 2, {"gctest-00003": "delete_pods-00003"})
    # Perhaps before it has made them all.
    until("some of its pods", lambda: of["pods"].items())
    of["replicationcontrollers"].delete("simpletest.rc", background(made))
    until("all to go", lambda: counts(of, replicationcontrollers=0, pods=0))


@case("Garbage collector should orphan pods created by rc if delete options say so")
def pods_stay(cluster):
    of = resources(cluster)
    made = replication_controller(of, "simpletest.rc", MANY, {"gctest-00004": "orphan_pods-00004"})
    all_there(of, made)
    of["replicationcontrollers"].delete("simpletest.rc", background(made, "Orphan"))
    until("the controller to go", lambda: counts(of, replicationcontrollers=0))
    since = of["pods"].all()["metadata"]["resourceVersion"]
    with of["pods"].watch(resourceVersion=since) as watch:
        watch.quiet(WHILE)
    left = of["pods"].items()
    equal((len(left), {owner(it) for it in left}), (MANY, {None}), "pods and their owners")


@case("Garbage collector should keep the rc around until all its pods are deleted if the deleteOptions says so")
def waits_for_pods(cluster):
    of = resources(cluster)
    held = []
    cluster.fake_node(lets_go=lambda _: not held)
    # The suite gives its pods no time to end. These have some, so that there is something to wait for.
    made = replication_controller(of, "simpletest.rc", MANY, {"gctest-00005": "delete_pods_foreground-00005"}, 30)
    all_there(of, made)
    until("all to run", lambda: all(it["status"]["phase"] == "Running" for it in of["pods"].items()))
    held.append(True)
    of["replicationcontrollers"].delete("simpletest.rc", background(made, "Foreground"))
    asked = lambda: ["deletionTimestamp" in it["metadata"] for it in of["pods"].items()]
    until("all to be asked to end", lambda: asked() == [True] * MANY)
    waiting = of["replicationcontrollers"].get("simpletest.rc")["metadata"]
    equal((waiting["finalizers"], "deletionTimestamp" in waiting), (["foregroundDeletion"], True))
    cluster.nodes[0].let_go()
    until("the controller to go", lambda: counts(of, replicationcontrollers=0))
    equal(of["pods"].items(), [], "pods after it went")


@case(
    "Garbage collector should not delete dependents that have both valid owner and owner that's waiting for dependents"
    " to be deleted"
)
def two_owners(cluster):
    of = resources(cluster)
    first = replication_controller(of, "simpletest-rc-to-be-deleted", MANY, {"gctest-d": "valid_and_pending_owners_d"})
    second = replication_controller(of, "simpletest-rc-to-stay", 0, {"gctest-s": "valid_and_pending_owners_s"})
    all_there(of, first)
    reference = {"apiVersion": "v1", "kind": "ReplicationController", "name": "simpletest-rc-to-stay", "uid": second["metadata"]["uid"]}
    half = {it["metadata"]["name"] for it in of["pods"].items()[: MANY // 2]}
    for name in half:
        of["pods"].patch(name, {"metadata": {"ownerReferences": [reference]}}, STRATEGIC)
    of["replicationcontrollers"].delete("simpletest-rc-to-be-deleted", background(first, "Foreground"))
    until("the first to go", lambda: counts(of, replicationcontrollers=1))
    left = of["pods"].items()
    equal({it["metadata"]["name"] for it in left}, half, "what is left")
    assert not any("deletionTimestamp" in it["metadata"] for it in left), left
    equal([it["metadata"]["ownerReferences"] for it in left], [[reference]] * len(half), "their owners")


@case("Garbage collector should not be blocked by dependency circle")
def circle(cluster):
    pods = Resource(cluster, "v1", "pods")
    spec = template({}, "nginx", NGINX)["spec"]
    made = [pods.create({"metadata": {"name": f"pod{at}"}, "spec": spec}) for at in (1, 2, 3)]
    for pod, owned in zip(made, (made[2], made[0], made[1])):
        reference = {"apiVersion": "v1", "kind": "Pod", "name": owned["metadata"]["name"], "uid": owned["metadata"]["uid"]}
        references = [{**reference, "controller": True, "blockOwnerDeletion": True}]
        pods.patch(pod["metadata"]["name"], {"metadata": {"ownerReferences": references}}, STRATEGIC)
    pods.delete("pod1", background(made[0], "Foreground"))
    until("all three to go", lambda: not pods.items())

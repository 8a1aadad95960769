"""sig-api-machinery: what goes with its owner, and what stays."""

from harness import case, equal, found, until

POD = {"containers": [{"name": "nginx", "image": "registry.k8s.io/pause:3.10"}]}


def deployment(cluster):
    labels = {"app": "gc"}
    cluster.apps.create_namespaced_deployment(
        cluster.ns,
        {
            "metadata": {"name": "simple", "labels": labels},
            "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": POD}},
        },
    )
    return until("its replica set", lambda: cluster.apps.list_namespaced_replica_set(cluster.ns).items)[0]


@case("Garbage collector should delete RS created by deployment when not orphaning")
def goes_with_deployment(cluster):
    deployment(cluster)
    cluster.apps.delete_namespaced_deployment("simple", cluster.ns, propagation_policy="Background")
    until("the replica set to go", lambda: not cluster.apps.list_namespaced_replica_set(cluster.ns).items)
    equal(cluster.apps.list_namespaced_deployment(cluster.ns).items, [], "deployments")


@case("Garbage collector should orphan RS created by deployment when deleteOptions.PropagationPolicy is Orphan")
def stays_without_deployment(cluster):
    made = deployment(cluster)
    cluster.apps.delete_namespaced_deployment("simple", cluster.ns, propagation_policy="Orphan")
    until("the deployment to go", lambda: not cluster.apps.list_namespaced_deployment(cluster.ns).items)
    left = until(
        "the reference to go",
        lambda: [it for it in cluster.apps.list_namespaced_replica_set(cluster.ns).items if not it.metadata.owner_references],
    )
    equal([it.metadata.uid for it in left], [made.metadata.uid], "what is left")
    equal(left[0].metadata.deletion_timestamp, None)


@case("Garbage collector should delete pods created by rc when not orphaning")
def pods_go_with_controller(cluster):
    labels = {"app": "gc"}
    spec = {"replicas": 2, "selector": labels, "template": {"metadata": {"labels": labels}, "spec": POD}}
    cluster.core.create_namespaced_replication_controller(cluster.ns, {"metadata": {"name": "rc"}, "spec": spec})
    until("its pods", lambda: len(cluster.core.list_namespaced_pod(cluster.ns).items) == 2)
    cluster.core.delete_namespaced_replication_controller("rc", cluster.ns, propagation_policy="Background")
    until("the pods to go", lambda: not cluster.core.list_namespaced_pod(cluster.ns).items)


@case("Garbage collector should not be blocked by dependency circle")
def circle(cluster):
    made = [cluster.core.create_namespaced_pod(cluster.ns, {"metadata": {"name": f"pod{at}"}, "spec": POD}) for at in (1, 2, 3)]
    for pod, owner in zip(made, (made[2], made[0], made[1])):
        reference = {"apiVersion": "v1", "kind": "Pod", "name": owner.metadata.name, "uid": owner.metadata.uid}
        references = [{**reference, "controller": True, "blockOwnerDeletion": True}]
        cluster.core.patch_namespaced_pod(pod.metadata.name, cluster.ns, {"metadata": {"ownerReferences": references}})
    cluster.core.delete_namespaced_pod("pod1", cluster.ns, propagation_policy="Foreground")
    until("all three to go", lambda: not cluster.core.list_namespaced_pod(cluster.ns).items)
    equal(found(cluster.core.read_namespaced_pod, "pod1", cluster.ns), None)

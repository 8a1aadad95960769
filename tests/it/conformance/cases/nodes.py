"""sig-node: what a Node object goes through, and what a pod says before any node has it."""

from harness import case, equal
from resource import STRATEGIC, Resource, survives_protobuf, unique


@case("Node Lifecycle should run through the lifecycle of a node")
def lifecycle(cluster):
    nodes = Resource(cluster, "v1", "nodes", namespaced=False)
    name = unique("e2e-fake-node")
    ready = {"type": "Ready", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
    ready |= {"lastHeartbeatTime": None, "lastTransitionTime": None}
    body = {
        "metadata": {"name": name},
        "spec": {"unschedulable": True},
        "status": {"phase": "Running", "conditions": [ready], "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}}},
    }
    made = nodes.create(body)
    try:
        equal(made["metadata"]["name"], name)
        equal(made["spec"]["unschedulable"], True)
        equal(made["status"]["conditions"][0]["reason"], "E2E", "a status that came with a new node")
        nodes.get(name)
        survives_protobuf(nodes, name)
        patched = nodes.patch(name, {"metadata": {"labels": {name: "patched"}}}, STRATEGIC)
        equal(patched["metadata"]["labels"][name], "patched")
        assert int(patched["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
        equal(len(nodes.items(f"{name}=patched")), 1)
        got = nodes.change(name, lambda it: it["metadata"]["labels"].update({name: "updated"}))
        equal(got["metadata"]["labels"][name], "updated")
    finally:
        # Sets of daemons would want it.
        nodes.delete(name)
    nodes.gone(name)


@case("Pods Extended Pods Set QOS Class should be set on Pods with matching resource requests and limits for memory and cpu")
def quality(cluster):
    pods = Resource(cluster, "v1", "pods")
    amounts = {"cpu": "100m", "memory": "100Mi"}
    container = {"name": "agnhost", "image": "agnhost", "resources": {"limits": amounts, "requests": amounts}}
    pods.create({"metadata": {"name": "qos", "labels": {"name": "qos"}}, "spec": {"containers": [container]}})
    equal(pods.get("qos")["status"]["qosClass"], "Guaranteed")
    survives_protobuf(pods, "qos")


@case("Kubelet when scheduling a busybox command that always fails in a pod should be possible to delete")
def failing(cluster):
    pods = Resource(cluster, "v1", "pods")
    pods.create({"metadata": {"name": "bin-false"}, "spec": {"containers": [{"name": "bin-false", "image": "busybox", "command": ["/bin/false"]}]}})
    pods.delete("bin-false")
    pods.gone("bin-false")


@case("Sysctls should reject invalid sysctls")
def sysctls(cluster):
    wanted = {"foo-": "bar", "kernel.shmmax": "100000000", "safe-and-unsafe": "100000000", "bar..": "42"}
    spec = {
        "containers": [{"name": "test-container", "image": "busybox"}],
        "restartPolicy": "Never",
        "securityContext": {"sysctls": [{"name": name, "value": value} for name, value in wanted.items()]},
    }
    refusal = cluster.refused(422, "POST", f"/api/v1/namespaces/{cluster.ns}/pods", {"metadata": {"name": "sysctl"}, "spec": spec})
    assert 'Invalid value: "foo-"' in refusal["message"] and 'Invalid value: "bar.."' in refusal["message"], refusal
    assert "safe-and-unsafe" not in refusal["message"] and "kernel.shmmax" not in refusal["message"], refusal

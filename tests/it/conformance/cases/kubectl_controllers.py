"""sig-cli and sig-network: what kubectl says of a replication controller and its pods, and how soon a service has
its endpoints."""

import re
import time

from harness import case, equal, found, until

IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.56"
LABELS = {"app": "agnhost", "role": "primary"}


def primary(cluster, name="agnhost-primary", labels=LABELS, port=6379):
    """A controller of one pod, and that pod, running on a fake node."""
    node = cluster.fake_node()
    container = {"name": name, "image": IMAGE, "ports": [{"name": "agnhost-server", "containerPort": port}]}
    spec = {"replicas": 1, "selector": labels, "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}}
    cluster.core.create_namespaced_replication_controller(cluster.ns, {"metadata": {"name": name, "labels": labels}, "spec": spec})
    running = lambda: [it for it in cluster.core.list_namespaced_pod(cluster.ns).items if it.status.phase == "Running"]
    pod = until("its pod to run", running)[0]
    until("it to be counted", lambda: cluster.core.read_namespaced_replication_controller(name, cluster.ns).status.ready_replicas == 1)
    return node, pod


def told(text, lines):
    """Each of these word sequences stands on a line of its own, in any order."""
    for words in lines:
        pattern = r"\s+".join(re.escape(word) for word in words)
        assert re.search(rf"(?m)^.*{pattern}", text), f"no line with {words} in:\n{text}"


@case("Kubectl client Kubectl describe should check if kubectl describe prints relevant information for rc and pods")
def describe(cluster):
    node, pod = primary(cluster)
    service = {"selector": LABELS, "ports": [{"port": 6379, "targetPort": "agnhost-server"}]}
    cluster.core.create_namespaced_service(cluster.ns, {"metadata": {"name": "agnhost-primary", "labels": LABELS}, "spec": service})
    endpoints = lambda: found(cluster.core.read_namespaced_endpoints, "agnhost-primary", cluster.ns)
    until("its endpoints", lambda: endpoints() and endpoints().subsets)
    name = pod.metadata.name
    told(cluster.kubectl("describe", "pod", name), [
        ["Name:", name], ["Namespace:", cluster.ns], ["Node:", node.name], ["Labels:", "app=agnhost"], ["role=primary"],
        ["Annotations:"], ["Status:", "Running"], ["IP:"], ["Controlled By:", "ReplicationController/agnhost-primary"],
        ["Image:", IMAGE], ["State:", "Running"], ["QoS Class:", "BestEffort"],
    ])
    told(cluster.kubectl("describe", "rc", "agnhost-primary"), [
        ["Name:", "agnhost-primary"], ["Namespace:", cluster.ns], ["Selector:", "app=agnhost,role=primary"],
        ["Labels:", "app=agnhost"], ["role=primary"], ["Annotations:"], ["Replicas:", "1 current", "/", "1 desired"],
        ["Pods Status:", "1 Running", "/", "0 Waiting", "/", "0 Succeeded", "/", "0 Failed"], ["Pod Template:"],
        ["Image:", IMAGE], ["Events:"],
    ])
    told(cluster.kubectl("describe", "service", "agnhost-primary"), [
        ["Name:", "agnhost-primary"], ["Namespace:", cluster.ns], ["Labels:", "app=agnhost"], ["role=primary"],
        ["Annotations:"], ["Selector:", "app=agnhost,role=primary"], ["Type:", "ClusterIP"], ["IP:"],
        ["Port:", "<unset>", "6379/TCP"], ["Endpoints:"], ["Session Affinity:", "None"],
    ])
    told(cluster.kubectl("describe", "node", node.name), [
        ["Name:", node.name], ["Labels:"], ["Annotations:"], ["CreationTimestamp:"], ["Conditions:"],
        ["Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message"], ["Addresses:"], ["Capacity:"],
        ["Kubelet Version:"], ["Pods:"],
    ])
    told(cluster.kubectl("describe", "namespace", cluster.ns), [["Name:", cluster.ns], ["Labels:"], ["Annotations:"], ["Status:", "Active"]])


@case("Kubectl client Kubectl patch should add annotations for pods in rc")
def patch(cluster):
    _, pod = primary(cluster)
    cluster.kubectl("patch", "pod", pod.metadata.name, "-p", '{"metadata":{"annotations":{"x":"y"}}}')
    pods = cluster.core.list_namespaced_pod(cluster.ns, label_selector="app=agnhost").items
    equal([it.metadata.annotations.get("x") for it in pods], ["y"], "annotations")


@case("Service endpoints latency should not be very high")
def latency(cluster):
    labels = {"name": "svc-latency-rc"}
    primary(cluster, "svc-latency-rc", labels, 9376)
    made, took = {}, []
    with cluster.watch(f"/api/v1/namespaces/{cluster.ns}/endpoints") as watch:
        for number in range(200):
            name = f"latency-svc-{number}"
            made[name] = time.monotonic()
            spec = {"selector": labels, "ports": [{"protocol": "TCP", "port": 9376, "targetPort": 9376}]}
            cluster.core.create_namespaced_service(cluster.ns, {"metadata": {"name": name, "labels": labels}, "spec": spec})
            watched = lambda it: any(subset.get("addresses") for subset in it.get("subsets") or [])
            watch.wait("ADDED", name, watched)
            took.append(time.monotonic() - made[name])
    took.sort()
    # The official bounds are 20 s and 50 s.
    assert took[100] < 20 and took[197] < 50, f"half within {took[100]:.3f} s, 99% within {took[197]:.3f} s"
    print(f"# a service has its endpoints within {took[100] * 1000:.0f} ms (half), {took[197] * 1000:.0f} ms (99%)", flush=True)

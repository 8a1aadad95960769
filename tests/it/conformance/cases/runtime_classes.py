"""sig-node: runtime classes, without a node."""

from harness import case, equal, until
from resource import Resource, discovered, operates, unique


def classes(cluster):
    return Resource(cluster, "node.k8s.io/v1", "runtimeclasses", namespaced=False)


def pod_of(name):
    return {
        "metadata": {"generateName": f"test-runtimeclass-{name}-"},
        "spec": {
            "runtimeClassName": name,
            "containers": [{"name": "test", "image": "busybox", "command": ["true"]}],
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
        },
    }


def rejected(cluster, name):
    refusal = cluster.refused(403, "POST", f"/api/v1/namespaces/{cluster.ns}/pods", pod_of(name))
    equal(refusal["reason"], "Forbidden")
    assert f'pod rejected: RuntimeClass "{name}" not found' in refusal["message"], refusal["message"]


@case("RuntimeClass should reject a Pod requesting a non-existent RuntimeClass")
def non_existent(cluster):
    rejected(cluster, f"{cluster.ns}-nonexistent")


@case("RuntimeClass should reject a Pod requesting a deleted RuntimeClass")
def deleted(cluster):
    name = f"{cluster.ns}-delete-me"
    classes(cluster).create({"metadata": {"name": name}, "handler": "runc"})
    classes(cluster).delete(name)
    classes(cluster).gone(name)
    rejected(cluster, name)


@case("RuntimeClass should support RuntimeClasses API operations")
def operations(cluster):
    discovered(cluster, "node.k8s.io/v1", "runtimeclasses")
    label = unique("rc")
    templates = [
        {"metadata": {"name": f"{label}-{number}", "labels": {"test": label}}, "handler": f"{label}-handler{number}"}
        for number in range(3)
    ]
    with classes(cluster).watch(f"test={label}") as watch:
        operates(classes(cluster), templates, f"test={label}")
        watch.wait("ADDED", templates[2]["metadata"]["name"])
        watch.wait("DELETED", templates[2]["metadata"]["name"])
    until("nothing left", lambda: not classes(cluster).items(f"test={label}"))

"""sig-scheduling: ranges of what a container may ask for."""

from harness import case, equal, until
from resource import STRATEGIC, Resource, survives_protobuf, unique


def amounts(cpu, memory, storage):
    named = {"cpu": cpu, "memory": memory, "ephemeral-storage": storage}
    return {name: amount for name, amount in named.items() if amount}


def item(least=("50m", "100Mi", "100Gi")):
    return {
        "type": "Container",
        "min": amounts(*least),
        "max": amounts("500m", "500Mi", "500Gi"),
        "default": amounts("500m", "500Mi", "500Gi"),
        "defaultRequest": amounts("100m", "200Mi", "200Gi"),
    }


@case("LimitRange should create a LimitRange with defaults and ensure pod has those defaults applied.")
def defaults(cluster):
    ranges, pods = Resource(cluster, "v1", "limitranges"), Resource(cluster, "v1", "pods")

    def body(name, requests, limits):
        container = {"name": "pause", "image": "pause", "resources": {"requests": requests, "limits": limits}}
        return {"metadata": {"name": name}, "spec": {"containers": [container]}}

    def create(name, requests, limits):
        pods.create(body(name, requests, limits))
        return pods.get(name)["spec"]["containers"][0]["resources"]

    def refused(status, name, requests, *words):
        refusal = cluster.refused(status, "POST", pods.path(), body(name, amounts(*requests), {}))
        for word in words:
            assert word in refusal["message"], refusal

    label = unique("time")
    equal(ranges.items(f"time={label}"), [])
    since = ranges.all(f"time={label}")["metadata"]["resourceVersion"]
    with ranges.watch(f"time={label}", resourceVersion=since, allowWatchBookmarks="true") as watch:
        ranges.create({"metadata": {"name": "limit-range", "labels": {"time": label}}, "spec": {"limits": [item()]}})
        watch.wait("ADDED", "limit-range")
    made = ranges.get("limit-range")
    equal(made["spec"]["limits"], [item()])
    survives_protobuf(ranges, "limit-range")

    wanted = {"requests": item()["defaultRequest"], "limits": item()["default"]}
    equal(create("pod-no-resources", {}, {}), wanted)
    wanted = {"requests": amounts("300m", "150Mi", "150Gi"), "limits": amounts("300m", "500Mi", "500Gi")}
    equal(create("pod-partial-resources", amounts("", "150Mi", "150Gi"), amounts("300m", "", "")), wanted)
    less, more = ("10m", "50Mi", "50Gi"), ("600m", "600Mi", "600Gi")
    refused(403, "pfpod", less, "minimum cpu usage per Container is 50m, but request is 10m", "minimum memory usage per Container is 100Mi")
    # More than the limit that it is given is no valid pod, whatever the range says.
    refused(422, "pfpod", more, "must be less than or equal to cpu limit of 500m")

    made["spec"]["limits"] = [item(("9m", "49Mi", "49Gi"))]
    ranges.update(made)
    equal(ranges.get("limit-range")["spec"]["limits"][0]["min"], amounts("9m", "49Mi", "49Gi"))
    until("the new least holds", lambda: cluster.call("POST", pods.path(), body("pfpod", amounts(*less), {})).status == 201)
    refused(422, "pfpod", more)
    ranges.delete("limit-range", {"gracePeriodSeconds": 30})
    until("it is gone", lambda: not ranges.items())
    until("nothing limits", lambda: cluster.call("POST", pods.path(), body("pfpod2", amounts(*more), {})).status == 201)


@case("LimitRange should list, patch and delete a LimitRange by collection")
def collection(cluster):
    name = unique("e2e-limitrange")
    body = {"metadata": {"name": name, "labels": {"e2e-test": name, name: "created"}}, "spec": {"limits": [item()]}}
    ranges = Resource(cluster, "v1", "limitranges")
    made = ranges.create(body)
    other = Resource(cluster, "v1", "limitranges", ns=cluster.namespace())
    try:
        other.create(body)
        equal(len(ranges.items(f"e2e-test={name}", everywhere=True)), 2)
        patch = {
            "metadata": {"creationTimestamp": made["metadata"]["creationTimestamp"], "labels": {name: "patched"}},
            "spec": {"limits": [item(("9m", "49Mi", "49Gi"))]},
        }
        got = ranges.patch(name, patch, STRATEGIC)
        equal(got["metadata"]["labels"][name], "patched")
        equal(got["spec"]["limits"][0]["min"], amounts("9m", "49Mi", "49Gi"))
        ranges.delete_all(f"{name}=patched")
        until("one is gone", lambda: not ranges.items(f"{name}=patched"))
        equal([it["metadata"]["namespace"] for it in ranges.items(f"e2e-test={name}", everywhere=True)], [other.ns])
    finally:
        cluster.core.delete_namespace(other.ns)

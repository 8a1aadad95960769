"""sig-storage: what CSI keeps in the API: drivers, nodes, capacities, volumes in a pod."""

from harness import case, equal, until
from resource import STRATEGIC, Resource, discovered, operates, survives_protobuf, unique


def drivers(cluster):
    return Resource(cluster, "storage.k8s.io/v1", "csidrivers", namespaced=False)


@case("CSIInlineVolumes should run through the lifecycle of a CSIDriver")
def driver_lifecycle(cluster):
    label = unique("csi")

    def template(modes):
        meta = {"name": unique("inline-driver"), "labels": {"e2e-test": label}}
        return {"metadata": meta, "spec": {"volumeLifecycleModes": modes, "fsGroupPolicy": "ReadWriteOnceWithFSType"}}

    first, second = template(["Ephemeral"]), template(["Persistent", "Ephemeral"])
    one, two = drivers(cluster).create(first), drivers(cluster).create(second)
    drivers(cluster).exists_already(first)
    equal(one["spec"]["attachRequired"], True, "a default")
    names = [it["metadata"]["name"] for it in (one, two)]
    for made in (one, two):
        equal(drivers(cluster).get(made["metadata"]["name"])["metadata"]["uid"], made["metadata"]["uid"])
        survives_protobuf(drivers(cluster), made["metadata"]["name"])
    got = drivers(cluster).patch(names[1], {"metadata": {"labels": {names[1]: "patched"}}}, STRATEGIC)
    equal(got["metadata"]["labels"][names[1]], "patched")
    got = drivers(cluster).change(names[1], lambda it: it["metadata"]["labels"].update({names[1]: "updated"}))
    equal(got["metadata"]["labels"][names[1]], "updated")
    equal(len(drivers(cluster).items(f"e2e-test={label}")), 2)
    drivers(cluster).delete(names[0])
    drivers(cluster).gone(names[0])
    drivers(cluster).delete_all(f"{names[1]}=updated")
    drivers(cluster).gone(names[1])


@case("CSIInlineVolumes should support CSIVolumeSource in Pod API")
def inline(cluster):
    pods = Resource(cluster, "v1", "pods")
    name = "pod-csi-inline-volumes"
    volumes = [
        {"name": "csi-inline-vol1", "csi": {"driver": "e2e.example.com"}},
        {"name": "csi-inline-vol2", "csi": {"driver": "e2e.example.com", "fsType": "ext4", "readOnly": True}},
    ]
    mounts = [{"name": volume["name"], "mountPath": f"/mnt/vol{number}"} for number, volume in enumerate(volumes, 1)]
    container = {"name": name, "image": "busybox", "command": ["sh", "-c", "ls /mnt/*"], "volumeMounts": mounts}
    body = {"metadata": {"name": name}, "spec": {"volumes": volumes, "containers": [container]}}
    made = pods.create(body)
    pods.exists_already(body)
    got = pods.get(name)
    equal(got["metadata"]["uid"], made["metadata"]["uid"])
    equal([it for it in got["spec"]["volumes"] if "csi" in it], volumes, "the volumes")
    survives_protobuf(pods, name)
    equal(len(pods.items()), 1)
    got = pods.patch(name, {"metadata": {"annotations": {"patched": "true"}}})
    equal(got["metadata"]["annotations"]["patched"], "true")
    pods.delete(name)
    pods.gone(name)


@case("CSINodes CSI Conformance should run through the lifecycle of a csinode")
def node_lifecycle(cluster):
    nodes = Resource(cluster, "storage.k8s.io/v1", "csinodes", namespaced=False)
    name = unique("e2e-csinode")
    # As client-go writes it: a list that is not there is null.
    nodes.create({"metadata": {"name": name}, "spec": {"drivers": None}})
    equal(nodes.get(name)["metadata"]["name"], name)
    survives_protobuf(nodes, name)
    got = nodes.patch(name, {"metadata": {"labels": {name: "patched"}}}, STRATEGIC)
    equal(got["metadata"]["labels"][name], "patched")
    equal(len(nodes.items(f"{name}=patched")), 1)
    nodes.delete(name)
    equal(nodes.items(f"{name}=patched"), [])
    name = unique("e2e-csinode")
    nodes.create({"metadata": {"name": name}, "spec": {"drivers": None}})
    equal(nodes.get(name)["metadata"]["name"], name)
    got = nodes.change(name, lambda it: it["metadata"].update(labels={name: "updated"}))
    equal(got["metadata"]["labels"], {name: "updated"})
    nodes.delete_all(f"{name}=updated")
    equal(nodes.items(f"{name}=updated"), [])


@case("CSIStorageCapacity should support CSIStorageCapacities API operations")
def capacities(cluster):
    discovered(cluster, "storage.k8s.io/v1", "csistoragecapacities")
    label = unique("csc")
    resource = Resource(cluster, "storage.k8s.io/v1", "csistoragecapacities")
    templates = [
        {"metadata": {"name": f"{label}-csc{number}", "labels": {"test": label}}, "storageClassName": "e2e.example.com"}
        for number in range(1, 4)
    ]
    with resource.watch(f"test={label}") as watch, resource.watch(f"test={label}", everywhere=True) as wide:
        operates(resource, templates, f"test={label}")
        for events in (watch, wide):
            events.wait("ADDED", templates[2]["metadata"]["name"])
            events.wait("DELETED", templates[2]["metadata"]["name"])
    until("nothing left", lambda: not resource.items(f"test={label}"))

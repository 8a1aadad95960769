"""sig-storage: volumes, claims, and the classes of them."""

from harness import case, equal, until
from resource import STRATEGIC, Resource, survives_protobuf, unique


def pair(cluster, handle):
    """A volume and a claim of it, as the suite's own helper makes them: bound by class only."""
    volumes = Resource(cluster, "v1", "persistentvolumes", namespaced=False)
    claims = Resource(cluster, "v1", "persistentvolumeclaims")
    storage = {"storage": "2Gi"}
    volume = volumes.create(
        {
            "metadata": {
                "generateName": f"{cluster.ns}-",
                "labels": {"e2e-pv-pool": cluster.ns},
                "annotations": {"pv.beta.kubernetes.io/gid": "777"},
            },
            "spec": {
                "persistentVolumeReclaimPolicy": "Retain",
                "capacity": storage,
                "csi": {"driver": f"inline-driver-{cluster.ns}", "volumeHandle": handle},
                "accessModes": ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"],
                "storageClassName": cluster.ns,
            },
        }
    )
    claim = claims.create(
        {
            "metadata": {"generateName": "pvc-"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": storage}, "storageClassName": cluster.ns},
        }
    )
    return volumes, claims, volume, claim


@case("PersistentVolumes CSI Conformance should run through the lifecycle of a PV and a PVC")
def lifecycle(cluster):
    volumes, claims, volume, claim = pair(cluster, "e2e-conformance")
    pool = f"e2e-pv-pool={cluster.ns}"
    equal(len(volumes.items(pool)), 1)
    equal(len(claims.items()), 1)

    def bound(resource, made):
        return resource.get(made["metadata"]["name"])["status"]["phase"] == "Bound"

    # From then on nobody else writes them.
    until("they are bound", lambda: bound(volumes, volume) and bound(claims, claim))
    for resource, made in ((volumes, volume), (claims, claim)):
        name = made["metadata"]["name"]
        got = resource.patch(name, {"metadata": {"labels": {name: "patched"}}}, STRATEGIC)
        equal(got["metadata"]["labels"][name], "patched")
        assert int(got["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
        equal(resource.get(name)["metadata"]["uid"], made["metadata"]["uid"])
        survives_protobuf(resource, name)
    claims.delete(claim["metadata"]["name"])
    until("the claim is gone", lambda: not claims.items())
    volumes.delete(volume["metadata"]["name"])
    until("the volume is gone", lambda: not volumes.items(pool))

    volumes, claims, volume, claim = pair(cluster, "e2e-conformance")
    for resource, made in ((volumes, volume), (claims, claim)):
        name = made["metadata"]["name"]
        got = resource.change(name, lambda it: it["metadata"].setdefault("labels", {}).update({name: "updated"}))
        equal(got["metadata"]["labels"][name], "updated")
    name = claim["metadata"]["name"]
    equal(len(claims.items(f"{name}=updated", everywhere=True)), 1)
    claims.delete_all(f"{name}=updated")
    until("the second claim is gone", lambda: not claims.items(f"{name}=updated"))
    name = volume["metadata"]["name"]
    volumes.delete_all(f"{name}=updated")
    until("the second volume is gone", lambda: not volumes.items(f"{name}=updated"))


@case("PersistentVolumes CSI Conformance should apply changes to a pv/pvc status")
def status(cluster):
    volumes, claims, volume, claim = pair(cluster, "e2e-status-conformance")
    volume, claim = volume["metadata"]["name"], claim["metadata"]["name"]
    assert claims.get(claim, "status")["status"]["phase"] in ("Pending", "Bound")
    assert volumes.get(volume, "status")["status"]["phase"] in ("Available", "Bound", "Pending")

    condition = {"type": "StatusPatched", "status": "True", "reason": "E2E patchedStatus", "message": "Set from e2e test"}
    got = claims.patch(claim, {"status": {"conditions": [condition]}}, part="status")
    assert condition.items() <= got["status"]["conditions"][0].items(), got["status"]
    got = volumes.patch(volume, {"status": {"message": "StatusPatched", "reason": "E2E patchStatus"}}, part="status")
    equal((got["status"]["reason"], got["status"]["message"]), ("E2E patchStatus", "StatusPatched"))

    condition = {"type": "StatusUpdated", "status": "True", "reason": "E2E updateStatus", "message": "Set from e2e test"}
    got = claims.change(claim, lambda it: it["status"]["conditions"].append(condition), "status")
    assert any(condition.items() <= it.items() for it in got["status"]["conditions"]), got["status"]
    wanted = {"reason": "E2E updateStatus", "message": "StatusUpdated"}
    got = volumes.change(volume, lambda it: it["status"].update(wanted), "status")
    assert wanted.items() <= got["status"].items(), got["status"]
    claims.delete(claim)
    volumes.delete(volume)


def class_lifecycle(resource, fields):
    """What the suite asks of a class of storage, whichever."""
    made = resource.create({"kind": resource.kind, "metadata": {"generateName": "e2e-", "creationTimestamp": None}, **fields})
    name = made["metadata"]["name"]
    assert name.startswith("e2e-")
    survives_protobuf(resource, name)
    older = int(resource.get(name)["metadata"]["resourceVersion"])
    got = resource.patch(name, {"metadata": {"labels": {name: "patched"}}}, STRATEGIC)
    equal(got["metadata"]["labels"], {name: "patched"})
    assert int(got["metadata"]["resourceVersion"]) > older
    resource.delete(name)
    equal(resource.items(f"{name}=patched"), [])
    made = resource.create({"kind": resource.kind, "metadata": {"generateName": "e2e-v2-"}, **fields})
    name = made["metadata"]["name"]
    got = resource.change(name, lambda it: it["metadata"].update(labels={name: "updated"}))
    equal(got["metadata"]["labels"], {name: "updated"})
    equal(len(resource.items(f"{name}=updated")), 1)
    resource.delete_all(f"{name}=updated")
    equal(resource.items(f"{name}=updated"), [])


@case("StorageClasses CSI Conformance should run through the lifecycle of a StorageClass")
def storage_class(cluster):
    resource = Resource(cluster, "storage.k8s.io/v1", "storageclasses", namespaced=False)
    resource.kind = "StorageClass"
    class_lifecycle(resource, {"provisioner": "e2e-fake-provisioner"})


@case("VolumeAttributesClass [FeatureGate:VolumeAttributesClass] should run through the lifecycle of a VolumeAttributesClass")
def attributes_class(cluster):
    resource = Resource(cluster, "storage.k8s.io/v1", "volumeattributesclasses", namespaced=False)
    resource.kind = "VolumeAttributesClass"
    class_lifecycle(resource, {"driverName": "e2e-fake-csi-driver", "parameters": {"foo": "bar"}})


@case("VolumeAttachment Conformance should run through the lifecycle of a VolumeAttachment")
def attachment(cluster):
    resource, create = attachments(cluster)
    first = create()
    equal(resource.get(first)["metadata"]["name"], first)
    got = resource.patch(first, {"metadata": {"labels": {first: "patched"}}})
    equal(got["metadata"]["labels"][first], "patched")
    survives_protobuf(resource, first)
    equal(len(resource.items(f"{first}=patched")), 1)
    resource.delete(first)
    equal(resource.items(f"{first}=patched"), [])
    label = unique("va-e2e")
    for name in (create(), create()):
        got = resource.change(name, lambda it: it["metadata"].update(labels={label: "updated"}))
        equal(got["metadata"]["labels"], {label: "updated"})
    resource.delete_all(f"{label}=updated")
    equal(resource.items(f"{label}=updated"), [])


@case("VolumeAttachment Conformance should apply changes to a volumeattachment status")
def attachment_status(cluster):
    resource, create = attachments(cluster)
    name = create()
    resource.patch(name, {"metadata": {"labels": {name: "patched"}}})
    equal(resource.get(name, "status")["status"]["attached"], False)
    equal(resource.patch(name, {"status": {"attached": True}}, part="status")["status"]["attached"], True)
    got = resource.change(name, lambda it: it["status"].update(attached=False), "status")
    equal(got["status"]["attached"], False)
    resource.delete(name)
    equal(resource.items(f"{name}=patched"), [])


def attachments(cluster):
    resource = Resource(cluster, "storage.k8s.io/v1", "volumeattachments", namespaced=False)

    def create():
        name = unique("va-e2e")
        source = {"persistentVolumeName": f"pv-{name}"}
        spec = {"attacher": "e2e-test.storage.k8s.io", "nodeName": "fake", "source": source}
        # The suite names the object's identity itself, which a server does not take over.
        made = resource.create({"metadata": {"name": name, "uid": name}, "spec": spec, "status": {"attached": False}})
        equal(made["metadata"]["name"], name)
        assert made["metadata"]["uid"] != name
        return name

    return resource, create

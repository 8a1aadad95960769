"""sig-node: what dynamic resource allocation keeps in the API, through every verb and every kind of patch."""

import copy
import json

from harness import case, equal
from resource import APPLY, JSON, MERGE, STRATEGIC, Resource, discovered, survives_protobuf, unique

API = "resource.k8s.io/v1"
LABEL = "e2e-test.kubernetes.io"


class Informer:
    """A relist and a watch: what is there, and what happened since it was last asked."""

    def __init__(self, resource, labels, everywhere):
        listed = resource.all(labels, everywhere)
        equal(listed["items"], [], "nothing is there yet")
        self.watch = resource.watch(labels, everywhere, resourceVersion=listed["metadata"]["resourceVersion"], allowWatchBookmarks="true")
        self.revision = int(listed["metadata"]["resourceVersion"])

    def sees(self, kind, name):
        """An event of this type; all are in order."""
        event = self.watch.wait(kind, name)
        revision = int(event["metadata"]["resourceVersion"])
        assert revision > self.revision, f"{revision} after {self.revision}"
        self.revision = revision


def crud(cluster, plural, kind, initial, spec_patch, json_patch, status=None, json_status=None, namespaced=True):
    """Create, get, list, update, every patch, delete, delete all; the same for the status."""
    parts = [plural, *([f"{plural}/status"] if status else [])]
    discovered(cluster, API, *parts)
    resource = Resource(cluster, API, plural, namespaced)
    label = unique("dra")
    name = "test" if namespaced else f"test-{cluster.ns}"
    initial = {"apiVersion": API, "kind": kind, "metadata": {"name": name, "labels": {LABEL: label}}, **initial}
    informers = [Informer(resource, f"{LABEL}={label}", everywhere) for everywhere in ((True, False) if namespaced else (False,))]

    def see(*kinds):
        for informer in informers:
            for one in kinds:
                informer.sees(one, name)

    def create():
        made = resource.create(copy.deepcopy(initial), fieldValidation="Strict")
        contains(made, initial)
        see("ADDED")
        return made

    def recreate():
        resource.delete(name)
        resource.gone(name)
        see("DELETED")
        return create()

    def update():
        got = resource.change(name, lambda it: merge(it, spec_patch))
        contains(got, spec_patch)
        see("MODIFIED")

    def patches(patch, json_patch, part):
        for form in (STRATEGIC, APPLY, MERGE, JSON):
            made = recreate()
            if part:
                update()
            head = {"apiVersion": API, "kind": kind}
            meta = {"name": name, "uid": made["metadata"]["uid"], **({"namespace": cluster.ns} if namespaced else {})}
            body = json_patch if form == JSON else merge({**head, "metadata": meta}, patch)
            query = {"fieldValidation": "Strict", **({"fieldManager": "test-apply", "force": "true"} if form == APPLY else {})}
            got = resource.patch(name, json.dumps(body), form, part, **query)
            contains(got, patch)
            see("MODIFIED")

    try:
        made = create()
        contains(resource.get(name), initial)
        survives_protobuf(resource, name)
        update()
        assert int(resource.get(name)["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
        if status:
            got = resource.change(name, lambda it: merge(it, status), "status")
            contains(got, status)
            see("MODIFIED")
            contains(resource.get(name, "status"), status)
            survives_protobuf(resource, name)
        patches(spec_patch, json_patch, None)
        if status:
            patches(status, json_status, "status")
        equal([it["metadata"]["name"] for it in resource.items(f"{LABEL}={label}")], [name])
        equal([it["metadata"]["name"] for it in resource.items(f"{LABEL}={label}", everywhere=True)], [name])
        resource.delete_all(f"{LABEL}={label}")
        see("DELETED")
        equal(resource.items(f"{LABEL}={label}"), [])
    finally:
        for informer in informers:
            informer.watch.close()


def merge(into, patch):
    for key, value in patch.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = copy.deepcopy(value)
    return into


def contains(got, wanted, at=""):
    """Everything that was sent is in what came back, which may have more."""
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            assert isinstance(got, dict) and key in got, f"no {at}.{key} in {got}"
            contains(got[key], value, f"{at}.{key}")
    elif isinstance(wanted, list):
        equal(len(got), len(wanted), f"the length of {at}")
        for number, (one, other) in enumerate(zip(got, wanted)):
            contains(one, other, f"{at}[{number}]")
    else:
        equal(got, wanted, at)


def labelled(name):
    patch = {"metadata": {"labels": {f"test.{name}.example.com": "test"}}}
    return patch, [{"op": "add", "path": f"/metadata/labels/test.{name}.example.com", "value": "test"}]


REQUESTS = {"requests": [{"name": "req-0", "exactly": {"deviceClassName": "example"}}]}


@case("[DRA] CRUD Tests resource.k8s.io/v1 DeviceClass")
def device_class(cluster):
    selector = {"cel": {"expression": 'device.driver == "dra.example.com"'}}
    patch = {"spec": {"selectors": [{"cel": {"expression": 'device.driver == "dra-2.example.com"'}}]}}
    json_patch = [{"op": "replace", "path": "/spec/selectors", "value": patch["spec"]["selectors"]}]
    crud(cluster, "deviceclasses", "DeviceClass", {"spec": {"selectors": [selector]}}, patch, json_patch, namespaced=False)


@case("[DRA] CRUD Tests resource.k8s.io/v1 ResourceClaim")
def claim(cluster):
    device = {"request": "req-0", "driver": "dra.example.com", "pool": "some-pool", "device": "some-device"}
    status = {"status": {"allocation": {"devices": {"results": [device]}}}}
    json_status = [{"op": "add", "path": "/status", "value": status["status"]}]
    patch, json_patch = labelled("resourceclaim")
    crud(cluster, "resourceclaims", "ResourceClaim", {"spec": {"devices": REQUESTS}}, patch, json_patch, status, json_status)


@case("[DRA] CRUD Tests resource.k8s.io/v1 ResourceClaimTemplate")
def template(cluster):
    patch, json_patch = labelled("resourceclaimtemplate")
    initial = {"spec": {"spec": {"devices": REQUESTS}}}
    crud(cluster, "resourceclaimtemplates", "ResourceClaimTemplate", initial, patch, json_patch)


@case("[DRA] CRUD Tests resource.k8s.io/v1 ResourceSlice")
def slices(cluster):
    spec = {
        "nodeName": "some-node",
        "driver": "dra.example.com",
        "pool": {"name": "some-pool", "generation": 1, "resourceSliceCount": 1},
        "devices": [{"name": "some-device", "attributes": {"model": {"string": "x"}}, "capacity": {"memory": {"value": "1Gi"}}}],
    }
    patch = {"spec": {"devices": [{"name": "other-device"}]}}
    json_patch = [{"op": "replace", "path": "/spec/devices", "value": patch["spec"]["devices"]}]
    crud(cluster, "resourceslices", "ResourceSlice", {"spec": spec}, patch, json_patch, namespaced=False)

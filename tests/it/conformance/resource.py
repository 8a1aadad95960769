"""A resource by its path, and what the suite's "API operations" cases ask of every one of them."""

import copy
import uuid

from harness import PATIENCE, equal

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"


def unique(prefix):
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


class Resource:
    """Requests about the objects of one resource; they have to succeed unless their name says otherwise."""

    def __init__(self, cluster, api, plural, namespaced=True, ns=None):
        self.cluster = cluster
        self.root = f"/api/{api}" if api == "v1" else f"/apis/{api}"
        self.api, self.plural = api, plural
        self.ns = (ns or cluster.ns) if namespaced else None

    def path(self, name=None, part=None, everywhere=False):
        inside = f"/namespaces/{self.ns}" if self.ns and not everywhere else ""
        return "/".join(filter(None, [self.root + inside, self.plural, name, part]))

    def create(self, body, **query):
        return self.cluster.ok("POST", self.path(), body, query=query)

    def exists_already(self, body):
        equal(self.cluster.refused(409, "POST", self.path(), body)["reason"], "AlreadyExists")

    def get(self, name, part=None):
        return self.cluster.ok("GET", self.path(name, part))

    def gone(self, name):
        equal(self.cluster.refused(404, "GET", self.path(name))["reason"], "NotFound")

    def all(self, labels=None, everywhere=False, **query):
        return self.cluster.ok("GET", self.path(everywhere=everywhere), query=selecting(labels, query))

    def items(self, labels=None, everywhere=False, **query):
        return self.all(labels, everywhere, **query)["items"]

    def update(self, body, part=None):
        return self.cluster.ok("PUT", self.path(body["metadata"]["name"], part), body)

    def change(self, name, edit, part=None):
        """Reads, edits and writes, again where somebody else was faster."""
        while True:
            body = self.get(name)
            edit(body)
            answer = self.cluster.call("PUT", self.path(name, part), body)
            if answer.status != 409:
                assert answer.status < 300, f"PUT {self.path(name, part)}: {answer!r}"
                return answer.json()

    def patch(self, name, patch, kind=MERGE, part=None, **query):
        return self.cluster.ok("PATCH", self.path(name, part), patch, kind=kind, query=query)

    def delete(self, name, options=None):
        return self.cluster.ok("DELETE", self.path(name), options)

    def delete_all(self, labels=None, options=None, **query):
        return self.cluster.ok("DELETE", self.path(), options, query=selecting(labels, query))

    def watch(self, labels=None, everywhere=False, **query):
        return self.cluster.watch(self.path(everywhere=everywhere), **selecting(labels, query))


def selecting(labels, query):
    return {**query, **({"labelSelector": labels} if labels else {})}


def discovered(cluster, api, *resources):
    """The group, its version and the resources are in the documents of discovery."""
    group, version = api.split("/")
    for groups in [cluster.ok("GET", "/apis")["groups"], [cluster.ok("GET", f"/apis/{group}")]]:
        assert any(it["name"] == group and any(at["version"] == version for at in it["versions"]) for it in groups)
    listed = [it["name"] for it in cluster.ok("GET", f"/apis/{api}")["resources"]]
    for resource in resources:
        assert resource in listed, f"no {resource} in /apis/{api}: {listed}"


def survives_protobuf(resource, name):
    """What client-go does: reads in protobuf, and writes that back, which changes nothing."""
    path = resource.path(name)
    for _ in range(5):
        before = resource.get(name)
        answer = resource.cluster.call("GET", path, headers={"Accept": PROTOBUF})
        equal(answer.headers["Content-Type"], PROTOBUF, f"the type of {path}")
        assert answer.body.startswith(b"k8s\0"), f"{path}: {answer!r}"
        back = resource.cluster.call("PUT", path, answer.body, headers={"Accept": PROTOBUF}, kind=PROTOBUF)
        after = resource.get(name)
        if back.status == 200 and after == before:
            break
        # A controller may have written meanwhile; not each time.
    assert back.status == 200 and back.body.startswith(b"k8s\0"), f"PUT {path}: {back!r}"
    equal(after, before, f"{path} after it was written back")


def annotated(resource, name):
    """`patched` by a patch, `updated` by an update; both stay."""
    got = resource.patch(name, {"metadata": {"annotations": {"patched": "true"}}})
    equal(got["metadata"]["annotations"]["patched"], "true")
    older = int(got["metadata"]["resourceVersion"])
    got = resource.change(name, lambda it: it["metadata"]["annotations"].update(updated="true"))
    equal(got["metadata"]["annotations"]["updated"], "true")
    assert int(got["metadata"]["resourceVersion"]) > older


def saw_annotations(watch, name):
    """A watch that began before `annotated` has events of it, and none of another type."""
    seen = watch.wait("MODIFIED", name, lambda it: it["metadata"].get("annotations", {}).get("patched") == "true")
    return seen


def operates(resource, templates, labels=None, fields=None, selected_watch=None, status=None):
    """Everything that the suite's "should support … API operations" cases have in common. The templates are three."""
    chosen = {"fieldSelector": fields} if fields else {}
    names = [resource.create(copy.deepcopy(template))["metadata"]["name"] for template in templates]
    first = names[-1]
    if "name" in templates[-1]["metadata"]:
        resource.exists_already(templates[-1])
    uid = resource.get(first)["metadata"]["uid"]
    listed = resource.all(labels, **chosen)
    equal(sorted(it["metadata"]["name"] for it in listed["items"]), sorted(names), "the filtered list")
    assert uid in [it["metadata"]["uid"] for it in listed["items"]]
    since = listed["metadata"]["resourceVersion"]
    watches = [resource.watch(labels if not selected_watch else None, resourceVersion=since, **(selected_watch(first) if selected_watch else chosen))]
    if resource.ns:
        equal(len(resource.items(labels, everywhere=True, **chosen)), len(names), "the list of all namespaces")
        watches.append(resource.watch(labels, everywhere=True, resourceVersion=since, **chosen))
    annotated(resource, first)
    for watch in watches:
        with watch:
            equal(watch.peek(PATIENCE)["type"], "MODIFIED", "the first event")
            saw_annotations(watch, first)
    survives_protobuf(resource, first)
    if status:
        status(resource, first, uid)
    resource.delete(first)
    resource.gone(first)
    equal(len(resource.items(labels, **chosen)), len(names) - 1, "what is left")
    resource.delete_all(labels, **chosen)
    equal(resource.items(labels, **chosen), [], "what is left of all")

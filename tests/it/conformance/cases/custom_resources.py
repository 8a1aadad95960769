"""sig-api-machinery: custom resource definitions and what they define, without OpenAPI."""

import uuid

from definitions import DEFINITIONS, Custom, allow_all, defined, definition, version
from harness import case, equal, until

NAME = "CustomResourceDefinition resources [Privileged:ClusterAdmin] "
JSON_PATCH = "application/json-patch+json"


@case(NAME + "Simple CustomResourceDefinition creating/deleting custom resource definition objects works")
def create_and_delete(cluster):
    with defined(cluster, definition()):
        pass


@case(NAME + "Simple CustomResourceDefinition listing custom resource definition objects works")
def listing(cluster):
    mark = str(uuid.uuid4())
    selector = {"labelSelector": f"e2e-list-test-uuid={mark}"}
    with defined(cluster, definition()) as other:
        bodies = [definition(labels={"e2e-list-test-uuid": mark}) for _ in range(10)]
        made = {body["metadata"]["name"]: Custom(cluster, cluster.ok("POST", DEFINITIONS, body)) for body in bodies}
        for custom in made.values():
            custom.wait()
        listed = cluster.ok("GET", DEFINITIONS, query=selector)["items"]
        equal(len(listed), 10, "how many are listed")
        for item in listed:
            equal(item["spec"], made[item["metadata"]["name"]].spec, "the spec that is listed")
        cluster.ok("DELETE", DEFINITIONS, query=selector)
        for custom in made.values():
            until("it is forgotten", lambda: not custom.is_discovered("v1beta1"))
        cluster.ok("GET", other.at)


@case(NAME + "Simple CustomResourceDefinition getting/updating/patching custom resource definition status sub-resource works")
def status(cluster):
    with defined(cluster, definition()) as custom:

        def update():
            found = cluster.ok("GET", f"{custom.at}/status")
            equal(found["spec"], custom.spec, "the spec beside the status")
            # The server's own conditions may come between, which is a conflict.
            found.setdefault("status", {}).setdefault("conditions", []).append({"message": "updated"})
            answer = cluster.call("PUT", f"{custom.at}/status", found)
            assert answer.status in (200, 409), answer
            return answer.status == 200 and answer.json()

        updated = until("no conflict", update)
        assert holds(updated, "updated"), updated["status"]
        patch = [{"op": "add", "path": "/status/conditions", "value": [{"message": "patched"}]}]
        patched = cluster.ok("PATCH", f"{custom.at}/status", patch, kind=JSON_PATCH)
        assert holds(patched, "patched"), patched["status"]


def holds(definition, message):
    return any(
        it.get("message") == message and not it.get("type") and not it.get("status") and not it.get("lastTransitionTime")
        for it in definition["status"]["conditions"]
    )


@case(NAME + "custom resource defaulting for requests and from storage works")
def defaulting(cluster):
    schema = {**allow_all(), "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    with defined(cluster, definition([version("v1beta1", schema)])) as custom:
        cluster.ok("POST", custom.path("v1beta1"), custom.object("v1beta1", "cr-1"))
        at = "/spec/versions/0/schema/openAPIV3Schema/properties"
        patch = [{"op": "add", "path": f"{at}/a/default", "value": "A"}]
        cluster.ok("PATCH", custom.at, patch, kind=JSON_PATCH)

        def defaulted(name, field, wanted):
            found = cluster.ok("GET", custom.path("v1beta1", name))
            assert found.get(field, wanted) == wanted, found
            return field in found and found

        until("a default from storage", lambda: defaulted("cr-1", "a", "A"))
        made = cluster.ok("POST", custom.path("v1beta1"), custom.object("v1beta1", "cr-2"))
        equal(made["a"], "A", "a default of a request")
        patch = [{"op": "remove", "path": f"{at}/a/default"}, {"op": "add", "path": f"{at}/b/default", "value": "B"}]
        cluster.ok("PATCH", custom.at, patch, kind=JSON_PATCH)
        found = until("another default from storage", lambda: defaulted("cr-2", "b", "B"))
        equal(found["a"], "A", "what was a default when it was made")


@case("CustomResourceDefinition Watch [Privileged:ClusterAdmin] CustomResourceDefinition Watch watch on custom resource definition objects")
def watch(cluster):
    names = {"plural": "noxus", "singular": "nonenglishnoxu", "kind": "WishIHadChosenNoxu", "listKind": "NoxuItemList"}
    body = definition(names={**names, "shortNames": ["foo", "bar", "abc", "def"], "categories": ["all"]})
    body["metadata"]["name"] = "noxus.mygroup.example.com"
    with defined(cluster, body) as custom:
        path = custom.path("v1beta1")
        primed(cluster, custom)
        names = "name1", "name2"
        watches = [cluster.watch(path, fieldSelector=f"metadata.name={name}", timeoutSeconds=600) for name in names]
        try:
            for name, own, other in zip(names, watches, watches[::-1]):
                # The largest number that an instance of the suite has.
                body = custom.object("v1beta1", name, content={"key": "value"}, num={"num1": 2**63 - 1, "num2": 1000000})
                made = cluster.ok("POST", path, body)
                assert made["metadata"]["uid"] and made["apiVersion"] == f"{custom.group}/v1beta1", made
                equal((made["kind"], made["num"]), (custom.kind, body["num"]))
                equal(own.wait("ADDED", name), made, "what is watched")
            for name, own in zip(names, watches):
                patch = [{"op": "add", "path": "/dummy", "value": "test"}]
                cluster.ok("PATCH", f"{path}/{name}", patch, kind=JSON_PATCH)
                own.wait("MODIFIED", name, lambda it: it["dummy"] == "test")
            for name, own in zip(names, watches):
                cluster.ok("DELETE", f"{path}/{name}")
                own.wait("DELETED", name)
            # Had one seen the other's events, they would have come by now.
            for own in watches:
                equal(own.events, [], "events of another object")
        finally:
            for own in watches:
                own.close()


def primed(cluster, custom):
    """As the suite makes sure that a new resource can be watched: from the version of what was just made on."""
    path = custom.path("v1beta1")
    made = cluster.ok("POST", path, custom.object("v1beta1", "setup-instance", alpha="foo_123", beta=10))
    with cluster.watch(path, resourceVersion=made["metadata"]["resourceVersion"]) as watch:
        cluster.ok("DELETE", f"{path}/setup-instance")
        watch.wait("DELETED", "setup-instance")

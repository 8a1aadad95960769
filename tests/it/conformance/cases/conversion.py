"""sig-api-machinery: custom resources of two versions that a webhook makes one of the other, and what selects them."""

import contextlib

from definitions import defined, definition, version
from harness import PATIENCE, case, equal, until
from hooks import Hooks

TEXT = {"type": "string"}
V1 = {"type": "object", "properties": {"hostPort": TEXT}}
V2 = {"type": "object", "properties": {"host": TEXT, "port": TEXT}}


@contextlib.contextmanager
def converted(cluster, v1=None, v2=None):
    """A resource, stored as v1, once its webhook converts."""
    with Hooks() as hooks:
        webhook = {"clientConfig": hooks.config("/crdconvert"), "conversionReviewVersions": ["v1", "v1beta1"]}
        body = definition(
            [version("v1", V1, **(v1 or {})), version("v2", V2, storage=False, **(v2 or {}))],
            group="stable.example.com",
            scope="Namespaced",
            conversion={"strategy": "Webhook", "webhook": webhook},
        )
        with defined(cluster, body) as custom:
            stub = custom.object("v2", "stub")
            until("it converts", lambda: cluster.call("POST", custom.path("v2"), stub).status == 201)
            cluster.ok("DELETE", custom.path("v2", "stub"))
            yield custom, hooks


def is_v1(custom, it):
    equal(it["apiVersion"], f"{custom.group}/v1")
    equal((it.get("hostPort"), it.get("host"), it.get("port")), ("localhost:8080", None, None))


def is_v2(custom, it):
    equal(it["apiVersion"], f"{custom.group}/v2")
    equal((it.get("hostPort"), it.get("host"), it.get("port")), (None, "localhost", "8080"))


NAME = "CustomResourceConversionWebhook [Privileged:ClusterAdmin] should be able to "


@case(NAME + "convert from CR v1 to CR v2")
def one(cluster):
    with converted(cluster) as (custom, hooks):
        made = cluster.ok("POST", custom.path("v1"), custom.object("v1", "cr-instance-1", hostPort="localhost:8080"))
        found = cluster.ok("GET", custom.path("v2", "cr-instance-1"))
        is_v2(custom, found)
        equal(found["metadata"]["uid"], made["metadata"]["uid"], "the uid")
        # A change of the other version is stored as this one.
        found["port"] = "9090"
        cluster.ok("PUT", custom.path("v2", "cr-instance-1"), found)
        equal(cluster.ok("GET", custom.path("v1", "cr-instance-1"))["hostPort"], "localhost:9090")
        assert all(path == "/crdconvert?timeout=30s" for path, _ in hooks.seen), hooks.seen[0][0]


@case(NAME + "convert a non homogeneous list of CRs")
def several(cluster):
    with converted(cluster) as (custom, _):
        names = ["cr-instance-1", "cr-instance-2"]
        first, second = (custom.object("v1", name, hostPort="localhost:8080") for name in names)
        cluster.ok("POST", custom.path("v1"), first)

        def store_v2():
            found = cluster.ok("GET", custom.at)
            for known in found["spec"]["versions"]:
                known["storage"] = known["name"] == "v2"
            answer = cluster.call("PUT", custom.at, found)
            assert answer.status in (200, 409), answer
            return answer.status == 200

        until("the other version is stored", store_v2)
        cluster.ok("POST", custom.path("v1"), second)
        for name, check in ("v1", is_v1), ("v2", is_v2):
            items = cluster.ok("GET", custom.path(name))["items"]
            equal(sorted(it["metadata"]["name"] for it in items), names)
            for it in items:
                check(custom, it)


class Gathered:
    """Who was added and who was deleted, as a watch tells."""

    def __init__(self, watch):
        self.watch = watch

    def waits_for(self, added, deleted=()):
        def told():
            by = {"ADDED": set(), "DELETED": set()}
            for event in list(self.watch.events):
                by.get(event["type"], set()).add(event["object"]["metadata"].get("name"))
            return by == {"ADDED": set(added), "DELETED": set(deleted)}

        with self.watch.changed:
            done = self.watch.changed.wait_for(told, PATIENCE)
            assert done, f"wanted {added} and {deleted}: {self.watch.events}"


@case("CustomResourceFieldSelectors [Privileged:ClusterAdmin] CustomResourceFieldSelectors MUST list and watch custom resources matching the field selector")
def selected(cluster):
    fields = {"v1": [".hostPort"], "v2": [".host", ".port"]}
    of = {name: {"selectableFields": [{"jsonPath": path} for path in paths]} for name, paths in fields.items()}
    with converted(cluster, of["v1"], of["v2"]) as (custom, _), contextlib.ExitStack() as stack:

        def watch(version, selector):
            return Gathered(stack.enter_context(cluster.watch(custom.path(version), fieldSelector=selector)))

        def informer(selector):
            """As client-go's reflector begins since it streams lists."""
            more = {"sendInitialEvents": "true", "allowWatchBookmarks": "true"}
            more["resourceVersionMatch"] = "NotOlderThan"
            return Gathered(stack.enter_context(cluster.watch(custom.path("v2"), fieldSelector=selector, **more)))

        of_host = watch("v2", "host=host1"), informer("host=host1")
        of_both = watch("v2", "host=host1,port=80"), informer("host=host1,port=80"), watch("v1", "hostPort=host1:80")
        a, b, c = "selectable-field-cr-a", "selectable-field-cr-b", "selectable-field-cr-c"
        for name, more in (a, {"host": "host1", "port": "80"}), (b, {"host": "host1", "port": "8080"}), (c, {"host": "host2"}):
            cluster.ok("POST", custom.path("v2"), custom.object("v2", name, **more))

        def listed(version, selector):
            items = cluster.ok("GET", custom.path(version), query={"fieldSelector": selector})["items"]
            return sorted(it["metadata"]["name"] for it in items)

        equal(listed("v2", "host=host1"), [a, b])
        equal(listed("v2", "host=host1,port=80"), [a])
        equal(listed("v1", "hostPort=host1:80"), [a])
        equal(listed("v1", "hostPort=host1:8080"), [b])
        for it in of_host:
            it.waits_for([a, b])
        for it in of_both:
            it.waits_for([a])
        query = {"fieldSelector": "host=host1,port=80"}
        cluster.ok("DELETE", custom.path("v2"), {"gracePeriodSeconds": 0}, query=query)
        found = cluster.ok("GET", custom.path("v2", b))
        cluster.ok("PUT", custom.path("v2", b), {**found, "host": "host2"})
        equal(listed("v2", "host=host1"), [])
        equal(listed("v2", "host=host1,port=80"), [])
        for it in of_host:
            it.waits_for([a, b], [a, b])
        for it in of_both:
            it.waits_for([a], [a])

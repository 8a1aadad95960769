"""sig-instrumentation: events in both of their groups."""

from harness import case, equal
from resource import STRATEGIC, Resource, survives_protobuf

TIME = "2017-09-19T13:49:16.000000Z"


def core(cluster, name, label):
    return {
        "metadata": {"name": name, "labels": {label: "true"}},
        "message": f"This is {name}",
        "reason": "Test",
        "type": "Normal",
        "count": 1,
        "involvedObject": {"namespace": cluster.ns},
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": None,
        "reportingComponent": "",
        "reportingInstance": "",
    }


def modern(cluster, name, label):
    return {
        "metadata": {"name": name, "labels": {label: "true"}},
        "regarding": {"namespace": cluster.ns},
        "eventTime": TIME,
        "note": f"This is {name}",
        "action": "Do",
        "reason": "Test",
        "type": "Normal",
        "reportingController": "test-controller",
        "reportingInstance": "test-node",
        "deprecatedSource": {},
        "deprecatedFirstTimestamp": None,
        "deprecatedLastTimestamp": None,
    }


def is_listed(resource, everywhere):
    items = resource.items("testevent-constant=true", everywhere)
    return any(it["metadata"]["name"] == "event-test" and it["metadata"]["namespace"] == resource.ns for it in items)


def plain(event):
    """Without what a server changes by itself."""
    meta = {key: value for key, value in event["metadata"].items() if key not in ("resourceVersion", "managedFields")}
    return {**event, "metadata": meta}


def lifecycle(resource, template, patch):
    resource.create(template)
    assert is_listed(resource, True) and is_listed(resource, False)
    before = resource.get("event-test")
    survives_protobuf(resource, "event-test")
    resource.patch("event-test", patch, STRATEGIC)
    equal(plain(resource.get("event-test")), plain({**before, **patch}), "the patched event")
    # An update without the newest version is one of those that an event takes.
    changed = {**before, **patch, "metadata": {**before["metadata"]}}
    del changed["metadata"]["resourceVersion"]
    changed["series"] = {"count": 100, "lastObservedTime": TIME}
    resource.update(changed)
    equal(plain(resource.get("event-test")), plain(changed), "the updated event")
    resource.delete("event-test")
    assert not is_listed(resource, True) and not is_listed(resource, False)


def collection(resource, template):
    for number in range(1, 4):
        resource.create(template(f"test-event-{number}"))
    equal(len(resource.items("testevent-set=true")), 3)
    resource.delete_all("testevent-set=true")
    equal(resource.items("testevent-set=true"), [])


@case("Events should manage the lifecycle of an event")
def core_lifecycle(cluster):
    lifecycle(Resource(cluster, "v1", "events"), core(cluster, "event-test", "testevent-constant"), {"message": "This is a test event - patched"})


@case("Events should delete a collection of events")
def core_collection(cluster):
    collection(Resource(cluster, "v1", "events"), lambda name: core(cluster, name, "testevent-set"))


@case("Events API should ensure that an event can be fetched, patched, deleted, and listed")
def modern_lifecycle(cluster):
    resource = Resource(cluster, "events.k8s.io/v1", "events")
    resource.create({**modern(cluster, "by-source", "other")})
    listed = Resource(cluster, "v1", "events").items(fieldSelector="source=test-controller")
    equal([it["metadata"]["name"] for it in listed], ["by-source"])
    listed = resource.items(fieldSelector="reportingController=test-controller")
    equal([it["metadata"]["name"] for it in listed], ["by-source"])
    series = {"series": {"count": 2, "lastObservedTime": "2017-09-19T13:49:11.000000Z"}}
    lifecycle(resource, modern(cluster, "event-test", "testevent-constant"), series)
    # What it says is for good there.
    resource.create(modern(cluster, "said", "other"))
    refusal = cluster.refused(422, "PATCH", resource.path("said"), {"note": "other"}, kind=STRATEGIC)
    assert "message: Invalid value" in refusal["message"] and "field is immutable" in refusal["message"], refusal


@case("Events API should delete a collection of events")
def modern_collection(cluster):
    collection(Resource(cluster, "events.k8s.io/v1", "events"), lambda name: modern(cluster, name, "testevent-set"))

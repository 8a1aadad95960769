"""sig-scheduling: priority classes as objects."""

from harness import case, equal
from resource import STRATEGIC, Resource, unique


@case("SchedulerPreemption PriorityClass endpoints verify PriorityClass endpoints can be operated with different HTTP methods")
def endpoints(cluster):
    classes, value = Resource(cluster, "scheduling.k8s.io/v1", "priorityclasses", namespaced=False), unique("e2e")
    label = f"e2e={value}"
    first, second = (classes.create({"metadata": {"name": f"{value}-p{at}", "labels": {"e2e": value}}, "value": at}) for at in (1, 2))
    names = [it["metadata"]["name"] for it in (first, second)]
    # A value stays what it is.
    refusal = cluster.refused(422, "PATCH", classes.path(names[0]), {"value": 10}, kind=STRATEGIC)
    equal([it["field"] for it in refusal["details"]["causes"]], ["value"])
    cluster.refused(422, "PUT", classes.path(names[1]), {**second, "value": 20})
    said = "updated description"
    classes.patch(names[0], {"description": said}, STRATEGIC)
    classes.update({**second, "description": said})
    assert set(names) <= {it["metadata"]["name"] for it in classes.items()}
    for before in (first, second):
        live = classes.get(before["metadata"]["name"])
        equal((live["value"], live["description"]), (before["value"], said))
        assert int(live["metadata"]["resourceVersion"]) > int(before["metadata"]["resourceVersion"])
    classes.delete_all(label)
    equal(classes.items(label), [])

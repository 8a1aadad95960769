"""sig-api-machinery: watches of config maps, by label and from a version on.

That an event does not come is seen from what comes instead: watches are in order.
"""

import threading

from harness import PATIENCE, case, equal

KEY = "watch-this-configmap"


def maps(cluster):
    return f"/api/v1/namespaces/{cluster.ns}/configmaps"


def watch(cluster, *labels, version=""):
    return cluster.watch(maps(cluster), labelSelector=f"{KEY} in ({','.join(labels)})", resourceVersion=version)


def make(cluster, name, label):
    return cluster.ok("POST", maps(cluster), {"metadata": {"name": name, "labels": {KEY: label}}})


def change(cluster, name, data=None, label=None):
    """What an update of an object that is read first makes of it."""
    found = cluster.ok("GET", f"{maps(cluster)}/{name}")
    if data:
        found.setdefault("data", {})["mutation"] = data
    if label:
        found["metadata"]["labels"][KEY] = label
    return cluster.ok("PUT", f"{maps(cluster)}/{name}", found)


def delete(cluster, name):
    cluster.ok("DELETE", f"{maps(cluster)}/{name}")


def expect(watch, *events):
    """These events, each with its object if that is known, and nothing between them."""
    for kind, wanted in events:
        with watch.changed:
            assert watch.changed.wait_for(lambda: watch.events, PATIENCE), f"no {kind}"
            event = watch.events.pop(0)
        equal(event["type"], kind, "the event")
        if isinstance(wanted, str):
            equal(event["object"]["metadata"]["name"], wanted, "its name")
        elif wanted is not None:
            equal(event["object"], wanted, "its object")
    return event["object"]


@case("Watchers should observe add, update, and delete watch notifications on configmaps")
def notifications(cluster):
    label_a, label_b = "multiple-watchers-A", "multiple-watchers-B"
    a, b, both = watch(cluster, label_a), watch(cluster, label_b), watch(cluster, label_a, label_b)
    with a, b, both:
        name_a, name_b = "e2e-watch-test-configmap-a", "e2e-watch-test-configmap-b"
        of_a = [("ADDED", make(cluster, name_a, label_a))]
        of_a.append(("MODIFIED", change(cluster, name_a, "1")))
        of_a.append(("MODIFIED", change(cluster, name_a, "2")))
        delete(cluster, name_a)
        of_a.append(("DELETED", name_a))
        of_b = [("ADDED", make(cluster, name_b, label_b))]
        delete(cluster, name_b)
        of_b.append(("DELETED", name_b))
        last = make(cluster, "last-a", label_a)
        expect(a, *of_a, ("ADDED", last))
        expect(both, *of_a, *of_b, ("ADDED", last))
        last = make(cluster, "last-b", label_b)
        expect(b, *of_b, ("ADDED", last))


@case("Watchers should be able to start watching from a specific resource version")
def from_version(cluster):
    name, label = "e2e-watch-test-resource-version", "from-resource-version"
    make(cluster, name, label)
    first = change(cluster, name, "1")
    second = change(cluster, name, "2")
    delete(cluster, name)
    with watch(cluster, label, version=first["metadata"]["resourceVersion"]) as it:
        expect(it, ("MODIFIED", second), ("DELETED", name))


@case("Watchers should be able to restart watching from the last resource version observed by the previous watch")
def restart(cluster):
    name, label = "e2e-watch-test-watch-closed", "watch-closed-and-restarted"
    with watch(cluster, label) as broken:
        made = make(cluster, name, label)
        change(cluster, name, "1")
        last = expect(broken, ("ADDED", made), ("MODIFIED", None))
    second = change(cluster, name, "2")
    with watch(cluster, label, version=last["metadata"]["resourceVersion"]) as restarted:
        delete(cluster, name)
        expect(restarted, ("MODIFIED", second), ("DELETED", name))


@case("Watchers should observe an object deletion if it stops meeting the requirements of the selector")
def label_changed(cluster):
    name, label = "e2e-watch-test-label-changed", "label-changed-and-restored"
    with watch(cluster, label) as it:
        made = make(cluster, name, label)
        first = change(cluster, name, "1")
        change(cluster, name, label="wrong-value")
        expect(it, ("ADDED", made), ("MODIFIED", first), ("DELETED", name))
        change(cluster, name, "2")
        restored = change(cluster, name, label=label)
        third = change(cluster, name, "3")
        delete(cluster, name)
        # Of the second change, made out of its sight, it says nothing.
        expect(it, ("ADDED", restored), ("MODIFIED", third), ("DELETED", name))


@case("Watchers should receive events on concurrent watches in same order")
def same_order(cluster):
    version = cluster.ok("GET", maps(cluster))["metadata"]["resourceVersion"]
    done = threading.Event()
    failure = []

    def produce():
        number = 0
        try:
            while not done.wait(0.005):
                number += 1
                name = f"cm-{number}"
                made = cluster.ok("POST", maps(cluster), {"metadata": {"name": name}})
                if number % 2:
                    made["data"] = {"mutation": "1"}
                    cluster.ok("PUT", f"{maps(cluster)}/{name}", made)
                if number % 3:
                    delete(cluster, name)
        except Exception as error:
            failure.append(error)

    producer = threading.Thread(target=produce, daemon=True)
    producer.start()
    watches = []

    def next_version(watch):
        with watch.changed:
            assert watch.changed.wait_for(lambda: watch.events or failure, PATIENCE) and watch.events, failure
            return watch.events.pop(0)["object"]["metadata"]["resourceVersion"]

    try:
        for _ in range(50):
            watches.append(cluster.watch(maps(cluster), resourceVersion=version))
            version = next_version(watches[0])
            for other in watches[1:]:
                equal(next_version(other), version, "the version that another watch sees")
    finally:
        done.set()
        for it in watches:
            it.close()
        producer.join()
    assert not failure, failure

"""sig-api-machinery: namespaces, and what becomes of what is in them. A pod runs where the test says that it does."""

from harness import case, equal, until

NAME = "Namespaces should "
MERGE_PATCH = "application/merge-patch+json"


def at(name, below=""):
    return f"/api/v1/namespaces/{name}{below}"


def update(cluster, name, below, change):
    """Updates what is read anew until nobody came between."""

    def attempt():
        found = cluster.ok("GET", at(name))
        change(found)
        answer = cluster.call("PUT", at(name, below), found)
        assert answer.status in (200, 409), answer
        return answer.status == 200 and answer.json()

    return until("no conflict", attempt)


def gone(cluster, path):
    until(f"{path} is gone", lambda: cluster.call("GET", path).status == 404)


def again(cluster, name):
    """The namespace is gone, and made once more."""
    gone(cluster, at(name))
    cluster.ok("POST", "/api/v1/namespaces", {"metadata": {"name": name}})


def running(cluster, namespace, **metadata):
    """A pod that is on no node, and said to run."""
    body = {"metadata": {"name": "test-pod", **metadata}, "spec": {"containers": [{"name": "nginx", "image": "pause"}]}}
    cluster.ok("POST", at(namespace, "/pods"), body)
    status = {"status": {"phase": "Running"}}
    return cluster.ok("PATCH", at(namespace, "/pods/test-pod/status"), status, kind=MERGE_PATCH)


@case(NAME + "ensure that all pods are removed when a namespace is deleted")
def pods_are_removed(cluster):
    namespace = cluster.namespace()
    running(cluster, namespace)
    cluster.ok("DELETE", at(namespace))
    again(cluster, namespace)
    cluster.refused(404, "GET", at(namespace, "/pods/test-pod"))
    cluster.ok("DELETE", at(namespace))


@case(NAME + "ensure that all services are removed when a namespace is deleted")
def services_are_removed(cluster):
    namespace = cluster.namespace()
    spec = {"selector": {"foo": "bar", "baz": "blah"}, "ports": [{"port": 80, "targetPort": 80}]}
    cluster.ok("POST", at(namespace, "/services"), {"metadata": {"name": "test-service"}, "spec": spec})
    cluster.ok("DELETE", at(namespace))
    again(cluster, namespace)
    cluster.refused(404, "GET", at(namespace, "/services/test-service"))
    cluster.ok("DELETE", at(namespace))


@case(NAME + "patch a Namespace")
def patch(cluster):
    before = cluster.ok("GET", at(cluster.ns))
    labels = {"metadata": {"labels": {"testLabel": "testValue"}}}
    patched = cluster.ok("PATCH", at(cluster.ns), labels, kind="application/strategic-merge-patch+json")
    assert int(patched["metadata"]["resourceVersion"]) > int(before["metadata"]["resourceVersion"])
    equal(cluster.ok("GET", at(cluster.ns))["metadata"]["labels"]["testLabel"], "testValue")


@case(NAME + "apply changes to a namespace status")
def status(cluster):
    equal(cluster.ok("GET", at(cluster.ns, "/status"))["status"]["phase"], "Active")

    def condition(kind, message):
        return {"type": kind, "status": "True", "reason": "E2E", "message": message}

    sent = {
        "metadata": {"annotations": {"e2e-patched-ns-status": cluster.ns}},
        "status": {"conditions": [condition("StatusPatch", "Patched by an e2e test")]},
    }
    patched = cluster.ok("PATCH", at(cluster.ns, "/status"), sent, kind=MERGE_PATCH)
    equal(patched["metadata"]["annotations"]["e2e-patched-ns-status"], cluster.ns)
    last = patched["status"]["conditions"][-1]
    equal((last["reason"], last["message"]), ("E2E", "Patched by an e2e test"))
    more = condition("StatusUpdate", "Updated by an e2e test")
    updated = update(cluster, cluster.ns, "/status", lambda it: it["status"]["conditions"].append(more))
    equal(len(updated["status"]["conditions"]), 2, "how many conditions")
    last = updated["status"]["conditions"][-1]
    equal((last["type"], last["message"]), ("StatusUpdate", "Updated by an e2e test"))


@case(NAME + "apply an update to a Namespace")
def label(cluster):
    updated = update(cluster, cluster.ns, "", lambda it: it["metadata"]["labels"].update({cluster.ns: "updated"}))
    equal(updated["metadata"]["labels"][cluster.ns], "updated")


@case(NAME + "apply a finalizer to a Namespace")
def finalizer(cluster):
    fake = "e2e.example.com/fakeFinalizer"
    namespace = cluster.namespace()
    added = update(cluster, namespace, "/finalize", lambda it: it["spec"]["finalizers"].append(fake))
    equal(added["spec"]["finalizers"], ["kubernetes", fake])
    removed = update(cluster, namespace, "/finalize", lambda it: it["spec"]["finalizers"].remove(fake))
    equal(removed["spec"]["finalizers"], ["kubernetes"])
    cluster.ok("DELETE", at(namespace))
    gone(cluster, at(namespace))


@case("OrderedNamespaceDeletion namespace deletion should delete pod first")
def ordered(cluster):
    namespace = cluster.namespace()
    running(cluster, namespace, finalizers=["e2e.example.com/finalizer"])
    cluster.ok("POST", at(namespace, "/configmaps"), {"metadata": {"name": "test-configmap"}, "data": {"key": "value"}})
    cluster.ok("DELETE", at(namespace))

    def processed():
        status = cluster.ok("GET", at(namespace))["status"]
        kinds = [it["type"] for it in status.get("conditions", [])]
        return status["phase"] == "Terminating" and "NamespaceDeletionContentFailure" in kinds

    until("the namespace has been looked at", processed)

    def going():
        cluster.ok("GET", at(namespace, "/configmaps/test-configmap"))
        return "deletionTimestamp" in cluster.ok("GET", at(namespace, "/pods/test-pod"))["metadata"]

    until("the pod is going", going)
    kinds = {it["type"]: it for it in cluster.ok("GET", at(namespace))["status"]["conditions"]}
    equal(kinds["NamespaceContentRemaining"]["status"], "True")
    equal(kinds["NamespaceFinalizersRemaining"]["status"], "True")
    free = {"metadata": {"finalizers": None}}
    cluster.ok("PATCH", at(namespace, "/pods/test-pod"), free, kind=MERGE_PATCH)
    gone(cluster, at(namespace, "/pods/test-pod"))
    gone(cluster, at(namespace))

"""sig-api-machinery: admission webhooks, which here are on this machine instead of behind a service."""

import contextlib
import uuid

from definitions import DEFINITIONS, allow_all, defined, definition, version
from harness import case, equal, until
from hooks import Hooks

NAME = "AdmissionWebhook [Privileged:ClusterAdmin] "
AT = "/apis/admissionregistration.k8s.io/v1"
MERGE_PATCH = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
BAD = {"webhook-e2e-test": "webhook-disallow"}
START = {"mutation-start": "yes"}


class World:
    """Webhooks for one case: its namespace is labelled for them, and another one says when they are asked."""

    def __init__(self, cluster, hooks):
        self.cluster, self.hooks = cluster, hooks
        labels = {"metadata": {"labels": {cluster.ns: "true"}}}
        cluster.ok("PATCH", f"/api/v1/namespaces/{cluster.ns}", labels, kind=MERGE_PATCH)
        self.markers = cluster.namespace(**{f"{cluster.ns}-markers": "true"})
        self.selector = {"matchLabels": {cluster.ns: "true"}}
        self.namespaces, self.made = [self.markers], []

    def namespace(self, **labels):
        self.namespaces.append(self.cluster.namespace(**{self.cluster.ns: "true", **labels}))
        return self.namespaces[-1]

    def webhook(self, name, path, rule, trusted=True, **more):
        """A webhook, as the suite writes it. `rule` is (operations, group, version, resource)."""
        operations, group, versions, *resources = rule
        return {
            "name": f"{name}.k8s.io",
            "clientConfig": self.hooks.config(path, trusted),
            "rules": [
                {"operations": operations, "apiGroups": [group], "apiVersions": versions, "resources": resources}
            ],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1", "v1beta1"],
            "namespaceSelector": self.selector,
            **more,
        }

    def ready(self, kind):
        """Denies what is made where nothing else is asked, so that the configuration is seen to work."""
        return self.webhook(
            f"{kind}-is-webhook-configuration-ready",
            "/always-deny",
            (["CREATE"], "", ["v1"], "configmaps"),
            namespaceSelector={"matchLabels": {f"{self.cluster.ns}-markers": "true"}},
            objectSelector=self.selector,
            failurePolicy="Ignore",
        )

    def body(self, kind, *webhooks, name=None, labels=None):
        metadata = {"name": name or self.cluster.ns, "labels": labels or {}}
        return {"metadata": metadata, "webhooks": [*webhooks, self.ready(kind)]}

    def register(self, kind, *webhooks, wait=True, **more):
        """A configuration of a kind, `validating` or `mutating`, once it works."""
        path = f"{AT}/{kind}webhookconfigurations"
        made = self.cluster.ok("POST", path, self.body(kind, *webhooks, **more))
        self.made.append(f"{path}/{made['metadata']['name']}")
        if wait:
            self.wait()
        return made

    def wait(self):
        def denied():
            body = {"metadata": {"name": str(uuid.uuid4()), "labels": {self.cluster.ns: "true"}}}
            answer = self.cluster.call("POST", f"/api/v1/namespaces/{self.markers}/configmaps", body)
            assert answer.status == 201 or b"denied" in answer.body, answer
            return answer.status != 201

        until("the configuration works", denied)

    def close(self):
        for path in self.made:
            self.cluster.call("DELETE", path)
        for name in self.namespaces:
            self.cluster.call("DELETE", f"/api/v1/namespaces/{name}")

    def map(self, name, data=None, namespace=None):
        """The answer to making a config map."""
        path = f"/api/v1/namespaces/{namespace or self.cluster.ns}/configmaps"
        return self.cluster.call("POST", path, {"metadata": {"name": name}, "data": data})

    def probe(self, data):
        """The answer to making one that is taken away again."""
        name = str(uuid.uuid4())
        answer = self.map(name, data)
        if answer.status == 201:
            self.cluster.ok("DELETE", f"/api/v1/namespaces/{self.cluster.ns}/configmaps/{name}")
        return answer

    def until_denied(self, wanted):
        def seen():
            answer = self.probe(BAD)
            assert answer.status == 201 or b"denied" in answer.body, answer
            return (answer.status != 201) == wanted

        until(f"what is bad is {'denied' if wanted else 'taken'}", seen)

    def until_mutated(self, wanted):
        def seen():
            answer = self.probe(START)
            assert answer.status == 201, answer
            return ("mutation-stage-1" in answer.json()["data"]) == wanted

        until(f"an object is {'' if wanted else 'not '}changed", seen)

    def deny_maps(self):
        skip = {"key": "skip-webhook-admission", "operator": "NotIn", "values": ["yes"]}
        return self.webhook(
            "deny-unwanted-configmap-data",
            "/configmaps",
            (["CREATE", "UPDATE", "DELETE"], "", ["v1"], "configmaps"),
            namespaceSelector={**self.selector, "matchExpressions": [skip]},
        )

    def mutate_maps(self, stage=1, **more):
        rule = (["CREATE"], "", ["v1"], "configmaps")
        return self.webhook(f"adding-configmap-data-stage-{stage}", "/mutating-configmaps", rule, **more)

    def unreachable(self, name, **more):
        rule = (["CREATE"], "", ["v1"], "configmaps")
        return self.webhook(name, "/configmaps", rule, trusted=False, **more)


@contextlib.contextmanager
def world(cluster):
    with Hooks() as hooks:
        it = World(cluster, hooks)
        try:
            yield it
        finally:
            it.close()


def says(answer, *texts):
    assert answer.status >= 400, answer
    for text in texts:
        assert text in answer.json()["message"], answer


def pod(name, container, **labels):
    spec = {"containers": [{"name": container, "image": "pause"}]}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


@case(NAME + "should be able to deny pod and configmap creation")
def deny(cluster):
    with world(cluster) as it:
        pods = it.webhook("deny-unwanted-pod-container-name-and-label", "/pods", (["CREATE"], "", ["v1"], "pods"))
        it.register("validating", pods, it.deny_maps(), it.unreachable("fail-open", failurePolicy="Ignore"))
        path = f"/api/v1/namespaces/{cluster.ns}/pods"
        answer = cluster.call("POST", path, pod("disallowed-pod", "webhook-disallow", **BAD))
        says(answer, "the pod contains unwanted container name", "the pod contains unwanted label")
        hanging = pod("hanging-pod", "wait-forever", **{"webhook-e2e-test": "wait-forever"})
        says(cluster.call("POST", path, hanging), "webhook", "deadline")
        cluster.refused(404, "GET", f"{path}/hanging-pod")
        unwanted = "the configmap contains unwanted key and value"
        says(it.map("disallowed-configmap", BAD), unwanted)
        made = it.map("allowed-configmap", {"admit": "this"})
        equal(made.status, 201)
        one, body = f"/api/v1/namespaces/{cluster.ns}/configmaps/allowed-configmap", made.json()
        says(cluster.call("PUT", one, {**body, "data": {**body["data"], **BAD}}), unwanted)
        says(cluster.call("PATCH", one, {"data": BAD}, kind=MERGE_PATCH), unwanted)
        skipped = it.namespace(**{"skip-webhook-admission": "yes"})
        equal(it.map("disallowed-configmap", BAD, skipped).status, 201)


@case(NAME + "should be able to deny attaching pod")
def deny_attaching(cluster):
    with world(cluster) as it:
        it.register(
            "validating",
            it.webhook("deny-attaching-pod", "/pods/attach", (["CONNECT"], "", ["v1"], "pods/attach")),
        )
        path, name = f"/api/v1/namespaces/{cluster.ns}/pods", "to-be-attached-pod"
        cluster.ok("POST", path, {**pod(name, "container1")})
        # Nobody runs it; that it runs is said for the node.
        status = {"phase": "Running", "containerStatuses": []}
        cluster.ok("PATCH", f"{path}/{name}/status", {"status": status}, kind="application/merge-patch+json")
        said = cluster.kubectl("attach", name, "-i", "-c=container1", fails=True)
        assert "attaching to pod 'to-be-attached-pod' is not allowed" in said, said


@contextlib.contextmanager
def resource(cluster, *versions):
    """A custom resource; its first version is what is stored."""
    body = definition(list(versions) or [version("v1")], group="webhook.example.com", scope="Namespaced")
    with defined(cluster, body) as custom:
        yield custom


@case(NAME + "should be able to deny custom resource creation, update and deletion")
def deny_custom(cluster):
    with resource(cluster) as custom, world(cluster) as it:
        rule = (["CREATE", "UPDATE", "DELETE"], custom.group, ["v1"], custom.plural)
        it.register("validating", it.webhook("deny-unwanted-custom-resource-data", "/custom-resource", rule))
        path, one = custom.path("v1"), custom.path("v1", "cr-instance-2")
        unwanted = "the custom resource contains unwanted data"
        says(cluster.call("POST", path, custom.object("v1", "cr-instance-1", data=BAD)), unwanted)
        cluster.ok("POST", path, custom.object("v1", "cr-instance-2", data={"webhook-e2e-test": "webhook-nondeletable"}))

        def put(word):
            found = cluster.ok("GET", one)
            found["data"]["webhook-e2e-test"] = word
            return cluster.call("PUT", one, found)

        says(put("webhook-disallow"), unwanted)
        text = "the custom resource cannot be deleted because it contains unwanted key and value"
        says(cluster.call("DELETE", one), text)
        equal(put("webhook-allow").status, 200)
        cluster.ok("DELETE", one)


@case(NAME + "should unconditionally reject operations on fail closed webhook")
def fail_closed(cluster):
    with world(cluster) as it:
        only = {"key": "fail-closed-webhook", "operator": "In", "values": ["yes"]}
        selector = {**it.selector, "matchExpressions": [only]}
        it.register("validating", it.unreachable("fail-closed", failurePolicy="Fail", namespaceSelector=selector))
        namespace = it.namespace(**{"fail-closed-webhook": "yes"})
        answer = it.map("foo", namespace=namespace)
        equal((answer.status, answer.json()["reason"]), (500, "InternalError"))


@case(NAME + "should mutate configmap")
def mutate(cluster):
    with world(cluster) as it:
        it.register("mutating", it.mutate_maps(1), it.mutate_maps(2))
        made = it.map("to-be-mutated", START).json()
        equal(made["data"], {**START, "mutation-stage-1": "yes", "mutation-stage-2": "yes"})


@case(NAME + "should mutate pod and apply defaults after mutation")
def mutate_pod(cluster):
    with world(cluster) as it:
        rule = (["CREATE"], "", ["v1"], "pods")
        it.register("mutating", it.webhook("adding-init-container", "/mutating-pods", rule))
        made = cluster.ok("POST", f"/api/v1/namespaces/{cluster.ns}/pods", pod("webhook-to-be-mutated", "example"))
        (added,) = made["spec"]["initContainers"]
        equal((added["name"], added["terminationMessagePolicy"]), ("webhook-added-init-container", "File"))


@case(NAME + "should not be able to mutate or prevent deletion of webhook configuration objects")
def configurations_are_exempt(cluster):
    with world(cluster) as it:
        resources = "validatingwebhookconfigurations", "mutatingwebhookconfigurations"
        group = "admissionregistration.k8s.io", ["*"]
        # They are asked of anything in the cluster, but not of this.
        everywhere = {"failurePolicy": "Fail", "namespaceSelector": it.selector}
        deletions = it.webhook(
            "deny-webhook-configuration-deletions", "/always-deny", (["DELETE"], *group, *resources), **everywhere
        )
        it.register("validating", deletions, name=f"{cluster.ns}-blocking")
        labels = it.webhook(
            "add-label-to-webhook-configurations", "/add-label", (["CREATE"], *group, *resources), **everywhere
        )
        it.register("mutating", labels, name=f"{cluster.ns}-blocking")
        for kind in "validating", "mutating":
            rule = (["CREATE"], "", ["v1"], "invalid")
            dummy = it.webhook(f"dummy-{kind}-webhook", "", rule, trusted=False, failurePolicy="Ignore")
            made = it.register(kind, dummy)
            assert "added-label" not in made["metadata"].get("labels", {}), made
            cluster.ok("DELETE", it.made.pop())


def mutate_custom(it, custom):
    webhooks = [
        it.webhook(
            f"mutate-custom-resource-data-stage-{stage}",
            "/mutating-custom-resource",
            (operations, custom.group, [known["name"] for known in custom.spec["versions"]], custom.plural),
        )
        for stage, operations in ((1, ["CREATE", "UPDATE"]), (2, ["CREATE"]))
    ]
    it.register("mutating", *webhooks)


@case(NAME + "should mutate custom resource")
def mutate_resource(cluster):
    with resource(cluster) as custom, world(cluster) as it:
        mutate_custom(it, custom)
        made = cluster.ok("POST", custom.path("v1"), custom.object("v1", "cr-instance-1", data=START))
        equal(made["data"], {**START, "mutation-stage-1": "yes", "mutation-stage-2": "yes"})


@case(NAME + "should mutate custom resource with pruning")
def mutate_and_prune(cluster):
    # The second stage's field is not in it.
    known = {name: {"type": "string"} for name in ("mutation-start", "mutation-stage-1")}
    schema = {"type": "object", "properties": {"data": {"type": "object", "properties": known}}}
    versions = version("v1", schema), version("v2", schema, storage=False)
    with resource(cluster, *versions) as custom, world(cluster) as it:
        mutate_custom(it, custom)
        made = cluster.ok("POST", custom.path("v1"), custom.object("v1", "cr-instance-1", data=START))
        equal(made["data"], {**START, "mutation-stage-1": "yes"})


@case(NAME + "should mutate custom resource with different stored version")
def mutate_stored(cluster):
    with resource(cluster, version("v1"), version("v2", storage=False)) as custom, world(cluster) as it:
        mutate_custom(it, custom)
        cluster.ok("POST", custom.path("v1"), custom.object("v1", "cr-instance-1", data=START))
        versions = [version("v1", storage=False), version("v2", allow_all())]
        cluster.ok("PATCH", custom.at, {"spec": {"versions": versions}}, kind=MERGE_PATCH)
        patch = [{"op": "add", "path": "/dummy", "value": "test"}]
        changed = cluster.ok("PATCH", custom.path("v2", "cr-instance-1"), patch, kind=JSON_PATCH)
        equal(changed["data"], {**START, "mutation-stage-1": "yes", "mutation-stage-2": "yes"})
        equal(changed["dummy"], "test")


@case(NAME + "should deny crd creation")
def deny_definition(cluster):
    with world(cluster) as it:
        rule = (["CREATE"], "apiextensions.k8s.io", ["*"], "customresourcedefinitions")
        # What is in no namespace is told apart by its labels.
        own = {"namespaceSelector": {}, "objectSelector": it.selector}
        it.register("validating", it.webhook("deny-crd-with-unwanted-label", "/crd", rule, **own))
        body = definition(group="webhook.example.com", scope="Namespaced", labels={cluster.ns: "true", **BAD})
        says(cluster.call("POST", DEFINITIONS, body), "the crd contains unwanted label")


@case(NAME + "should honor timeout")
def timeout(cluster):
    with world(cluster) as it:

        def slow(policy, seconds):
            rule = (["CREATE"], "", ["v1"], "configmaps")
            more = {"failurePolicy": policy, "timeoutSeconds": seconds}
            name, path = "allow-configmap-with-delay-webhook", "/always-allow-delay-5s"
            it.register("validating", it.webhook(name, path, rule, **{k: v for k, v in more.items() if v}))
            answer = it.probe(None)
            cluster.ok("DELETE", it.made.pop())
            return answer

        answer = slow("Fail", 1)
        says(answer, "/always-allow-delay-5s?timeout=1s")
        assert "context deadline exceeded" in answer.json()["message"] or "timeout" in answer.json()["message"]
        # It may, and it has the time; the default is ten seconds.
        for policy, seconds in ("Ignore", 1), ("Fail", 10), ("Fail", None):
            equal(slow(policy, seconds).status, 201, f"{policy} after {seconds}")


@case(NAME + "patching/updating a validating webhook should work")
def change_validating(cluster):
    with world(cluster) as it:
        it.register("validating", it.deny_maps())
        change_operations(cluster, it, it.until_denied)


@case(NAME + "patching/updating a mutating webhook should work")
def change_mutating(cluster):
    with world(cluster) as it:
        it.register("mutating", it.mutate_maps())
        change_operations(cluster, it, it.until_mutated)


def change_operations(cluster, it, works):
    (path,) = it.made
    works(True)
    found = cluster.ok("GET", path)
    found["webhooks"][0]["rules"][0]["operations"] = ["UPDATE"]
    cluster.ok("PUT", path, found)
    works(False)
    patch = [{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["CREATE"]}]
    cluster.ok("PATCH", path, patch, kind=JSON_PATCH)
    works(True)


@case(NAME + "listing validating webhooks should work")
def list_validating(cluster):
    with world(cluster) as it:
        list_ten(cluster, it, "validating", it.deny_maps(), it.until_denied)


@case(NAME + "listing mutating webhooks should work")
def list_mutating(cluster):
    with world(cluster) as it:
        list_ten(cluster, it, "mutating", it.mutate_maps(), it.until_mutated)


def list_ten(cluster, it, kind, webhook, works):
    mark = {"e2e-list-test-uuid": str(uuid.uuid4())}
    for number in range(10):
        it.register(kind, webhook, wait=False, name=f"{cluster.ns}-{number}", labels=mark)
    selector = {"labelSelector": "e2e-list-test-uuid=" + mark["e2e-list-test-uuid"]}
    path = f"{AT}/{kind}webhookconfigurations"
    equal(len(cluster.ok("GET", path, query=selector)["items"]), 10, "how many are listed")
    it.wait()
    works(True)
    cluster.ok("DELETE", path, query=selector)
    works(False)


def conditions(*namespaces):
    return [
        {"name": f"expression-{at}", "expression": f"object.metadata.namespace == '{namespace}'"}
        for at, namespace in enumerate(namespaces, 1)
    ]


def with_conditions(it, kind, conditions):
    name, path = {
        "validating": ("validation-webhook-with-match-conditions", "/always-deny"),
        "mutating": ("adding-configmap-data", "/mutating-configmaps"),
    }[kind]
    return it.webhook(name, path, (["CREATE"], "", ["v1"], "configmaps"), matchConditions=conditions)


def keep_conditions(cluster, kind):
    with world(cluster) as it:
        first, second = conditions("production"), conditions("production", "staging")
        it.register(kind, with_conditions(it, kind, first), wait=False)
        (path,) = it.made
        found = cluster.ok("GET", path)
        equal(found["webhooks"][0]["matchConditions"], first)
        found["webhooks"][0]["matchConditions"] = second
        cluster.ok("PUT", path, found)
        equal(cluster.ok("GET", path)["webhooks"][0]["matchConditions"], second)


def refuse_conditions(cluster, kind):
    with world(cluster) as it:
        bad = [{"name": "invalid-expression-1", "expression": "... [] bad expression"}]
        body = it.body(kind, with_conditions(it, kind, bad))
        status = cluster.refused(422, "POST", f"{AT}/{kind}webhookconfigurations", body)
        assert "compilation failed" in status["message"], status


for _kind in "validating", "mutating":
    case(NAME + f"should be able to create and update {_kind} webhook configurations with match conditions")(
        lambda cluster, kind=_kind: keep_conditions(cluster, kind)
    )
    case(NAME + f"should reject {_kind} webhook configurations with invalid match conditions")(
        lambda cluster, kind=_kind: refuse_conditions(cluster, kind)
    )


@case(NAME + "should mutate everything except 'skip-me' configmaps")
def skip_me(cluster):
    with world(cluster) as it:
        condition = {"name": "skip-me", "expression": "object.metadata.name != 'skip-me'"}
        it.register("mutating", it.mutate_maps(matchConditions=[condition]))
        equal(it.map("another", START).json()["data"], {**START, "mutation-stage-1": "yes"})
        equal(it.map("skip-me", START).json()["data"], START)

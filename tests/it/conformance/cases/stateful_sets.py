"""sig-apps: StatefulSet, with a node that only reports."""

import workloads
from harness import case, equal, until
from resource import STRATEGIC, Resource
from workloads import HTTPD, HTTPD_NEW, PAUSE, deleted_at_once, template

LABELS = {"foo": "bar", "baz": "blah"}
SELECTOR = "baz=blah,foo=bar"
REVISION = "controller-revision-hash"
BASIC = "StatefulSet Basic StatefulSet functionality [StatefulSetBasic] "
PROBE = {"httpGet": {"path": "/index.html", "port": 80}, "periodSeconds": 1, "successThreshold": 1, "failureThreshold": 1}
# For what should not happen.
WHILE = 3.0


class Set:
    """A stateful set with its headless service, and its pods by their numbers."""

    def __init__(self, cluster, name, replicas, labels=None, edit=lambda _: None, **more):
        self.cluster, self.name = cluster, name
        self.sets, self.pods = Resource(cluster, "apps/v1", "statefulsets"), Resource(cluster, "v1", "pods")
        labels = labels or LABELS
        self.selector = ",".join(f"{key}={value}" for key, value in labels.items())
        service = {"clusterIP": "None", "selector": LABELS, "ports": [{"port": 80, "name": "http", "protocol": "TCP"}]}
        Resource(cluster, "v1", "services").create({"metadata": {"name": "test", "labels": LABELS}, "spec": service})
        pod = template(labels, "webserver", HTTPD, grace=30)
        pod["metadata"]["annotations"] = {}
        pod["spec"]["containers"][0] |= {"readinessProbe": PROBE}
        pod["spec"]["volumes"] = []
        edit(pod["spec"])
        spec = {"replicas": replicas, "serviceName": "test", "selector": {"matchLabels": labels}, "template": pod, "volumeClaimTemplates": []}
        self.sets.create({"metadata": {"name": name}, "spec": {**spec, **more}})

    def get(self):
        return self.sets.get(self.name)

    def observed(self):
        """As the controller has seen it."""

        def check():
            got = self.get()
            return got if got["status"].get("observedGeneration", 0) >= got["metadata"]["generation"] else None

        return until(f"{self.name} to be observed", check)

    def change(self, edit):
        return self.sets.change(self.name, edit)

    def partition(self, number):
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": number}}
        self.change(lambda it: it["spec"].update(updateStrategy=strategy))

    def image(self, image):
        self.change(lambda it: it["spec"]["template"]["spec"]["containers"][0].update(image=image))

    def listed(self):
        return sorted(self.pods.items(self.selector), key=lambda it: int(it["metadata"]["name"].rsplit("-", 1)[1]))

    def revisions(self):
        """The current one and the one it updates to."""
        status = self.observed()["status"]
        return status["currentRevision"], status["updateRevision"]

    def shows(self, *wanted):
        """Waits for pods of these images and revisions, in their order, all ready."""

        def check():
            pods = self.listed()
            return all(is_ready(it) for it in pods) and [
                (it["spec"]["containers"][0]["image"], it["metadata"]["labels"][REVISION]) for it in pods
            ] == list(wanted)

        until(f"pods of {wanted}", check)

    def ready(self, count):
        """So many pods, numbered from 0 on, run and are ready."""

        def check():
            pods = self.listed()
            names = [it["metadata"]["name"] for it in pods]
            return names == [f"{self.name}-{at}" for at in range(count)] and all(is_ready(it) for it in pods)

        until(f"{count} ready pods", check)

    def counts(self, key, count):
        until(f"{count} {key}", lambda: self.observed()["status"].get(key, 0) == count)

    def delete(self, number):
        """At once, as the suite does it."""
        self.pods.delete(f"{self.name}-{number}", {"gracePeriodSeconds": 0})


def is_ready(pod):
    ready = any(it["type"] == "Ready" and it["status"] == "True" for it in pod["status"].get("conditions", []))
    return ready and pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]


@case(BASIC + "should have a working scale subresource")
def scale(cluster):
    cluster.fake_node()
    it = Set(cluster, "ss", 1)
    it.ready(1)
    it.counts("replicas", 1)
    workloads.scales(it.sets, "ss")
    it.ready(4)


@case(BASIC + "should list, patch and delete a collection of StatefulSets")
def collection(cluster):
    cluster.fake_node()
    it = Set(cluster, "test-ss", 1, {"name": "sample-pod", "pod": "httpd"})
    it.ready(1)
    # A field that is not called so, and a container that is not there: it comes first, and the old one stays.
    pod = {"TerminationGracePeriodSeconds": 1, "containers": [{"name": "test-ss", "image": PAUSE}]}
    patch = {"metadata": {"labels": {"test-ss": "patched"}}, "spec": {"replicas": 2, "template": {"spec": pod}}}
    it.sets.patch("test-ss", patch, STRATEGIC)
    got = it.get()
    equal((got["spec"]["replicas"], got["spec"]["template"]["spec"]["containers"][0]["image"]), (2, PAUSE))
    it.ready(2)
    it.counts("updatedReplicas", 2)
    deleted_at_once(it.sets, "test-ss=patched")


@case(BASIC + "should validate Statefulset Status endpoints")
def status(cluster):
    cluster.fake_node()
    sets = Resource(cluster, "apps/v1", "statefulsets")
    since = sets.all("e2e=testing", everywhere=True)["metadata"]["resourceVersion"]
    it = Set(cluster, "ss", 1)
    it.ready(1)
    it.observed()
    sets.patch("ss", {"metadata": {"labels": {"e2e": "testing"}}}, STRATEGIC)
    workloads.status_endpoints(sets, "ss", "e2e=testing", since)


@case(BASIC + "Should recreate evicted statefulset")
def evicted(cluster):
    # The node refuses the pod while another has its port.
    def decide(pod):
        taken = pod["metadata"]["name"] == "ss-0" and cluster.call("GET", node.pods.path("test-pod")).status == 200
        return "Failed" if taken else "Running"

    node = cluster.fake_node(decide)
    port = {"containerPort": 21017, "hostPort": 21017, "name": "conflict"}
    spec = {"nodeName": node.name, "containers": [{"name": "webserver", "image": HTTPD, "ports": [port]}]}
    node.pods.create({"metadata": {"name": "test-pod"}, "spec": spec})
    node.runs("test-pod")

    def there(pod):
        pod["nodeName"] = node.name
        pod["containers"][0]["ports"] = [port]

    fields = {"fieldSelector": "metadata.name=ss-0"}
    since = node.pods.all(**fields)["metadata"]["resourceVersion"]
    Set(cluster, "ss", 1, edit=there)
    with node.pods.watch(resourceVersion=since, **fields) as watch:
        first = watch.wait("ADDED", "ss-0")["metadata"]["uid"]
        watch.wait("DELETED", "ss-0", lambda it: it["metadata"]["uid"] == first)
    node.pods.delete("test-pod", {"gracePeriodSeconds": 0})

    def again():
        answer = cluster.call("GET", node.pods.path("ss-0"))
        return answer.status == 200 and answer.json()["metadata"]["uid"] != first and answer.json()["status"]["phase"] == "Running"

    until("another in its place that runs", again)


@case(BASIC + "should perform rolling updates and roll backs of template modifications")
def rollback(cluster):
    node = cluster.fake_node()
    it = Set(cluster, "ss2", 3)
    it.ready(3)
    first, same = it.revisions()
    equal(first, same, "the revision it updates to")
    it.shows(*[(HTTPD, first)] * 3)

    def update(image, before):
        """Nothing moves while the middle one is not ready; then all are replaced, from the last to the first."""
        node.ready("ss2-1", False)
        until("the middle one not to be ready", lambda: not is_ready(it.listed()[1]))
        # Its controller knows it, too.
        it.counts("readyReplicas", 2)
        since = it.pods.all(it.selector)["metadata"]["resourceVersion"]
        it.image(image)
        current, wanted = it.revisions()
        assert current != wanted, f"both are {current}"
        equal(current, before, "the revision it had")
        equal({one["spec"]["containers"][0]["image"] for one in it.listed()} & {image}, set(), "updated pods")
        with it.pods.watch(it.selector, resourceVersion=since) as watch:
            node.ready("ss2-1", True)
            order(watch, "ADDED", ["ss2-2", "ss2-1", "ss2-0"])
        it.shows(*[(image, wanted)] * 3)
        until("the update to be over", lambda: it.get()["status"]["currentRevision"] == wanted)
        return wanted

    second = update(HTTPD_NEW, first)
    # The template it had makes no new revision.
    equal(update(HTTPD, second), first, "the revision that came back")


@case(BASIC + "should perform canary updates and phased rolling updates of template modifications")
def canary(cluster):
    cluster.fake_node()
    it = Set(cluster, "ss2", 3, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 3}})
    it.ready(3)
    first, same = it.revisions()
    equal(first, same, "the revision it updates to")
    old = HTTPD, first
    it.shows(old, old, old)
    # Nothing is updated while the partition is beyond the last.
    it.image(HTTPD_NEW)
    current, second = it.revisions()
    assert current != second and current == first, (current, second)
    new = HTTPD_NEW, second
    it.shows(old, old, old)
    it.partition(2)
    it.shows(old, old, new)
    # What is deleted comes back as it was.
    before = [one["metadata"]["uid"] for one in it.listed()]
    it.delete(0)
    it.delete(2)
    until("others in their place", lambda: len(it.listed()) == 3 and not {it.listed()[at]["metadata"]["uid"] for at in (0, 2)} & set(before))
    it.shows(old, old, new)
    equal(it.listed()[1]["metadata"]["uid"], before[1], "the one that was left alone")
    it.partition(1)
    it.shows(old, new, new)
    it.partition(0)
    it.shows(new, new, new)
    until("the update to be over", lambda: it.get()["status"]["currentRevision"] == second)
    it.counts("currentReplicas", 3)


def broken(node, it, is_so, count):
    """All pods' probes, as if what they look at had gone, or were there again."""
    for number in range(count):
        node.ready(f"ss-{number}", not is_so)
    if is_so:
        it.counts("readyReplicas", 0)


def order(watch, kind, names):
    for name in names:
        watch.wait(kind, name)


@case(BASIC + "Scaling should happen in predictable order and halt if any stateful pod is unhealthy")
def in_order(cluster):
    node = cluster.fake_node()
    pods = Resource(cluster, "v1", "pods")
    with pods.watch(SELECTOR, resourceVersion=pods.all(SELECTOR)["metadata"]["resourceVersion"]) as watch:
        it = Set(cluster, "ss", 1)
        it.ready(1)
        broken(node, it, True, 1)
        it.change(lambda one: one["spec"].update(replicas=3))
        stays(it, 1)
        broken(node, it, False, 1)
        it.ready(3)
        order(watch, "ADDED", ["ss-0", "ss-1", "ss-2"])
    with pods.watch(SELECTOR, resourceVersion=pods.all(SELECTOR)["metadata"]["resourceVersion"]) as watch:
        broken(node, it, True, 3)
        it.change(lambda one: one["spec"].update(replicas=0))
        stays(it, 3)
        # The last one is deleted as soon as the two before it are healthy, well or not: it takes its time to end.
        node.lets_go = lambda _: False
        broken(node, it, False, 3)
        node.let_go()
        order(watch, "DELETED", ["ss-2", "ss-1", "ss-0"])
    it.ready(0)


def stays(it, count):
    """The controller has seen what is wanted, and does nothing."""
    it.observed()
    with it.pods.watch(it.selector, resourceVersion=it.pods.all(it.selector)["metadata"]["resourceVersion"]) as watch:
        watch.quiet(WHILE)
    equal(len(it.listed()), count, "pods")


@case(BASIC + "Burst scaling should run to completion even with unhealthy pods")
def burst(cluster):
    node = cluster.fake_node()
    it = Set(cluster, "ss", 1, podManagementPolicy="Parallel")
    it.ready(1)
    broken(node, it, True, 1)
    it.change(lambda one: one["spec"].update(replicas=3))
    until("three pods", lambda: len(it.listed()) == 3)
    broken(node, it, False, 1)
    it.ready(3)
    broken(node, it, True, 3)
    it.change(lambda one: one["spec"].update(replicas=0))
    until("no pods", lambda: not it.listed())
    it.counts("replicas", 0)

"""sig-apps: DaemonSet and ControllerRevision, with two nodes that only report. A daemon set is on every node of the
cluster, so these run while nobody else has one."""

import json

import workloads
from harness import case, equal, until
from resource import STRATEGIC, Resource, unique
from workloads import AGNHOST, deleted_at_once, deleted_in_background, owner, template

NAME = "daemon-set"
LABEL = "daemonset-name"
COLOR = "daemonset-color"
HASH = "controller-revision-hash"
OLDER = "registry.k8s.io/e2e-test-images/agnhost:2.55"
MISSING = "foo:non-existent"
STAYS = "status.phase!=Failed,status.phase!=Succeeded"
ROLLING = {"updateStrategy": {"type": "RollingUpdate"}}
SERIAL = set()


def serial(name):
    SERIAL.add(name)
    return case(name)


class Daemons:
    """A daemon set and its pods on two nodes."""

    def __init__(self, cluster, name=NAME, is_labelled=False, edit=lambda _: None, **more):
        self.cluster, self.name, self.selector = cluster, name, f"{LABEL}={name}"
        kinds = ("daemonsets", "controllerrevisions")
        self.sets, self.revisions = (Resource(cluster, "apps/v1", kind) for kind in kinds)
        self.pods, self.nodes = Resource(cluster, "v1", "pods"), Resource(cluster, "v1", "nodes", namespaced=False)
        for _ in range(2):
            cluster.fake_node(lambda pod: None if pod["spec"]["containers"][0]["image"] == MISSING else "Running")
        # As the suite does first: whatever chooses nodes for a namespace chooses none.
        nothing = {"scheduler.alpha.kubernetes.io/node-selector": "", "openshift.io/node-selector": ""}
        Resource(cluster, "v1", "namespaces", namespaced=False).patch(cluster.ns, {"metadata": {"annotations": nothing}}, STRATEGIC)
        labels = {LABEL: name}
        pod = template(labels, "app", AGNHOST, securityContext={})
        pod["spec"]["containers"][0] |= {"args": ["serve-hostname"], "ports": [{"containerPort": 9376}], "securityContext": {}}
        edit(pod["spec"])
        metadata = {"name": name, **({"labels": labels} if is_labelled else {})}
        self.sets.create({"metadata": metadata, "spec": {"selector": {"matchLabels": labels}, "template": pod, **more}})

    def get(self):
        return self.sets.get(self.name)

    def listed(self):
        return self.pods.items(self.selector, fieldSelector=STAYS)

    def on(self, names):
        """Waits until one available pod is on each of these nodes, and none elsewhere."""

        def check():
            own = [it for it in self.pods.items() if owner(it) == self.get()["metadata"]["uid"]]
            places = [it["spec"].get("nodeName") for it in own if "deletionTimestamp" not in it["metadata"] and is_available(it)]
            return sorted(places) == sorted(names)

        until(f"one pod on each of {names}", check)

    def everywhere(self):
        self.on([it["metadata"]["name"] for it in self.nodes.items() if not it["spec"].get("unschedulable")])

    def counted(self):
        """The status tells as many wanted as there are and are ready."""
        keys = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady")
        until("the status to tell it", lambda: len({self.get()["status"].get(key) for key in keys}) == 1)

    def image(self, image):
        """Patches it, as the suite does."""
        spec = {"containers": [{"name": "app", "image": image}]}
        return self.sets.patch(self.name, {"spec": {"template": {"spec": spec}}}, STRATEGIC)

    def updated(self, image, unavailable=1):
        """Waits until each node has a pod of the image; not more than so many were ever unavailable."""

        def check():
            uid = self.get()["metadata"]["uid"]
            own = [it for it in self.pods.items() if owner(it) == uid and "deletionTimestamp" not in it["metadata"]]
            missing = [it["metadata"]["name"] for it in own if not is_available(it)]
            assert len(missing) <= unavailable, f"unavailable: {missing}"
            places = {it["spec"].get("nodeName") for it in own if it["spec"]["containers"][0]["image"] == image}
            return places >= {it.name for it in self.cluster.nodes}

        until(f"{image} everywhere", check)

    def history(self, count):
        """So many revisions, each with its hash; the one of the template as it is, found as the suite finds it."""
        until(f"{count} revisions", lambda: len(self.revisions.items(self.selector)) == count)
        all_of_them = self.revisions.items(self.selector)
        assert all(it["metadata"]["labels"].get(HASH) for it in all_of_them), [it["metadata"] for it in all_of_them]
        # Byte by byte: Go's encoder writes a map by its keys.
        wanted = {"spec": {"template": {**self.get()["spec"]["template"], "$patch": "replace"}}}
        wanted = '"data":' + json.dumps(wanted, sort_keys=True, separators=(",", ":"))
        path = self.revisions.path
        own = [it for it in all_of_them if wanted in self.cluster.call("GET", path(it["metadata"]["name"])).body.decode()]
        equal(len(own), 1, f"revisions with {wanted}, of {json.dumps([it['data'] for it in all_of_them])}")
        return own[0]

    def hashes(self, revision):
        """All pods that stay say this revision's hash."""
        stay = [it for it in self.listed() if "deletionTimestamp" not in it["metadata"]]
        equal({it["metadata"]["labels"][HASH] for it in stay}, {revision["metadata"]["labels"][HASH]}, "hashes of pods")


def is_available(pod):
    return any(it["type"] == "Ready" and it["status"] == "True" for it in pod["status"].get("conditions", []))


def ended(daemons):
    deleted_in_background(daemons.sets, daemons.name)


@serial("Daemon set should run and stop simple daemon")
def simple(cluster):
    it = Daemons(cluster)
    it.everywhere()
    it.counted()
    gone = it.listed()[0]["metadata"]
    it.pods.delete(gone["name"])
    until("it to go", lambda: cluster.call("GET", it.pods.path(gone["name"])).status == 404)
    it.everywhere()
    ended(it)


@serial("Daemon set should run and stop complex daemon")
def chosen(cluster):
    def label(color):
        """The node's label, by an update of the whole node."""
        return it.nodes.change(node, lambda one: one["metadata"]["labels"].update({COLOR: color}))

    it = Daemons(cluster, edit=lambda pod: pod.update(nodeSelector={COLOR: "blue"}))
    node = cluster.nodes[0].name
    it.on([])
    label("blue")
    it.on([node])
    it.counted()
    label("green")
    it.on([])
    it.sets.patch(NAME, {"spec": {"template": {"spec": {"nodeSelector": {COLOR: "green"}}}, **ROLLING}}, STRATEGIC)
    it.on([node])
    it.counted()
    ended(it)


@serial("Daemon set should retry creating failed daemon pods")
def retried(cluster):
    it = Daemons(cluster)
    it.everywhere()
    it.counted()
    failed = it.listed()[0]
    del failed["metadata"]["resourceVersion"]
    failed["status"]["phase"] = "Failed"
    it.pods.update(failed, "status")
    name, uid = failed["metadata"]["name"], failed["metadata"]["uid"]
    until("it to go", lambda: uid not in {one["metadata"]["uid"] for one in it.pods.items()})
    it.everywhere()
    assert name not in {one["metadata"]["name"] for one in it.listed()}
    ended(it)


@serial("Daemon set should update pod when spec was updated and update strategy is RollingUpdate")
def rolling(cluster):
    it = Daemons(cluster, **ROLLING)
    it.everywhere()
    first = it.history(1)
    equal(first["revision"], 1)
    it.hashes(first)
    before = it.get()["metadata"]["resourceVersion"]
    assert int(it.image(OLDER)["metadata"]["resourceVersion"]) > int(before)
    it.updated(OLDER)
    it.everywhere()
    second = it.history(2)
    equal(second["revision"], 2)
    it.hashes(second)
    ended(it)


@serial("Daemon set should rollback without unnecessary restarts")
def rollback(cluster):
    it = Daemons(cluster, **ROLLING)
    it.everywhere()
    change = lambda image: it.sets.change(NAME, lambda one: one["spec"]["template"]["spec"]["containers"][0].update(image=image))  # noqa: E731
    change(MISSING)
    images = lambda image: {one["metadata"]["name"] for one in it.listed() if one["spec"]["containers"][0]["image"] == image}  # noqa: E731
    until("a first new pod", lambda: images(MISSING))
    kept = images(AGNHOST)
    assert kept, "all were replaced"
    change(AGNHOST)
    it.updated(AGNHOST)
    assert kept <= images(AGNHOST), f"{kept} were restarted: {images(AGNHOST)}"
    ended(it)


@serial("Daemon set should list and delete a collection of DaemonSets")
def collection(cluster):
    it = Daemons(cluster, is_labelled=True)
    it.everywhere()
    it.counted()
    deleted_at_once(it.sets, it.selector)


@serial("Daemon set should verify changes to a daemon set status")
def status(cluster):
    sets = Resource(cluster, "apps/v1", "daemonsets")
    since = sets.all(f"{LABEL}={NAME}", everywhere=True)["metadata"]["resourceVersion"]
    it = Daemons(cluster, is_labelled=True)
    it.everywhere()
    it.counted()
    workloads.status_endpoints(sets, NAME, it.selector, since)
    ended(it)


@serial("ControllerRevision should manage the lifecycle of a ControllerRevision")
def revisions(cluster):
    it = Daemons(cluster, unique("e2e") + "-daemon-set", is_labelled=True)
    it.everywhere()
    it.counted()
    equal(len(it.sets.items(it.selector, everywhere=True)), 1)
    whole = it.get()
    (first,) = it.revisions.items(it.selector, everywhere=True)
    equal((first["metadata"]["ownerReferences"][0]["kind"], owner(first)), ("DaemonSet", whole["metadata"]["uid"]))
    name = first["metadata"]["name"]
    patched = it.revisions.patch(name, {"metadata": {"labels": {name: "patched"}}}, STRATEGIC)
    equal(patched["metadata"]["labels"][name], "patched")
    # A second one of the same owner and the same template, by hand.
    reference = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": it.name, "uid": whole["metadata"]["uid"]}
    metadata = {
        "name": f"{it.name}-67d7b9fc4c",
        "labels": {LABEL: it.name, HASH: "67d7b9fc4c"},
        "annotations": whole["metadata"].get("annotations"),
        "ownerReferences": [{**reference, "controller": True, "blockOwnerDeletion": True}],
    }
    it.revisions.create({"metadata": metadata, "data": first["data"], "revision": first["revision"] + 1})

    def count(wanted):
        until(f"{wanted} revisions", lambda: len(it.revisions.items(it.selector)) == wanted)

    count(2)
    it.revisions.delete(name)
    count(1)
    (current,) = it.revisions.items()
    name = current["metadata"]["name"]
    changed = it.revisions.change(name, lambda one: one["metadata"]["labels"].update({name: "updated"}))
    equal(changed["metadata"]["labels"][name], "updated")
    # The strategy is at the wrong place, as it is in the suite.
    it.sets.patch(it.name, {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}, **ROLLING}, STRATEGIC)
    count(2)
    it.revisions.delete_all(f"{name}=updated")
    count(1)
    equal(it.revisions.items()[0]["revision"], 3)
    ended(it)

"""Ours, not the suite's: PyPI's `kubernetes` as programs use it (typed objects, watches, informers, leaders), and what
Helm does: releases in large Secrets, many patches, three-way merges."""

import base64
import copy
import gzip
import json
import os
import threading

import kubernetes
from harness import case, equal, fails, found, until
from kubernetes import client, dynamic
from kubernetes.informer import ADDED, DELETED, MODIFIED, SharedInformer
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock
from resource import STRATEGIC, Resource


def deployment(replicas):
    container = client.V1Container(name="web", image="nginx:1", ports=[client.V1ContainerPort(container_port=80)])
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels={"app": "web"}), spec=client.V1PodSpec(containers=[container])
    )
    spec = client.V1DeploymentSpec(
        replicas=replicas, selector=client.V1LabelSelector(match_labels={"app": "web"}), template=template
    )
    return client.V1Deployment(metadata=client.V1ObjectMeta(name="web", labels={"tier": "front"}), spec=spec)


@case("Python: typed objects")
def typed(cluster):
    apps, ns = cluster.apps, cluster.ns
    made = apps.create_namespaced_deployment(ns, deployment(0), field_validation="Strict")
    equal((made.spec.strategy.type, made.spec.revision_history_limit), ("RollingUpdate", 10))
    equal(fails(409, apps.create_namespaced_deployment, ns, deployment(0))["reason"], "AlreadyExists")
    read = apps.read_namespaced_deployment("web", ns)
    equal(read.metadata.uid, made.metadata.uid)
    read.spec.template.spec.containers[0].image = "nginx:2"

    def replace():
        try:
            latest = apps.read_namespaced_deployment("web", ns)
            read.metadata.resource_version = latest.metadata.resource_version
            return apps.replace_namespaced_deployment("web", ns, read)
        except kubernetes.client.exceptions.ApiException as error:
            assert error.status == 409, error
            return None

    until("nobody else writes", replace)
    equal(apps.read_namespaced_deployment("web", ns).metadata.generation, 2)
    read.metadata.resource_version = made.metadata.resource_version
    equal(fails(409, apps.replace_namespaced_deployment, "web", ns, read)["reason"], "Conflict")
    for form, patch in (
        ("application/strategic-merge-patch+json", {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "nginx:3"}]}}}}),
        ("application/merge-patch+json", {"metadata": {"labels": {"tier": "back"}}}),
        ("application/json-patch+json", [{"op": "add", "path": "/metadata/labels/more", "value": "yes"}]),
    ):
        apps.patch_namespaced_deployment("web", ns, patch, _content_type=form)
    got = apps.read_namespaced_deployment("web", ns)
    equal(got.spec.template.spec.containers[0].ports[0].container_port, 80, "what a strategic patch leaves")
    equal((got.spec.template.spec.containers[0].image, got.metadata.labels), ("nginx:3", {"tier": "back", "more": "yes"}))
    equal(apps.read_namespaced_deployment_scale("web", ns).spec.replicas or 0, 0)
    equal([it.metadata.name for it in apps.list_namespaced_deployment(ns, label_selector="tier in (back)").items], ["web"])
    equal(apps.list_namespaced_deployment(ns, field_selector="metadata.name=other").items, [])
    apps.delete_namespaced_deployment("web", ns, propagation_policy="Foreground")
    until("it is gone", lambda: found(apps.read_namespaced_deployment, "web", ns) is None)


@case("Python: the dynamic client, server-side apply")
def by_discovery(cluster):
    whole = dynamic.DynamicClient(cluster.api)
    maps = whole.resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"a": "1"}}
    maps.server_side_apply(body=body, name="one", namespace=cluster.ns, field_manager="first")
    other = {**body, "data": {"a": "2"}}
    refusal = fails(409, maps.server_side_apply, body=other, name="one", namespace=cluster.ns, field_manager="second")
    assert 'conflict with "first": .data.a' in refusal["message"], refusal
    maps.server_side_apply(body=other, name="one", namespace=cluster.ns, field_manager="second", force_conflicts=True)
    equal(maps.get(name="one", namespace=cluster.ns).data.a, "2")
    # Who applies without what they had takes it away; it is another's now.
    maps.server_side_apply(body={**body, "data": {}}, name="one", namespace=cluster.ns, field_manager="first")
    equal(maps.get(name="one", namespace=cluster.ns).data.a, "2")


@case("Python: a watch, from a list on and again from where it ended")
def watching(cluster):
    core, ns = cluster.core, cluster.ns
    since = core.list_namespaced_config_map(ns).metadata.resource_version
    for number in range(5):
        core.create_namespaced_config_map(ns, {"metadata": {"name": f"m{number}"}})
    watch = kubernetes.watch.Watch()
    names = []
    for event in watch.stream(core.list_namespaced_config_map, ns, resource_version=since, timeout_seconds=60):
        if event["object"].metadata.name.startswith("m"):
            names.append((event["type"], event["object"].metadata.name))
        if len(names) == 3:
            watch.stop()
    equal(names, [("ADDED", f"m{number}") for number in range(3)])
    core.delete_namespaced_config_map("m0", ns)
    for event in watch.stream(core.list_namespaced_config_map, ns, resource_version=watch.resource_version, timeout_seconds=60):
        # What every namespace is given comes when it comes.
        if event["object"].metadata.name.startswith("m"):
            names.append((event["type"], event["object"].metadata.name))
        if event["type"] == "DELETED":
            watch.stop()
    equal(names[3:], [("ADDED", "m3"), ("ADDED", "m4"), ("DELETED", "m0")])


@case("Python: an informer keeps what is there")
def informer(cluster):
    core, ns = cluster.core, cluster.ns
    core.create_namespaced_config_map(ns, {"metadata": {"name": "before", "labels": {"seen": "yes"}}})
    shared = SharedInformer(core.list_namespaced_config_map, namespace=ns, label_selector="seen=yes")
    heard, lock = [], threading.Lock()

    def hears(kind):
        def handler(it):
            with lock:
                heard.append((kind, it.metadata.name))

        shared.add_event_handler(kind, handler)

    for kind in (ADDED, MODIFIED, DELETED):
        hears(kind)
    shared.start()
    until("the list", lambda: shared.cache.list_keys() == [f"{ns}/before"])
    for number in range(20):
        core.create_namespaced_config_map(ns, {"metadata": {"name": f"m{number}", "labels": {"seen": "yes"}}})
    for number in range(20):
        core.patch_namespaced_config_map(f"m{number}", ns, {"data": {"a": str(number)}})
    for number in range(0, 20, 2):
        core.delete_namespaced_config_map(f"m{number}", ns)
    # What no longer has the label has gone as well.
    core.patch_namespaced_config_map("before", ns, {"metadata": {"labels": {"seen": "no"}}})
    wanted = {f"{ns}/m{number}" for number in range(1, 20, 2)}
    until("all that was done", lambda: set(shared.cache.list_keys()) == wanted)
    equal({it.data["a"] for it in shared.cache.list()}, {str(number) for number in range(1, 20, 2)})

    def counts():
        with lock:
            kinds = [kind for kind, _ in heard]
        return [kinds.count(kind) for kind in (ADDED, MODIFIED, DELETED)]

    # It is kept before it is told.
    until("the last to be told", lambda: sum(counts()) >= 52)
    equal(counts(), [21, 20, 11])
    # Its thread sleeps in a read until something happens.
    stopper = threading.Thread(target=shared.stop)
    stopper.start()
    core.patch_namespaced_config_map("m1", ns, {"data": {"a": "end"}})
    stopper.join(60)


@case("Python: one of several is the leader")
def leaders(cluster):
    leads, ended = [], threading.Event()

    class Lock(ConfigMapLock):
        """One that can be cut off, as by a broken network."""

        def __init__(self, identity):
            self.is_cut = False
            client.Configuration.set_default(cluster.api.configuration)
            super().__init__("leader", cluster.ns, identity)
            self.api_instance = cluster.core

        def update(self, *words):
            return not self.is_cut and super().update(*words)

    def candidate(identity):
        lock = Lock(identity)
        config = electionconfig.Config(
            lock,
            lease_duration=6,
            renew_deadline=4,
            retry_period=1,
            onstarted_leading=lambda: leads.append(identity),
            onstopped_leading=ended.set,
        )
        threading.Thread(target=leaderelection.LeaderElection(config).run, daemon=True).start()
        return lock

    first = candidate("first")
    until("the first leads", lambda: leads == ["first"])
    candidate("second")
    first.is_cut = True
    until("the second leads", lambda: "second" in leads)
    equal(leads[0], "first")
    assert ended.wait(60), "the first noticed"
    record = json.loads(cluster.core.read_namespaced_config_map("leader", cluster.ns).metadata.annotations["control-plane.alpha.kubernetes.io/leader"])
    equal(record["holderIdentity"], "second")
    # A namespace that is going takes no lock, which ends the second one.


@case("Helm's way: releases in large Secrets, three-way merges, many patches")
def helm(cluster):
    core, ns = cluster.core, cluster.ns
    secrets = Resource(cluster, "v1", "secrets")
    # A chart of its largest size, compressed and coded twice; what it says cannot be compressed.
    noise = base64.b64encode(os.urandom(540_000)).decode()
    for version in range(1, 4):
        release = {"name": "web", "version": version, "chart": noise, "info": {"status": "deployed"}}
        packed = base64.b64encode(gzip.compress(json.dumps(release).encode(), 1)).decode()
        body = {
            "metadata": {
                "name": f"sh.helm.release.v1.web.v{version}",
                "labels": {"owner": "helm", "name": "web", "version": str(version), "status": "deployed"},
            },
            "type": "helm.sh/release.v1",
            "data": {"release": base64.b64encode(packed.encode()).decode()},
        }
        made = secrets.create(body)
        equal(made["data"]["release"], body["data"]["release"], "a large Secret")
        if version > 1:
            old = f"sh.helm.release.v1.web.v{version - 1}"
            secrets.patch(old, {"metadata": {"labels": {"status": "superseded"}}})
    history = secrets.items("name=web,owner=helm")
    equal([it["metadata"]["labels"]["status"] for it in history], ["superseded", "superseded", "deployed"])
    equal([it["metadata"]["name"][-2:] for it in secrets.items("owner=helm,status=deployed")], ["v3"])
    # More than a Secret may have.
    body["metadata"]["name"] = "too-large"
    body["data"]["release"] = base64.b64encode(b"x" * (1 << 20) + b"x").decode()
    assert "Too long" in cluster.refused(422, "POST", secrets.path(), body)["message"]

    # What was, what shall be, what is: the patch takes away what Helm gave and gives no more, and leaves the rest.
    deployments = Resource(cluster, "apps/v1", "deployments")
    original = cluster.api.sanitize_for_serialization(deployment(0))
    container = original["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    deployments.create(original)
    sidecar = {"name": "sidecar", "image": "proxy:1"}
    somebody = {"spec": {"template": {"spec": {"containers": [sidecar]}}}, "metadata": {"annotations": {"by": "somebody"}}}
    deployments.patch("web", somebody, STRATEGIC)
    modified = copy.deepcopy(original)
    modified["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "B", "value": "3"}]
    merge = {
        "spec": {
            "template": {
                "spec": {
                    "$setElementOrder/containers": [{"name": "web"}],
                    "containers": [
                        {
                            "name": "web",
                            "$setElementOrder/env": [{"name": "B"}],
                            "env": [{"name": "B", "value": "3"}, {"name": "A", "$patch": "delete"}],
                        }
                    ],
                }
            }
        }
    }
    got = deployments.patch("web", merge, STRATEGIC)
    containers = {it["name"]: it for it in got["spec"]["template"]["spec"]["containers"]}
    equal(set(containers), {"web", "sidecar"}, "what somebody else has added")
    equal(containers["web"]["env"], [{"name": "B", "value": "3"}])
    equal(got["metadata"]["annotations"]["by"], "somebody")
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps({**modified, "apiVersion": "apps/v1", "kind": "Deployment"}))

    core.create_namespaced_config_map(ns, {"metadata": {"name": "many"}, "data": {}})
    threads = [threading.Thread(target=patches, args=(cluster, first)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(core.read_namespaced_config_map("many", ns).data, {f"k{first}-{number}": "v" for first in range(4) for number in range(50)})


def patches(cluster, first):
    """Patches without a version never lose another's."""
    for number in range(50):
        Resource(cluster, "v1", "configmaps").patch("many", {"data": {f"k{first}-{number}": "v"}})

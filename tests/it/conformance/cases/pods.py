"""sig-node: pods, with a node that only reports."""

import json

from harness import PATIENCE, case, equal, until
from kubelet import printing
from resource import STRATEGIC, Resource, survives_protobuf
from websocket import ABNF, create_connection

AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.53"
HTTPD = "registry.k8s.io/e2e-test-images/httpd:2.4.38-4"


def pod(name, labels=None, container=None, **spec):
    whole = {"name": "nginx", "image": "nginx", "resources": {}, **(container or {})}
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": {"containers": [whole], **spec}}


@case("Pods should get a host IP")
def host_ip(cluster):
    node = cluster.fake_node()
    node.pods.create(pod("pod-hostip"))
    assert node.runs("pod-hostip")["status"]["hostIP"]


@case("Pods should be submitted and removed")
def submitted(cluster):
    node = cluster.fake_node()
    label = "time=1"
    since = node.pods.all(label)
    equal(since["items"], [])
    with node.pods.watch(label, resourceVersion=since["metadata"]["resourceVersion"]) as watch:
        node.pods.create(pod("pod-submit-remove", {"name": "foo", "time": "1"}))
        equal(len(node.pods.items(label)), 1)
        watch.wait("ADDED", "pod-submit-remove")
        node.runs("pod-submit-remove")
        node.pods.delete("pod-submit-remove", {"gracePeriodSeconds": 30})
        last = watch.wait("DELETED", "pod-submit-remove")
    assert last["metadata"]["deletionTimestamp"]
    assert last["spec"]["terminationGracePeriodSeconds"] != 0
    equal(node.pods.items(label), [])


@case("Pods should be updated")
def updated(cluster):
    node = cluster.fake_node()
    node.pods.create(pod("pod-update", {"name": "foo", "time": "1"}))
    node.runs("pod-update")
    equal(len(node.pods.items("time=1")), 1)
    node.pods.change("pod-update", lambda it: it["metadata"]["labels"].update(time="2"))
    node.runs("pod-update")
    equal(len(node.pods.items("time=2")), 1)
    survives_protobuf(node.pods, "pod-update")


@case("Pods should allow activeDeadlineSeconds to be updated")
def deadline(cluster):
    node = cluster.fake_node()
    node.pods.create(pod("pod-deadline", {"name": "foo", "time": "1"}))
    node.runs("pod-deadline")
    node.pods.change("pod-deadline", lambda it: it["spec"].update(activeDeadlineSeconds=5))
    until("it has failed", lambda: node.pods.get("pod-deadline")["status"].get("reason") == "DeadlineExceeded")
    # Longer, or none, it can never have again.
    longer = node.pods.get("pod-deadline")
    longer["spec"]["activeDeadlineSeconds"] = 6
    refusal = cluster.refused(422, "PUT", node.pods.path("pod-deadline"), longer)
    assert "must be less than or equal to previous value" in refusal["message"], refusal


@case("Pods should delete a collection of pods")
def collection(cluster):
    node = cluster.fake_node(lambda _: "Running")
    for number in range(1, 4):
        body = pod(f"test-pod-{number}", {"type": "Testing"}, restartPolicy="Never", terminationGracePeriodSeconds=1)
        node.pods.create(body)
    for number in range(1, 4):
        node.runs(f"test-pod-{number}")
    node.pods.delete_all("type=Testing", {"gracePeriodSeconds": 1})
    until("all are gone", lambda: not node.pods.items("type=Testing"))


@case("Pods should patch a pod status")
def status(cluster):
    node = cluster.fake_node()
    node.pods.create(pod("pod-status", {"e2e": "1"}, {"image": AGNHOST}))
    node.runs("pod-status")
    patch = {"metadata": {"labels": {"podstatus": "patched"}}, "status": {"message": "Patched by e2e test", "reason": "E2E"}}
    equal(len(node.pods.items("e2e=1")), 1)
    got = node.pods.patch("pod-status", patch, STRATEGIC, "status")
    equal((got["status"]["message"], got["status"]["reason"]), ("Patched by e2e test", "E2E"))
    got = node.pods.get("pod-status")
    equal((got["status"]["message"], got["status"]["reason"]), ("Patched by e2e test", "E2E"))
    equal(got["metadata"]["generation"], 1, "a status raises no generation")


@case("Pods should run through the lifecycle of Pods and PodStatus")
def lifecycle(cluster):
    node = cluster.fake_node()
    name, static = "pod-test", "test-pod-static=true"
    since = node.pods.all(static, everywhere=True)["metadata"]["resourceVersion"]
    body = pod(name, {"test-pod-static": "true"}, {"name": name, "image": AGNHOST}, terminationGracePeriodSeconds=1)
    with node.pods.watch(static, resourceVersion=since) as watch:
        node.pods.create(body)
        watch.wait("MODIFIED", name, lambda it: it["status"]["phase"] == "Running")
        # As client-go writes a pod with a few fields.
        patch = {
            "metadata": {"creationTimestamp": None, "labels": {"test-pod": "patched"}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": name, "image": HTTPD, "resources": {}}]},
            "status": {},
        }
        node.pods.patch(name, patch, STRATEGIC)
        watch.wait("MODIFIED", name, lambda it: it["metadata"]["labels"].get("test-pod") == "patched")
        got = node.pods.get(name)
        equal(got["metadata"]["labels"], {"test-pod-static": "true", "test-pod": "patched"})
        equal(got["spec"]["containers"][0]["image"], HTTPD)

        def unready(it):
            chosen = [one for one in it["status"]["conditions"] if one["type"] in ("Ready", "ContainersReady")]
            equal([one["status"] for one in chosen], ["True", "True"])
            for one in chosen:
                one["status"] = "False"

        got = node.pods.change(name, unready, "status")
        equal({one["type"] for one in got["status"]["conditions"] if one["status"] == "False"}, {"Ready", "ContainersReady"})
        node.pods.delete_all(static, {"gracePeriodSeconds": 1})
        watch.wait("DELETED", name)
    node.pods.gone(name)


def websocket(cluster, path, protocol):
    """A WebSocket to the API, with the kubeconfig's certificate."""
    configuration = cluster.api.configuration
    tls = {"ca_certs": configuration.ssl_ca_cert, "certfile": configuration.cert_file, "keyfile": configuration.key_file}
    address = cluster.server.replace("https://", "wss://") + path
    return create_connection(address, sslopt=tls, subprotocols=[protocol], timeout=PATIENCE)


@case("Pods should support retrieving logs from the container over websockets")
def logs(cluster):
    node = cluster.fake_node()
    command = ["/bin/sh", "-c", "echo container is alive; sleep 10000"]
    node.pods.create(pod("pod-logs-websocket", None, {"name": "main", "image": AGNHOST, "command": command}))
    node.runs("pod-logs-websocket")
    with printing(cluster, node, lambda *_: "container is alive\n"):
        stream = websocket(cluster, node.pods.path("pod-logs-websocket", "log?container=main"), "binary.k8s.io")
        equal(stream.getsubprotocol(), "binary.k8s.io")
        said = b""
        while True:
            kind, data = stream.recv_data()
            if kind == ABNF.OPCODE_CLOSE:
                break
            equal(kind, ABNF.OPCODE_BINARY, "the kind of a frame")
            said += data
        stream.close()
    equal(said, b"container is alive\n")


def probed(name, probe):
    """The suite looks at the count for minutes; the one that counts is not here, so one look does."""

    @case(f"Probing container should *not* be restarted with a {name} liveness probe")
    def run(cluster):
        node = cluster.fake_node()
        node.pods.create(pod("liveness", {"test": "liveness"}, {"name": "agnhost", "image": AGNHOST, "livenessProbe": probe}))
        got = node.runs("liveness")
        kept = got["spec"]["containers"][0]["livenessProbe"]
        defaults = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
        assert {**defaults, **probe}.items() <= {key: kept[key] for key in {**defaults, **probe}}.items(), kept
        equal(got["status"]["containerStatuses"][0]["restartCount"], 0)
        survives_protobuf(node.pods, "liveness")

    return run


probed('exec "cat /tmp/health"', {"exec": {"command": ["cat", "/tmp/health"]}, "initialDelaySeconds": 15, "timeoutSeconds": 5, "failureThreshold": 1})
probed("tcp:8080", {"tcpSocket": {"port": 8080}, "initialDelaySeconds": 15, "failureThreshold": 1})
probed("/healthz http", {"httpGet": {"path": "/", "port": 80, "scheme": "HTTP"}, "initialDelaySeconds": 15, "timeoutSeconds": 5, "failureThreshold": 5})
probed("GRPC", {"grpc": {"port": 5000, "service": ""}, "initialDelaySeconds": 15, "timeoutSeconds": 5, "failureThreshold": 1})


def fails_with(cluster, env, path):
    """A pod whose mount has a path that no node makes never runs, and says so."""
    node = cluster.fake_node()
    mount = {"name": "workdir1", "mountPath": "/logscontainer", "subPathExpr": path}
    body = pod("var-expansion", {"name": "var-expansion"}, {"name": "dapi-container", "env": env, "volumeMounts": [mount]})
    body["spec"]["volumes"] = [{"name": "workdir1", "emptyDir": {}}]
    node.pods.create(body)

    def reason():
        states = node.pods.get("var-expansion")["status"].get("containerStatuses", [])
        return states and states[0]["state"].get("waiting", {}).get("reason") == "CreateContainerConfigError"

    until("its container says why", reason)
    equal(node.pods.get("var-expansion")["status"]["phase"], "Pending")


@case("Variable Expansion should fail substituting values in a volume subpath with backticks")
def backticks(cluster):
    fails_with(cluster, [{"name": "POD_NAME", "value": ".."}], "`hostname`/$(POD_NAME)")


@case("Variable Expansion should fail substituting values in a volume subpath with absolute path")
def absolute(cluster):
    fails_with(cluster, [{"name": "POD_NAME", "value": "/tmp"}], "$(POD_NAME)")


def classed(cluster, overhead):
    """A pod of a runtime class, once it is scheduled."""
    name = f"{cluster.ns}-preconfigured-handler"
    classes = Resource(cluster, "node.k8s.io/v1", "runtimeclasses", namespaced=False)
    body = {"metadata": {"name": name}, "handler": "test-handler"}
    classes.create({**body, **({"overhead": {"podFixed": overhead}} if overhead else {})})
    try:
        node = cluster.fake_node(lambda _: "Running")
        node.pods.create(pod("test-runtimeclass", None, None, runtimeClassName=name, restartPolicy="Never"))

        def scheduled():
            pods = node.pods.items()
            return len(pods) == 1 and pods[0]["spec"].get("nodeName") and pods[0]

        got = until("it is scheduled", scheduled)
        conditions = {one["type"]: one["status"] for one in node.runs("test-runtimeclass")["status"]["conditions"]}
        equal(conditions["PodScheduled"], "True")
        return got["spec"]
    finally:
        classes.delete(name)


@case("RuntimeClass should schedule a Pod requesting a RuntimeClass without PodOverhead")
def without_overhead(cluster):
    equal(classed(cluster, None).get("overhead", {}), {})


@case("RuntimeClass should schedule a Pod requesting a RuntimeClass and initialize its Overhead")
def with_overhead(cluster):
    equal(classed(cluster, {"cpu": "10m", "memory": "1Mi"})["overhead"], {"cpu": "10m", "memory": "1Mi"})


@case("Pods Extended (pod generation) Pod Generation custom-set generation on new pods and graceful delete")
def generation(cluster):
    node = cluster.fake_node(lets_go=lambda _: False)
    body = pod("pod-generation", {"time": "1"}, {"image": AGNHOST})
    body["metadata"]["generation"] = 100
    equal(node.pods.create(body)["metadata"]["generation"], 1)
    equal(node.runs("pod-generation")["metadata"]["generation"], 1)
    answer = cluster.call("DELETE", node.pods.path("pod-generation"), query={"gracePeriodSeconds": "60"})
    equal(answer.status, 200)
    equal(answer.json()["metadata"]["generation"], 2)
    equal(node.pods.get("pod-generation")["metadata"]["generation"], 2)


@case(
    "Pods Extended (pod generation) Pod Generation pod generation should start at 1 and increment per update"
    " [MinimumKubeletVersion:1.34]"
)
def counted(cluster):
    node = cluster.fake_node()
    body = pod("pod-generation", None, {"image": AGNHOST})
    body["spec"]["initContainers"] = [{"name": "init-container", "image": "registry.k8s.io/e2e-test-images/busybox:1.37.0-1"}]
    equal(node.pods.create(body)["metadata"]["generation"], 1)
    node.runs("pod-generation")
    toleration = {"key": "foo", "operator": "Equal", "value": "bar", "effect": "NoSchedule"}
    changes = [
        (lambda it: None, 0),
        (lambda it: it["spec"].setdefault("tolerations", []).append(toleration), 1),
        (lambda it: it["spec"].update(activeDeadlineSeconds=5000), 1),
        (lambda it: it["spec"]["containers"][0].update(image=HTTPD), 1),
        (lambda it: it["spec"]["initContainers"][0].update(image="registry.k8s.io/pause:3.10.1"), 1),
        (lambda it: it["metadata"].update(annotations={"key": "value"}), 0),
        (lambda it: it["metadata"].update(generation=1), 0),
    ]
    wanted = 1
    for number, (change, raises) in enumerate(changes):
        node.pods.change("pod-generation", change)
        wanted += raises
        equal(node.pods.get("pod-generation")["metadata"]["generation"], wanted, f"the generation after change {number}")
    until("the node to have seen it", lambda: node.pods.get("pod-generation")["status"].get("observedGeneration") == wanted)


@case(
    "Pods Extended (pod generation) Pod Generation issue 500 podspec updates and verify generation and observedGeneration"
    " eventually converge [MinimumKubeletVersion:1.34]"
)
def generations(cluster):
    node = cluster.fake_node()
    node.pods.create(pod("pod-generation", {"time": "1"}, {"image": AGNHOST}, activeDeadlineSeconds=5000))
    node.runs("pod-generation")

    def shorten(it):
        it["spec"]["activeDeadlineSeconds"] -= 1

    for _ in range(499):
        node.pods.change("pod-generation", shorten)
    until("the node has seen all", lambda: node.pods.get("pod-generation")["status"].get("observedGeneration") == 500)
    equal(node.pods.get("pod-generation")["metadata"]["generation"], 500)


@case("EmptyDir wrapper volumes should not conflict")
def wrappers(cluster):
    node = cluster.fake_node()
    Resource(cluster, "v1", "secrets").create({"metadata": {"name": "wrapped"}, "data": {"data-1": "dmFsdWUtMQo="}})
    Resource(cluster, "v1", "configmaps").create({"metadata": {"name": "wrapped"}, "data": {"data-1": "value-1"}})
    mounts = [{"name": "secret-volume", "mountPath": "/etc/secret-volume", "readOnly": True}, {"name": "configmap-volume", "mountPath": "/etc/configmap-volume"}]
    volumes = [{"name": "secret-volume", "secret": {"secretName": "wrapped"}}, {"name": "configmap-volume", "configMap": {"name": "wrapped"}}]
    node.pods.create(pod("pod-secrets", None, {"volumeMounts": mounts}, volumes=volumes))
    got = node.runs("pod-secrets")
    modes = [one[kind]["defaultMode"] for one in got["spec"]["volumes"] for kind in ("secret", "configMap") if kind in one]
    equal(modes, [0o644, 0o644])
    node.pods.delete("pod-secrets")
    until("it is gone", lambda: not node.pods.items())


@case("Kubectl client Kubectl label should update the label on a resource")
def label(cluster):
    node = cluster.fake_node()
    body = {**pod("pause", {"name": "pause"}), "apiVersion": "v1", "kind": "Pod"}
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(body))
    node.runs("pause")
    cluster.kubectl("label", "pods", "pause", "testing-label=testing-label-value")
    assert "testing-label-value" in cluster.kubectl("get", "pod", "pause", "-L", "testing-label")
    cluster.kubectl("label", "pods", "pause", "testing-label-")
    assert "testing-label-value" not in cluster.kubectl("get", "pod", "pause", "-L", "testing-label")
    cluster.kubectl("delete", "--grace-period=0", "--force", "-f", "-", stdin=json.dumps(body))
    equal(cluster.kubectl("get", "rc,svc", "-l", "name=pause", "--no-headers").strip(), f"No resources found in {cluster.ns} namespace.")


@case("Kubectl client Kubectl replace should update a single-container pod's image")
def replace(cluster):
    node = cluster.fake_node()
    name = "e2e-test-httpd-pod"
    cluster.kubectl("run", name, f"--image={HTTPD}", f"--labels=run={name}")
    node.runs(name)
    got = json.loads(cluster.kubectl("get", "pod", name, "-o", "json"))
    got["spec"]["containers"][0]["image"] = "busybox"
    # The node has reported meanwhile or not: what is replaced has to be the newest.
    got["metadata"].pop("resourceVersion")
    cluster.kubectl("replace", "-f", "-", stdin=json.dumps(got))
    equal(node.pods.get(name)["spec"]["containers"][0]["image"], "busybox")
    cluster.kubectl("delete", "pods", name)


@case("Conformance Tests should have at least two untainted nodes")
def nodes(cluster):
    cluster.fake_node()
    cluster.fake_node()
    listed = Resource(cluster, "v1", "nodes", namespaced=False).items()
    ready = lambda it: any(one["type"] == "Ready" and one["status"] == "True" for one in it["status"].get("conditions", []))  # noqa: E731
    schedulable = [it for it in listed if ready(it) and not it["spec"].get("unschedulable") and not it["spec"].get("taints")]
    assert len(schedulable) >= 2, listed

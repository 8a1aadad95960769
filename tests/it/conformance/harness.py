"""What a conformance case stands on: a registry of cases, and a cluster as PyPI's `kubernetes` sees it.

A case is a function named by `@case("…")` with the very name of the official suite's test. It gets a
`Cluster` with a namespace of its own, made before and deleted after it. It fails by raising.
"""

import json
import os
import subprocess
import tempfile
import threading
import time
import traceback
import urllib.parse
import uuid

import kubernetes
import yaml
from kubernetes.client.exceptions import ApiException

# Anything that should happen has happened by then.
PATIENCE = 60.0

CASES = {}


def case(name):
    """Names a case as the official suite does."""

    def add(function):
        assert name not in CASES, f"two cases are called {name!r}"
        CASES[name] = function
        return function

    return add


class Answer:
    """An answer as it came: status, headers, body."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:2000]!r}"


class Cluster:
    """The clients of one case, in its namespace."""

    def __init__(self, kubeconfig):
        self.kubeconfig = kubeconfig
        self.api = kubernetes.config.new_client_from_config(kubeconfig)
        client = kubernetes.client
        self.core = client.CoreV1Api(self.api)
        self.apps = client.AppsV1Api(self.api)
        self.batch = client.BatchV1Api(self.api)
        self.rbac = client.RbacAuthorizationV1Api(self.api)
        self.networking = client.NetworkingV1Api(self.api)
        self.storage = client.StorageV1Api(self.api)
        self.policy = client.PolicyV1Api(self.api)
        self.discovery = client.DiscoveryV1Api(self.api)
        self.coordination = client.CoordinationV1Api(self.api)
        self.extensions = client.ApiextensionsV1Api(self.api)
        self.admission = client.AdmissionregistrationV1Api(self.api)
        self.certificates = client.CertificatesV1Api(self.api)
        self.custom = client.CustomObjectsApi(self.api)
        self.ns = None
        self.nodes = []
        with open(kubeconfig) as file:
            self.server = yaml.safe_load(file)["clusters"][0]["cluster"]["server"]

    def namespace(self, **labels):
        """A new namespace, as a service account's `default` is there. Its name."""
        name = f"e2e-{uuid.uuid4().hex[:10]}"
        self.core.create_namespace({"metadata": {"name": name, "labels": labels or None}})
        until("the account `default`", lambda: found(self.core.read_namespaced_service_account, "default", name))
        return name

    def fake_node(self, decide=None, namespaces=None, **labels):
        """A `FakeNode` that runs the pods of the case's namespace (or of these). It ends with the case."""
        node = FakeNode(self, decide, namespaces or [self.ns], labels)
        self.nodes.append(node)
        return node

    def close(self):
        """Deletes the case's namespace; nodes let its pods go first."""
        self.core.delete_namespace(self.ns)
        if self.nodes:
            try:
                until("the namespace to go", lambda: not found(self.core.read_namespace, self.ns))
            finally:
                for node in self.nodes:
                    node.close()

    def call(self, method, path, body=None, headers=None, query=None, kind="application/json"):
        """A request as it stands, without the generated clients. Any status is an answer."""
        headers = {"Accept": "application/json", **(headers or {})}
        if body is not None:
            headers["Content-Type"] = kind
            if not isinstance(body, (str, bytes)):
                body = json.dumps(body)
        pool = self.api.rest_client.pool_manager
        url = self.server + path
        if query:
            url += "?" + urllib.parse.urlencode(query)
        answer = pool.request(method, url, body=body, headers=headers, redirect=False, timeout=PATIENCE)
        return Answer(answer.status, answer.headers, answer.data)

    def ok(self, method, path, body=None, **more):
        """The JSON of a request that must succeed."""
        answer = self.call(method, path, body, **more)
        assert answer.status < 300, f"{method} {path}: {answer!r}"
        return answer.json()

    def refused(self, status, method, path, body=None, **more):
        """The `Status` of a request that must be refused with this code."""
        answer = self.call(method, path, body, **more)
        assert answer.status == status, f"{method} {path}: wanted {status}, got {answer!r}"
        return answer.json()

    def watch(self, path, **query):
        """A watch of a list's path. Close it, or use it in a `with`."""
        return Watch(self, path, query)

    def kubectl(self, *words, stdin="", namespace=True, fails=False):
        """What `kubectl WORDS` prints, both streams; it has to succeed, or to fail with `fails`."""
        command = [os.environ.get("KUBECTL", "kubectl"), "--kubeconfig", self.kubeconfig]
        command += ["--cache-dir", tempfile.gettempdir() + "/teu-e2e-kubectl"]
        if namespace and self.ns:
            command += ["--namespace", self.ns]
        done = subprocess.run(
            command + list(words), input=stdin, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120
        )
        assert (done.returncode != 0) == fails, f"kubectl {' '.join(words)}: {done.returncode}: {done.stdout}"
        return done.stdout


class Watch:
    """The events of a watch, gathered by a thread of its own."""

    def __init__(self, cluster, path, query):
        self.events = []
        self.error = None
        self.closed = False
        self.changed = threading.Condition()
        url = cluster.server + path + "?" + urllib.parse.urlencode({"watch": "true", **query})
        self.answer = cluster.api.rest_client.pool_manager.request(
            "GET", url, headers={"Accept": "application/json"}, preload_content=False, timeout=None
        )
        assert self.answer.status == 200, f"watch {path}: {self.answer.status} {self.answer.read()!r}"
        threading.Thread(target=self._gather, daemon=True).start()

    def _gather(self):
        rest = b""
        try:
            for chunk in self.answer.stream(65536):
                rest += chunk
                *lines, rest = rest.split(b"\n")
                with self.changed:
                    self.events += [json.loads(line) for line in lines if line.strip()]
                    self.changed.notify_all()
        except Exception as error:  # Closing it ends it so.
            self.error = error
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def wait(self, kind, name=None, check=lambda found: True, seconds=PATIENCE):
        """The first event, from the oldest unread on, of this type and name that passes `check`; it and all before it
        are taken out."""
        deadline = time.monotonic() + seconds
        at = 0
        with self.changed:
            while True:
                while at < len(self.events):
                    event = self.events[at]
                    at += 1
                    same = name is None or event["object"]["metadata"].get("name") == name
                    if event["type"] == kind and same and check(event["object"]):
                        del self.events[:at]
                        return event["object"]
                left = deadline - time.monotonic()
                assert left > 0, f"no {kind} of {name}; unread: {json.dumps(self.events)[:3000]}"
                self.changed.wait(left)

    def peek(self, seconds=PATIENCE):
        """The oldest unread event, which stays unread."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.events, seconds), "no event at all"
            return self.events[0]

    def quiet(self, seconds=1.0):
        """Fails if an event comes within this time."""
        with self.changed:
            self.changed.wait_for(lambda: self.events, seconds)
            assert not self.events, f"an event that should not be: {self.events[0]}"

    def close(self):
        try:
            # Its thread sleeps in a read, which would keep `close` waiting.
            self.answer.shutdown()
            self.answer.close()
        except Exception:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def decided(pod):
    """What becomes of a pod where a case does not say: it runs, or ends well if it is meant to end."""
    return "Running" if pod["spec"].get("restartPolicy", "Always") == "Always" else "Succeeded"


class FakeNode:
    """A node that only reports: it takes pending pods that nobody has taken, says what `decide(pod)` says of them
    (`Running`, `Succeeded`, `Failed`, a whole status, or `None` to leave them pending), and lets go what is deleted."""

    def __init__(self, cluster, decide, namespaces, labels):
        self.cluster, self.decide = cluster, decide or decided
        self.name = f"e2e-node-{uuid.uuid4().hex[:8]}"
        self.addresses = 1
        labels = {"kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux", "e2e-fake": "true", **labels}
        cluster.core.create_node({"metadata": {"name": self.name, "labels": labels}})
        room = {"cpu": "64", "memory": "256Gi", "pods": "500", "ephemeral-storage": "1Ti"}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastTransitionTime": now(), "lastHeartbeatTime": now()}
        status = {"capacity": room, "allocatable": room, "conditions": [ready]}
        status["addresses"] = [{"type": "InternalIP", "address": "192.0.2.1"}, {"type": "Hostname", "address": self.name}]
        cluster.core.patch_node_status(self.name, {"status": status})
        self.watches = [cluster.watch(f"/api/v1/namespaces/{name}/pods") for name in namespaces]
        for watch in self.watches:
            threading.Thread(target=self._follow, args=[watch], daemon=True).start()

    def report(self, name, status, namespace=None):
        """Says this of a pod: a phase, or a whole status."""
        namespace = namespace or self.cluster.ns
        pod = self.cluster.ok("GET", f"/api/v1/namespaces/{namespace}/pods/{name}")
        self._say(pod, status)

    def close(self):
        for watch in self.watches:
            watch.close()
        found(self.cluster.core.delete_node, self.name)

    def _follow(self, watch):
        while True:
            with watch.changed:
                watch.changed.wait_for(lambda: watch.events or watch.closed)
                if not watch.events:
                    return
                event = watch.events.pop(0)
            if event["type"] in ("ADDED", "MODIFIED"):
                try:
                    self._see(event["object"])
                except Exception:
                    traceback.print_exc()

    def _see(self, pod):
        metadata, status = pod["metadata"], pod.get("status", {})
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        ends = "deletionTimestamp" in metadata
        place = pod["spec"].get("nodeName")
        if not place:
            if not ends and self.decide(pod) is not None:
                target = {"target": {"kind": "Node", "name": self.name}, "metadata": {"name": metadata["name"]}}
                self._send("POST", path + "/binding", target)
        elif place != self.name:
            return
        elif ends:
            if status.get("phase") in ("Pending", "Running") and pod["spec"].get("restartPolicy") != "Always":
                self._say(pod, "Failed")
            self._send("DELETE", path, {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}})
        elif status.get("phase", "Pending") == "Pending":
            self._say(pod, self.decide(pod))
        elif status.get("observedGeneration") != metadata.get("generation"):
            self._send("PATCH", path + "/status", {"status": {"observedGeneration": metadata.get("generation")}})

    def _say(self, pod, status):
        if status is None:
            return
        if isinstance(status, str):
            status = self._status(pod, status)
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
        self._send("PATCH", path, {"status": {"observedGeneration": metadata.get("generation"), **status}})

    def _status(self, pod, phase):
        runs, at = phase == "Running", now()
        ends = {"exitCode": 0 if phase == "Succeeded" else 1, "reason": "Completed" if phase == "Succeeded" else "Error"}
        ended = {"terminated": {**ends, "startedAt": at, "finishedAt": at}}
        if not pod.get("status", {}).get("podIP"):
            self.addresses += 1
        address = pod.get("status", {}).get("podIP") or f"198.51.{100 + self.addresses // 250}.{self.addresses % 250 + 1}"
        true = {"PodReadyToStartContainers": True, "Initialized": True, "Ready": runs, "ContainersReady": runs, "PodScheduled": True}
        return {
            "phase": phase,
            "hostIP": "192.0.2.1",
            "hostIPs": [{"ip": "192.0.2.1"}],
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": at,
            "conditions": [{"type": kind, "status": str(is_so), "lastTransitionTime": at} for kind, is_so in true.items()],
            "containerStatuses": [
                {
                    "name": it["name"],
                    "image": it["image"],
                    "imageID": f"fake/{it['image']}",
                    "containerID": f"fake://{pod['metadata']['uid']}/{it['name']}",
                    "ready": runs,
                    "started": runs,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": at}} if runs else ended,
                }
                for it in pod["spec"]["containers"]
            ],
        }

    def _send(self, method, path, body):
        kind = "application/strategic-merge-patch+json" if method == "PATCH" else "application/json"
        answer = self.cluster.call(method, path, body, kind=kind)
        # Somebody else was faster, and there will be an event.
        assert answer.status < 300 or answer.status in (404, 409), f"{method} {path}: {answer!r}"


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def until(what, check, seconds=PATIENCE):
    """Asks again until `check` gives something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        last = check()
        if last:
            return last
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.05)


def found(read, *words, **more):
    """What a generated client reads, or nothing where there is nothing."""
    try:
        return read(*words, **more)
    except ApiException as error:
        if error.status == 404:
            return None
        raise


def fails(status, call, *words, **more):
    """The body of the refusal with this code that a generated client's call has to meet."""
    try:
        got = call(*words, **more)
    except ApiException as error:
        assert error.status == status, f"wanted {status}, got {error.status}: {error.body}"
        try:
            return json.loads(error.body)
        except ValueError:
            return {"message": error.body}
    raise AssertionError(f"wanted {status}, but it succeeded: {str(got)[:1000]}")


def equal(got, wanted, what="it"):
    assert got == wanted, f"{what}: wanted {wanted!r}, got {got!r}"

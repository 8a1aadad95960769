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
import urllib.parse
import uuid

import kubernetes
import urllib3
import yaml
from kubernetes.client.exceptions import ApiException

# Anything that should happen has happened by then.
PATIENCE = 120.0

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
        self.strangers = None
        with open(kubeconfig) as file:
            self.server = yaml.safe_load(file)["clusters"][0]["cluster"]["server"]

    def namespace(self, **labels):
        """A new namespace, as a service account's `default` is there. Its name."""
        name = f"e2e-{uuid.uuid4().hex[:10]}"
        self.core.create_namespace({"metadata": {"name": name, "labels": labels or None}})
        until("the account `default`", lambda: found(self.core.read_namespaced_service_account, "default", name))
        return name

    def fake_node(self, *decide, **more):
        """A `node.Node` for the pods of the case's namespace. It ends with the case."""
        from node import Node

        self.nodes.append(Node(self, *decide, **more))
        return self.nodes[-1]

    def close(self):
        """Deletes the case's namespace; nodes let its pods go first."""
        self.core.delete_namespace(self.ns)
        if self.nodes:
            try:
                for node in self.nodes:
                    node.let_go()
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

    def bare(self, method, path, body, headers):
        """The JSON that somebody else gets, who is known by a header and not by the kubeconfig's certificate."""
        if self.strangers is None:
            self.strangers = urllib3.PoolManager(ca_certs=self.api.configuration.ssl_ca_cert)
        headers = {"Accept": "application/json", "Content-Type": "application/json", **headers}
        body = None if body is None else json.dumps(body)

        def ask():
            answer = self.strangers.request(method, self.server + path, body=body, headers=headers, timeout=PATIENCE)
            return answer if answer.status != 403 else None

        # Rights that were just given hold a moment later.
        answer = until(f"{method} {path} to be allowed", ask)
        assert answer.status < 300, f"{method} {path}: {answer.status} {answer.data!r}"
        return json.loads(answer.data)

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
            command + list(words), input=stdin, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600
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
        """The first event, from the oldest unread on, of this type (or any) and name that passes `check`; it and all
        before it are taken out."""
        deadline = time.monotonic() + seconds
        at = 0
        with self.changed:
            while True:
                while at < len(self.events):
                    event = self.events[at]
                    at += 1
                    same = name is None or event["object"]["metadata"].get("name") == name
                    if kind in (None, event["type"]) and event["type"] != "BOOKMARK" and same and check(event["object"]):
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

"""sig-cli: whole applications by kubectl, and what their containers print; the test is the containers."""

import contextlib
import datetime
import json
import re
import threading
import urllib.parse

from answering import serving
from harness import case, equal, until
from kubelet import printing
from node import running
from resource import Resource
from workloads import AGNHOST

LINES = 100


class Printed:
    """What a generator of logs has printed, as a kubelet reads it: the last lines, the youngest, so many bytes."""

    def __init__(self):
        begun = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=20)
        line = "I1126 1 logs_generator.go:76] {at} GET /api/v1/namespaces/default/pods/{at} 200"
        self.lines = [(begun + datetime.timedelta(seconds=at / 5), line.format(at=at)) for at in range(LINES)]

    def read(self, _pod, _container, query):
        lines = self.lines
        if "sinceSeconds" in query:
            since = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=int(query["sinceSeconds"]))
            lines = [it for it in lines if it[0] > since]
        if "tailLines" in query:
            lines = lines[-int(query["tailLines"]) :]
        stamp = lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.%f000Z ") if query.get("timestamps") == "true" else ""  # noqa: E731
        text = "".join(f"{stamp(at)}{line}\n" for at, line in lines)
        return text[: int(query["limitBytes"])] if "limitBytes" in query else text


@case("Kubectl logs logs should be able to retrieve and filter logs")
def logs(cluster):
    node = cluster.fake_node(lambda _: "Running")
    name = "logs-generator"
    words = [f"--image={AGNHOST}", "--restart=Never", "--pod-running-timeout=2m0s", "--", name, "--log-lines-total", "100", "--run-duration", "20s"]
    cluster.kubectl("run", name, *words)
    node.runs(name)

    def read(*words):
        return cluster.kubectl("logs", name, name, *words)

    with printing(cluster, node, Printed().read):
        until("something to be printed", lambda: "/api/v1/namespaces" in read())
        equal(len(read().splitlines()), LINES)
        last = read("--tail=1")
        assert last.count("\n") == 1 and f"] {LINES - 1} " in last, last
        equal(len(read("--limit-bytes=1")), 1)
        stamp, _, _ = read("--tail=1", "--timestamps").partition(" ")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", stamp), stamp
        recent, older = (len(read(f"--since={it}").splitlines()) for it in ("1s", "24h"))
        assert recent < older == LINES, (recent, older)
    cluster.kubectl("delete", "pod", name)


def tier(name, replicas, tier, port, role=None):
    """A deployment and its service."""
    labels = {"app": "agnhost" if role else "guestbook", **({"role": role} if role else {}), "tier": tier}
    arguments = ["guestbook", "--http-port", str(port)] if role else ["guestbook", "--backend-port", "6379"]
    container = {"name": role or "guestbook-frontend", "image": AGNHOST, "args": arguments, "ports": [{"containerPort": port}]}
    container["resources"] = {"requests": {"cpu": "100m", "memory": "100Mi"}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    service = {"ports": [{"port": port, **({"targetPort": port} if role else {})}], "selector": labels}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": labels}, "spec": service},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec},
    ]


class Guestbook:
    """What all its frontends share, as they do by the backends behind them."""

    def __init__(self):
        self.values, self.lock = {}, threading.Lock()

    def tell(self, asked):
        query = urllib.parse.parse_qs(asked.query, keep_blank_values=True)
        if asked.path != "/guestbook":
            return 404, {}, "not found"
        with self.lock:
            if query["cmd"] == ["set"]:
                self.values[query["key"][0]] = query["value"][0]
                return 200, {}, '{"message":"Updated"}'
            return 200, {}, json.dumps({"data": self.values.get(query["key"][0], "")}, separators=(",", ":"))


@case("Kubectl client Guestbook application should create and stop a working application")
def guestbook(cluster):
    cluster.fake_node()
    tiers = [tier("agnhost-replica", 2, "backend", 6379, "replica"), tier("agnhost-primary", 1, "backend", 6379, "primary"), tier("frontend", 3, "frontend", 80)]
    manifests = [json.dumps(it) for one in tiers for it in one]
    for manifest in manifests:
        cluster.kubectl("create", "-f", "-", stdin=manifest)
    book = Guestbook()
    with contextlib.ExitStack() as stack:
        for pod in running(cluster, "app=guestbook,tier=frontend", 3):
            stack.enter_context(serving(pod["status"]["podIP"], 80, book.tell))
        running(cluster, "app=agnhost,tier=backend", 3)
        path = Resource(cluster, "v1", "services").path("frontend", "proxy/guestbook")

        def says(cmd, value, wanted):
            def check():
                answer = cluster.call("GET", path, query={"cmd": cmd, "key": "messages", "value": value})
                return answer.status == 200 and answer.body.decode() == wanted

            until(f"{cmd} {value}", check)

        says("get", "", '{"data":""}')
        says("set", "TestEntry", '{"message":"Updated"}')
        says("get", "", '{"data":"TestEntry"}')
    for manifest in manifests:
        cluster.kubectl("delete", "--grace-period=0", "--force", "-f", "-", stdin=manifest)
    equal(Resource(cluster, "apps/v1", "deployments").items(), [])

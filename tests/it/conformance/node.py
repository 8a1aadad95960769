"""The node of the suite's `pod` cases: a thread of the test that does what a scheduler and a kubelet say, and runs
nothing. It binds pods that nobody has taken, reports what `decide(pod)` says of them, notices deadlines, new
generations and ephemeral containers, and lets go what is deleted.

Addresses of pods are this network's own (`198.18.0.0/16` leads to loopback there), so a test can be the container.
"""

import datetime
import itertools
import threading
import traceback

from harness import equal, now, until
from resource import STRATEGIC, Resource, unique

ADDRESS = "198.18.0.1"
_numbers = itertools.count()
ROOM = {"cpu": "64", "memory": "256Gi", "pods": "500", "ephemeral-storage": "1Ti"}
SYSTEM = {
    "kubeletVersion": "v1.36.0",
    "kubeProxyVersion": "",
    "containerRuntimeVersion": "fake://1",
    "operatingSystem": "linux",
    "architecture": "amd64",
    "osImage": "none",
    "kernelVersion": "0",
    "machineID": "",
    "systemUUID": "",
    "bootID": "",
}


def address():
    """One that no other pod has."""
    number = next(_numbers)
    return f"198.18.{1 + number // 250}.{number % 250 + 1}"


def decided(pod):
    """What becomes of a pod where a case does not say: it runs, or ends well if it is meant to end."""
    return "Running" if pod["spec"].get("restartPolicy", "Always") == "Always" else "Succeeded"


class Node:
    """Started by being made; `close` ends it, and tells what failed in it. `decide` gives a phase, a whole status, or
    nothing to leave a pod pending; `lets_go` says whether a deleted pod's containers have ended."""

    def __init__(self, cluster, decide=None, namespaces=None, lets_go=None, labels=None, pod_ip=None):
        self.cluster, self.decide, self.lets_go = cluster, decide or decided, lets_go or (lambda _: True)
        self.pod_ip = pod_ip
        self.name = unique("e2e-node")
        self.failure = None
        self.addresses = {}
        self.pods = Resource(cluster, "v1", "pods")
        self.nodes = Resource(cluster, "v1", "nodes", namespaced=False)
        self.labels = {"kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux", **(labels or {})}
        self.nodes.create({"metadata": {"name": self.name, "labels": self.labels}})
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "it reports"}
        ready |= {"lastTransitionTime": now(), "lastHeartbeatTime": now()}
        status = {"capacity": ROOM, "allocatable": ROOM, "conditions": [ready], "nodeInfo": SYSTEM}
        status["addresses"] = [{"type": "InternalIP", "address": ADDRESS}, {"type": "Hostname", "address": self.name}]
        self.nodes.patch(self.name, {"status": status}, STRATEGIC, "status")
        self.watches = [cluster.watch(f"/api/v1/namespaces/{name}/pods") for name in namespaces or [cluster.ns]]
        for watch in self.watches:
            threading.Thread(target=self._follow, args=[watch], daemon=True).start()

    def let_go(self):
        """From now on nothing holds a deleted pod."""
        self.lets_go = lambda _: True
        for pod in self.pods.items():
            self._see(pod)

    def close(self):
        for watch in self.watches:
            watch.close()
        self.cluster.call("DELETE", self.nodes.path(self.name))
        if self.failure:
            raise self.failure

    def runs(self, name):
        """Waits until the pod runs, and gives it."""

        def check():
            pod = self.pods.get(name)
            return pod if pod["status"]["phase"] == "Running" else None

        return until(f"{name} to run", check)

    def report(self, name, status):
        """Says this of a pod of the case's namespace: a phase, or a whole status."""
        self._say(self.pods.get(name), status)

    def ready(self, name, is_ready):
        """As a readiness probe: of a pod and its containers."""
        pod = self.pods.get(name)
        conditions = [{"type": kind, "status": str(is_ready)} for kind in ("Ready", "ContainersReady")]
        containers = [{**it, "ready": is_ready} for it in pod["status"]["containerStatuses"]]
        self._say(pod, {"conditions": conditions, "containerStatuses": containers})

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
                except Exception as error:
                    traceback.print_exc()
                    self.failure = error

    def _see(self, pod):
        """One step towards how the pod should be; the next event brings the next."""
        meta, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
        path = self._path(pod)
        if spec.get("nodeName", self.name) != self.name:
            return
        if "deletionTimestamp" in meta:
            if not self.lets_go(pod):
                return
            if status.get("phase") in ("Pending", "Running") and spec.get("restartPolicy") != "Always":
                self._say(pod, "Failed")
            self._send("DELETE", path, {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}})
        elif not spec.get("nodeName"):
            if self._takes(pod):
                target = {"apiVersion": "v1", "kind": "Node", "name": self.name}
                self._send("POST", path + "/binding", {"target": target, "metadata": {"name": meta["name"]}})
        else:
            wanted = mount_failure(pod) or self._deadline(pod)
            if not wanted and status.get("phase", "Pending") == "Pending":
                wanted = self.decide(pod)
            if not wanted:
                wanted = ephemeral(pod)
            if wanted or meta.get("generation") != status.get("observedGeneration"):
                self._say(pod, wanted or {})

    def _takes(self, pod):
        """Whether the pod may be here, as far as the suite's pods say where they want to be."""
        spec = pod["spec"]
        if any(self.nodes.get(self.name)["metadata"]["labels"].get(key) != value for key, value in spec.get("nodeSelector", {}).items()):
            return False
        wanted = spec.get("affinity", {}).get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution")
        names = [
            field["values"]
            for term in (wanted or {}).get("nodeSelectorTerms", [])
            for field in term.get("matchFields", [])
            if field["key"] == "metadata.name" and field["operator"] == "In"
        ]
        return all(self.name in values for values in names) and self.decide(pod) is not None

    def _path(self, pod):
        return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"

    def _say(self, pod, status):
        if status is None:
            return
        if isinstance(status, str):
            status = self._status(pod, status)
        meta = pod["metadata"]
        said = {"observedGeneration": meta.get("generation"), **status}
        if all(pod.get("status", {}).get(key) == value for key, value in said.items()):
            return
        self._send("PATCH", self._path(pod) + "/status", {"metadata": {"uid": meta["uid"]}, "status": said})

    def _status(self, pod, phase):
        """As a kubelet reports a pod that runs and is ready, or has ended."""
        runs, at = phase == "Running", now()
        code, reason = (0, "Completed") if phase == "Succeeded" else (1, "Error")
        ended = {"terminated": {"exitCode": code, "reason": reason, "startedAt": at, "finishedAt": at}}
        kept = self.pod_ip or self.addresses.setdefault(pod["metadata"]["uid"], address())
        kinds = {"PodReadyToStartContainers": True, "Initialized": True, "Ready": runs, "ContainersReady": runs, "PodScheduled": True}
        conditions = [{"type": kind, "status": str(is_so), "lastTransitionTime": at} for kind, is_so in kinds.items()]
        if pod["spec"].get("readinessGates"):
            conditions[2] |= {"status": "False", "reason": "ReadinessGatesNotReady"}
        containers = [
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
        ]
        host = {"hostIP": ADDRESS, "hostIPs": [{"ip": ADDRESS}]}
        own = {"podIP": kept, "podIPs": [{"ip": kept}]}
        return {"phase": phase, **host, **own, "startTime": at, "conditions": conditions, "containerStatuses": containers}

    def _deadline(self, pod):
        """A pod past its deadline has failed; one before it is looked at again then."""
        seconds = pod["spec"].get("activeDeadlineSeconds")
        if seconds is None or pod.get("status", {}).get("phase") != "Running":
            return None
        started = datetime.datetime.fromisoformat(pod["status"]["startTime"].replace("Z", "+00:00"))
        left = seconds - (datetime.datetime.now(datetime.timezone.utc) - started).total_seconds()
        if left > 0:
            if left < 30:
                later = threading.Timer(left, self._again, [pod["metadata"]["name"]])
                later.daemon = True
                later.start()
            return None
        message = "Pod was active on the node longer than the specified deadline"
        return {"phase": "Failed", "reason": "DeadlineExceeded", "message": message}

    def _again(self, name):
        answer = self.cluster.call("GET", self.pods.path(name))
        if answer.status == 200:
            self._see(answer.json())

    def _send(self, method, path, body):
        kind = STRATEGIC if method == "PATCH" else "application/json"
        answer = self.cluster.call(method, path, body, kind=kind)
        # It went, or somebody else was faster, and there will be an event; or its namespace goes, and it with that.
        is_over = answer.status in (404, 409) or b'"NamespaceTerminating"' in answer.body
        assert answer.status < 300 or is_over, f"{method} {path}: {answer!r}"


def mount_failure(pod):
    """What a kubelet says of a mount whose path it will not make."""
    for one in pod["spec"]["containers"]:
        variables = {variable["name"]: variable.get("value", "") for variable in one.get("env", [])}
        for mount in one.get("volumeMounts", []):
            path = mount.get("subPathExpr", "")
            for key, value in variables.items():
                path = path.replace(f"$({key})", value)
            if "`" in path or path.startswith("/") or ".." in path.split("/"):
                why = {"reason": "CreateContainerConfigError", "message": f"failed to prepare subPath for volumeMount {path!r}"}
                container = {"name": one["name"], "image": one["image"], "imageID": "", "ready": False, "restartCount": 0}
                return {"phase": "Pending", "containerStatuses": [{**container, "state": {"waiting": why}}]}
    return None


def ephemeral(pod):
    """The containers that joined a running pod run too."""
    there = {it["name"] for it in pod.get("status", {}).get("ephemeralContainerStatuses", [])}
    joined = [it for it in pod["spec"].get("ephemeralContainers", []) if it["name"] not in there]
    if not joined:
        return None
    kept = pod["status"].get("ephemeralContainerStatuses", [])
    new = [
        {"name": it["name"], "image": it["image"], "imageID": "", "ready": False, "restartCount": 0, "state": {"running": {"startedAt": now()}}}
        for it in joined
    ]
    return {"ephemeralContainerStatuses": kept + new}


def controller(cluster, pod):
    """The UID of who controls a pod, by its name."""
    owners = Resource(cluster, "v1", "pods").get(pod)["metadata"].get("ownerReferences", [])
    return next((it["uid"] for it in owners if it.get("controller")), None)


def running(cluster, labels, count):
    """Waits until so many pods of these labels are there and stay, and all of them run; gives them."""
    pods = Resource(cluster, "v1", "pods")

    def check():
        stay = [it for it in pods.items(labels) if "deletionTimestamp" not in it["metadata"]]
        return stay if len(stay) == count and all(it["status"]["phase"] == "Running" for it in stay) else None

    got = until(f"{count} pods of {labels} to run", check)
    equal(len(got), count)
    return got

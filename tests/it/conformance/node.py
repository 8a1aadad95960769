"""A node that only reports: a thread of the test that binds the pods of the case's namespace to a Node object, says
that they run, notices their new generations and deadlines, and lets go of the ones that are deleted."""

import datetime
import json
import threading
import time

from resource import MERGE, Resource, unique


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Node:
    """Use it in a `with`."""

    def __init__(self, cluster, pod_ip="10.244.0.9"):
        self.cluster, self.pod_ip = cluster, pod_ip
        self.name = unique("fake-node")
        self.pods = Resource(cluster, "v1", "pods")
        self.nodes = Resource(cluster, "v1", "nodes", namespaced=False)
        self.failure = None

    def __enter__(self):
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "it reports"}
        amounts = {"cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"}
        addresses = [{"type": "InternalIP", "address": "10.0.0.7"}, {"type": "Hostname", "address": self.name}]
        status = {"conditions": [ready], "capacity": amounts, "allocatable": amounts, "addresses": addresses}
        self.nodes.create({"metadata": {"name": self.name, "labels": {"kubernetes.io/hostname": self.name}}, "status": status})
        listed = self.pods.all()
        self.watch = self.pods.watch(resourceVersion=listed["metadata"]["resourceVersion"])
        self.ends = False
        self.thread = threading.Thread(target=self._run, args=(listed["items"],), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.ends = True
        self.watch.close()
        self.thread.join()
        self.cluster.call("DELETE", self.pods.path(), {"gracePeriodSeconds": 0})
        self.cluster.call("DELETE", self.nodes.path(self.name))
        if self.failure and kind is None:
            raise self.failure

    def _run(self, pods):
        try:
            for pod in pods:
                self._see(pod)
            while not self.ends:
                with self.watch.changed:
                    self.watch.changed.wait_for(lambda: self.watch.events or self.watch.closed or self.ends, 1.0)
                    events, self.watch.events = self.watch.events, []
                for event in events:
                    if event["type"] in ("ADDED", "MODIFIED"):
                        self._see(event["object"])
        except Exception as error:  # The case is told at its end.
            self.failure = error

    def _see(self, pod):
        """One step towards how the pod should be; the next event brings the next."""
        name, meta = pod["metadata"]["name"], pod["metadata"]
        if "deletionTimestamp" in meta:
            if meta.get("deletionGracePeriodSeconds", 0) < 60:
                self._ask("DELETE", self.pods.path(name), {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}})
            return
        if not pod["spec"].get("nodeName"):
            target = {"apiVersion": "v1", "kind": "Node", "name": self.name}
            self._ask("POST", self.pods.path(name, "binding"), {"metadata": {"name": name}, "target": target})
            return
        status = pod["status"]
        wanted = self._failed(pod) or self._deadline(pod) or {}
        if not wanted and status["phase"] == "Pending":
            wanted = self._running(pod)
        if meta["generation"] > status.get("observedGeneration", 0):
            wanted["observedGeneration"] = meta["generation"]
        if wanted and any(status.get(key) != value for key, value in wanted.items()):
            self._ask("PATCH", self.pods.path(name, "status"), {"metadata": {"uid": meta["uid"]}, "status": wanted}, kind=MERGE)

    def _running(self, pod):
        """As a kubelet reports a pod whose containers run and are ready."""
        conditions = [{"type": kind, "status": "True", "lastTransitionTime": now()} for kind in ("PodScheduled", "Initialized", "Ready", "ContainersReady")]
        gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates", [])]
        if gates:
            conditions[2] |= {"status": "False", "reason": "ReadinessGatesNotReady"}
        containers = [
            {
                "name": one["name"],
                "image": one["image"],
                "imageID": "",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": now()}},
            }
            for one in pod["spec"]["containers"]
        ]
        ips = {"podIP": self.pod_ip, "podIPs": [{"ip": self.pod_ip}], "hostIP": "10.0.0.7", "hostIPs": [{"ip": "10.0.0.7"}]}
        return {"phase": "Running", "startTime": now(), "conditions": conditions, "containerStatuses": containers, **ips}

    def _failed(self, pod):
        """What a kubelet says of a mount whose path it will not make."""
        for one in pod["spec"]["containers"]:
            variables = {variable["name"]: variable.get("value", "") for variable in one.get("env", [])}
            for mount in one.get("volumeMounts", []):
                path = mount.get("subPathExpr", "")
                for key, value in variables.items():
                    path = path.replace(f"$({key})", value)
                if "`" in path or path.startswith("/") or ".." in path.split("/"):
                    waiting = {"reason": "CreateContainerConfigError", "message": f"failed to prepare subPath for volumeMount {path!r}"}
                    state = {"name": one["name"], "image": one["image"], "imageID": "", "ready": False, "restartCount": 0, "state": {"waiting": waiting}}
                    return {"phase": "Pending", "containerStatuses": [state]}
        return None

    def _deadline(self, pod):
        """A pod past its deadline has failed; one before it is looked at again then."""
        seconds = pod["spec"].get("activeDeadlineSeconds")
        if seconds is None or pod["status"]["phase"] != "Running":
            return None
        started = datetime.datetime.fromisoformat(pod["status"]["startTime"].replace("Z", "+00:00"))
        left = seconds - (datetime.datetime.now(datetime.timezone.utc) - started).total_seconds()
        if left > 0:
            if left < 30:
                later = threading.Timer(left, lambda: self._see(self.pods.get(pod["metadata"]["name"])))
                later.daemon = True
                later.start()
            return None
        return {"phase": "Failed", "reason": "DeadlineExceeded", "message": "Pod was active on the node longer than the specified deadline"}

    def _ask(self, method, path, body, kind="application/json"):
        """A pod may have gone, or have changed, meanwhile."""
        answer = self.cluster.call(method, path, json.dumps(body), kind=kind)
        assert answer.status < 300 or answer.status in (404, 409), f"{method} {path}: {answer!r}"

    def runs(self, name):
        """Waits until the pod runs, and gives it."""
        until = time.monotonic() + 60
        while True:
            pod = self.pods.get(name)
            if pod["status"]["phase"] == "Running":
                return pod
            assert time.monotonic() < until, f"{name} does not run: {pod['status']}"
            time.sleep(0.05)

"""sig-cli: `kubectl` itself, without a node."""

import json
import os
import re
import socket
import subprocess
import tempfile
import urllib.request

from harness import case, equal

HTTPD = "registry.k8s.io/e2e-test-images/httpd:2.4.38-4"
BUSYBOX = "registry.k8s.io/e2e-test-images/busybox:1.36.1-1"
POD = "e2e-test-httpd-pod"
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: httpd-deployment
spec:
  replicas: 2
  selector: {matchLabels: {app: httpd}}
  template:
    metadata: {labels: {app: httpd}}
    spec:
      containers:
      - name: httpd
        image: IMAGE
        ports: [{containerPort: 80}]
"""


@case("Kubectl client Kubectl api-versions should check if v1 is in available api versions")
def versions(cluster):
    assert "v1" in cluster.kubectl("api-versions", namespace=False).splitlines()


@case("Kubectl client Kubectl cluster-info should check if Kubernetes control plane services is included in cluster-info")
def info(cluster):
    said = cluster.kubectl("cluster-info", namespace=False)
    assert "Kubernetes control plane" in said and "is running at" in said, said


@case("Kubectl client Kubectl version should check is all data is printed")
def version(cluster):
    said = cluster.kubectl("version", namespace=False)
    assert "Client Version" in said and re.search(r"Server Version: v1\.\d+", said), said
    # Behind it may be a warning that client and server are far apart.
    full, _ = json.JSONDecoder().raw_decode(cluster.kubectl("version", "-o", "json", namespace=False))
    full = full["serverVersion"]
    for key in ("major", "minor", "gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"):
        assert full.get(key), f"no {key} in {full}"


@case("Kubectl client Kubectl diff should check if kubectl diff finds a difference for Deployments")
def diff(cluster):
    cluster.kubectl("create", "-f", "-", stdin=DEPLOYMENT.replace("IMAGE", HTTPD))
    said = cluster.kubectl("diff", "-f", "-", stdin=DEPLOYMENT.replace("IMAGE", BUSYBOX), fails=True)
    assert f"-      - image: {HTTPD}" in said and f"+      - image: {BUSYBOX}" in said, said
    # What is there does not differ.
    cluster.kubectl("diff", "-f", "-", stdin=DEPLOYMENT.replace("IMAGE", HTTPD))
    cluster.kubectl("delete", "-f", "-", stdin=DEPLOYMENT.replace("IMAGE", HTTPD))


@case("Kubectl client Kubectl run pod should create a pod from an image when restart is Never")
def run_pod(cluster):
    cluster.kubectl("run", POD, "--restart=Never", "--pod-running-timeout=2m0s", f"--image={HTTPD}")
    spec = cluster.core.read_namespaced_pod(POD, cluster.ns).spec
    equal((len(spec.containers), spec.containers[0].image, spec.restart_policy), (1, HTTPD, "Never"))
    cluster.kubectl("delete", "pods", POD)


@case("Kubectl client Kubectl server-side dry-run should check if kubectl can dry-run update Pods")
def dry_run(cluster):
    cluster.kubectl("run", POD, f"--image={HTTPD}", "--pod-running-timeout=2m0s", f"--labels=run={POD}")
    before = cluster.core.read_namespaced_pod(POD, cluster.ns)
    patch = json.dumps({"spec": {"containers": [{"name": POD, "image": BUSYBOX}]}})
    said = cluster.kubectl("patch", "pod", POD, "-p", patch, "--dry-run=server", "-o", "json")
    equal(json.loads(said)["spec"]["containers"][0]["image"], BUSYBOX, "what it would be")
    after = cluster.core.read_namespaced_pod(POD, cluster.ns)
    equal(after.spec.containers[0].image, HTTPD)
    equal(after.metadata.resource_version, before.metadata.resource_version)
    cluster.kubectl("delete", "pods", POD)


def proxied(cluster, words, ask):
    """What `ask` gets of a `kubectl proxy`, told what the proxy says when it is ready."""
    command = [os.environ.get("KUBECTL", "kubectl"), "--kubeconfig", cluster.kubeconfig, "proxy", *words]
    proxy = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        return ask(proxy.stdout.readline())
    finally:
        proxy.terminate()
        proxy.wait()


@case("Kubectl client Proxy server should support proxy with --port 0")
def proxy_port(cluster):
    def ask(said):
        port = re.fullmatch(r"Starting to serve on 127\.0\.0\.1:(\d+)\n", said).group(1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/", timeout=60) as answer:
            return json.load(answer)

    equal(proxied(cluster, ["-p", "0", "--disable-filter"], ask)["versions"], ["v1"])


@case("Kubectl client Proxy server should support --unix-socket=/path")
def proxy_socket(cluster):
    with tempfile.TemporaryDirectory(prefix="teu-e2e-") as folder:
        path = f"{folder}/test"

        def ask(said):
            equal(said, f"Starting to serve on {path}\n")
            with socket.socket(socket.AF_UNIX) as stream:
                stream.settimeout(60)
                stream.connect(path)
                stream.sendall(b"GET /api/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
                return b"".join(iter(lambda: stream.recv(65536), b""))

        answer = proxied(cluster, [f"--unix-socket={path}"], ask)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 200 " in head.splitlines()[0], head
    equal(json.loads(body)["versions"], ["v1"])

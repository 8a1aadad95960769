"""sig-network: requests to pods and services through the API."""

import http.server
import json
import socket
import threading

from harness import case, equal
from node import Node
from resource import Resource


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers any method with what was asked, as the suite's porter does."""

    def _answer(self):
        body = json.dumps({"Method": self.command, "Body": "foo"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Path", self.path)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer

    def log_message(self, *_):
        pass


@case("Proxy version v1 A set of valid responses are returned for both pod and service ProxyWithPath")
def with_path(cluster):
    # A service may not lead to loopback. This sends nothing: it asks from which address one would send.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as towards:
        towards.connect(("192.0.2.1", 9))
        here = towards.getsockname()[0]
    echo = http.server.ThreadingHTTPServer((here, 0), Echo)
    threading.Thread(target=echo.serve_forever, daemon=True).start()
    try:
        with Node(cluster, pod_ip=here) as node:
            asked(cluster, node, *echo.server_address)
    finally:
        echo.shutdown()
        echo.server_close()


def asked(cluster, node, here, port):
    container = {"name": "agnhost", "image": "agnhost", "ports": [{"containerPort": port}]}
    node.pods.create({"metadata": {"name": "agnhost"}, "spec": {"containers": [container]}})
    node.runs("agnhost")
    pod = {"kind": "Pod", "namespace": cluster.ns, "name": "agnhost"}
    ports = [{"port": 80, "targetPort": port, "protocol": "TCP"}]
    Resource(cluster, "v1", "services").create({"metadata": {"name": "test-service"}, "spec": {"ports": ports}})
    # No selector, so that whoever fills slices by selectors leaves this one alone.
    slices = Resource(cluster, "discovery.k8s.io/v1", "endpointslices")
    slices.create(
        {
            "metadata": {"name": "test-service-1", "labels": {"kubernetes.io/service-name": "test-service"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [here], "conditions": {"ready": True}, "targetRef": pod}],
            "ports": [{"name": "", "port": port, "protocol": "TCP"}],
        }
    )
    inside = f"/api/v1/namespaces/{cluster.ns}"
    for place in ("pods/agnhost", "services/test-service"):
        root = f"{inside}/{place}/proxy"
        first = cluster.call("GET", f"{root}/")
        assert first.status == 200, f"{place}: {first!r}"
        for method in ("GET", "HEAD", "DELETE", "OPTIONS", "PATCH", "POST", "PUT"):
            answer = cluster.call(method, f"{root}/some/path/with/{method}")
            equal(answer.status, 200, f"{method} of {place}")
            equal(answer.headers["X-Path"], f"/some/path/with/{method}")
            if method != "HEAD":
                equal(answer.json()["Method"], method)
        # Without the last slash a browser is sent to where relative links work.
        answer = cluster.call("GET", root)
        equal((answer.status, answer.headers.get("Location", "")), (301, f"{root}/"), f"{place} without a path")

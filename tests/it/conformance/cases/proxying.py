"""sig-network: requests to pods and services through the API; the test is the container that answers."""

import concurrent.futures
import contextlib

import identities
from answering import serving
from cryptography.hazmat.primitives.asymmetric import ec
from harness import case, equal, until
from node import running
from resource import Resource, unique
from workloads import AGNHOST

METHODS = ("DELETE", "OPTIONS", "PATCH", "POST", "PUT")
ATTEMPTS = 20
LINK, TLS_LINK = '<a href="/rewriteme">test</a>', '<a href="/tlsrewriteme">test</a>'
PLAIN = {80: LINK, 1080: LINK, 160: "foo", 162: "bar"}
TLS = {443: TLS_LINK, 460: "tls baz", 462: "tls qux"}


@contextlib.contextmanager
def echoed(cluster, service, labels):
    """A pod that says what it was asked, and a service that leads to it; the paths to both."""
    node = cluster.fake_node(lambda _: "Running")
    env = [{"name": "SERVE_PORT_80", "value": "foo"}]
    container = {"name": "agnhost", "image": AGNHOST, "command": ["/agnhost", "porter", "--json-response"], "env": env}
    pod = {"metadata": {"name": "agnhost", "labels": labels}, "spec": {"containers": [container], "restartPolicy": "Never"}}
    node.pods.create(pod)
    address = node.runs("agnhost")["status"]["podIP"]
    ports = [{"port": 80, "targetPort": 80, "protocol": "TCP"}]
    services = Resource(cluster, "v1", "services")
    services.create({"metadata": {"name": service, "labels": labels}, "spec": {"ports": ports, "selector": labels}})
    said = lambda asked: (200, {"X-Target": asked.target}, {"Method": asked.method, "Body": "foo"})  # noqa: E731
    with serving(address, 80, said):
        yield [node.pods.path("agnhost", "proxy"), services.path(service, "proxy")]


def asked(cluster, method, path, target):
    """What comes back, as soon as the way is there: what was asked, at which path."""
    answer = until(f"{method} {path}", lambda: [it for it in [cluster.call(method, path)] if it.status == 200])[0]
    equal(answer.headers["X-Target"], target)
    if method != "HEAD":
        equal(answer.json(), {"Method": method, "Body": "foo"}, f"{method} {path}")


@case("Proxy version v1 A set of valid responses are returned for both pod and service ProxyWithPath")
def with_path(cluster):
    with echoed(cluster, "test-service", {"test": "response"}) as roots:
        for root in roots:
            for method in ("GET", "HEAD", *METHODS):
                asked(cluster, method, f"{root}/some/path/with/{method}", f"/some/path/with/{method}")


@case("Proxy version v1 A set of valid responses are returned for both pod and service Proxy")
def without_path(cluster):
    with echoed(cluster, "e2e-proxy-test-service", {"e2e-test": "proxy-endpoints"}) as roots:
        for root in roots:
            for method in METHODS:
                asked(cluster, method, f"{root}?method={method}", f"/?method={method}")
            # Without the last slash a browser is sent to where relative links work.
            for method in ("GET", "HEAD"):
                answer = cluster.call(method, f"{root}?method={method}")
                equal((answer.status, answer.headers["Location"]), (301, f"{root}/?method={method}"), root)


@contextlib.contextmanager
def porter(cluster, name):
    """A controller's pod that serves many ports, some over TLS, and a service with names for some of them."""
    labels = {"proxy-service-target": "true"}
    ports = [("portname1", 80, "dest1"), ("portname2", 81, 162), ("tlsportname1", 443, "tlsdest1"), ("tlsportname2", 444, 462)]
    named = [{"name": it, "port": port, "targetPort": target} for it, port, target in ports]
    Resource(cluster, "v1", "services").create({"metadata": {"name": name}, "spec": {"selector": labels, "ports": named}})
    own = {"dest1": 160, "dest2": 162, "tlsdest1": 460, "tlsdest2": 462}
    own = [{"containerPort": 80}, *({"name": it, "containerPort": port} for it, port in own.items())]
    container = {"name": name, "image": AGNHOST, "command": ["/agnhost", "porter"], "ports": own}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    controllers = Resource(cluster, "v1", "replicationcontrollers")
    controllers.create({"metadata": {"name": name}, "spec": {"replicas": 1, "selector": labels, "template": template}})
    cluster.fake_node()
    (pod,) = running(cluster, "proxy-service-target=true", 1)
    key = ec.generate_private_key(ec.SECP256R1())
    tls = identities.context(identities.certificate("porter", key).public_bytes(identities.PEM), identities.pem(key))
    with contextlib.ExitStack() as stack:
        for secure, bodies in ((None, PLAIN), (tls, TLS)):
            for port, body in bodies.items():
                kind = {"Content-Type": "text/html; charset=utf-8" if "<a" in body else "text/plain; charset=utf-8"}
                tell = lambda _, kind=kind, body=body: (200, kind, body)  # noqa: E731
                stack.enter_context(serving(pod["status"]["podIP"], port, tell, secure))
        yield pod["metadata"]["name"]


@case("Proxy version v1 should proxy through a service and a pod")
def through_both(cluster):
    name = unique("proxy-service")
    with porter(cluster, name) as pod:
        endpoints = Resource(cluster, "v1", "endpoints")
        until("its endpoints", lambda: any(it.get("addresses") for it in endpoints.get(name).get("subsets", [])))
        root = f"/api/v1/namespaces/{cluster.ns}"
        wanted = {}
        for port, body in (("portname1", "foo"), ("portname2", "bar")):
            for scheme in ("", "http:"):
                wanted[f"{root}/services/{scheme}{name}:{port}/proxy/"] = body
        for port, body in (("tlsportname1", "tls baz"), ("tlsportname2", "tls qux")):
            wanted[f"{root}/services/https:{name}:{port}/proxy/"] = body
        for port in ("", "1080", "160", "162"):
            for scheme in ("", "http:") if port else ("",):
                to = f"{root}/pods/{scheme}{pod}{':' if port else ''}{port}/proxy"
                body = PLAIN[int(port or 80)]
                wanted[f"{to}/"] = body.replace('"/', f'"{to}/')
        for port, body in TLS.items():
            to = f"{root}/pods/https:{pod}:{port}/proxy"
            wanted[f"{to}/"] = body.replace('"/', f'"{to}/')
        equal(len(wanted), 16)

        def ask(path):
            answer = cluster.call("GET", path)
            equal((answer.status, answer.body.decode()), (200, wanted[path]), path)

        # The server looks at slices, which are another controller's.
        until("a way through the service", lambda: cluster.call("GET", next(iter(wanted))).status == 200)
        with concurrent.futures.ThreadPoolExecutor(len(wanted)) as pool:
            for _ in range(ATTEMPTS):
                list(pool.map(ask, wanted))

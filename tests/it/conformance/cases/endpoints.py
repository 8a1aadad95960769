"""sig-network: Endpoints and EndpointSlices that controllers write."""

from harness import case, equal, until
from node import running
from resource import Resource
from workloads import NGINX, owner

SLICED = "endpointslice.kubernetes.io/managed-by"


class Slices:
    """What controllers write about the case's services."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.services, self.endpoints = Resource(cluster, "v1", "services"), Resource(cluster, "v1", "endpoints")
        self.slices = Resource(cluster, "discovery.k8s.io/v1", "endpointslices")

    def service(self, name, chosen=None, port="example", target=None, **more):
        ports = [{"name": port, "port": 80, "protocol": "TCP", **({"targetPort": target} if target else {})}]
        selector = {"selector": chosen} if chosen else {}
        return self.services.create({"metadata": {"name": name}, "spec": {**selector, "ports": ports, **more}})

    def of(self, name):
        return self.slices.items(f"kubernetes.io/service-name={name}")

    def told(self, name):
        """The service's Endpoints, or none."""
        answer = self.cluster.call("GET", self.endpoints.path(name))
        assert answer.status in (200, 404), answer
        return answer.json() if answer.status == 200 else None


def lonely(cluster):
    """A service whose selector matches no pod."""
    it, name = Slices(cluster), "example-empty-selector"
    return it, it.service(name, {"does-not-match-anything": "endpoints-should-still-be-created"})


@case("EndpointsController should create and delete Endpoints for a Service with a selector that matches no pods")
def no_pods(cluster):
    it, service = lonely(cluster)
    name = service["metadata"]["name"]
    told = until("its Endpoints", lambda: it.told(name))
    equal(told.get("subsets"), None, "subsets")
    equal(told["metadata"]["labels"]["endpoints.kubernetes.io/managed-by"], "endpoint-controller")
    it.services.delete(name)
    until("its Endpoints to go", lambda: it.told(name) is None)


@case("EndpointSlice should create and delete EndpointSlices for a Service with a selector that matches no pods")
def no_pods_sliced(cluster):
    it, service = lonely(cluster)
    name = service["metadata"]["name"]
    (only,) = until("a slice", lambda: it.of(name))
    equal(only["metadata"]["labels"][SLICED], "endpointslice-controller.k8s.io")
    equal(only["endpoints"] or [], [], "endpoints")
    equal((only["metadata"]["ownerReferences"][0]["kind"], owner(only)), ("Service", service["metadata"]["uid"]))
    it.services.delete(name)
    until("the slices to go", lambda: not it.of(name))


def with_pods(cluster):
    """Two pods, and three services: of one by a number, of both by a name that means another port in each, of none."""
    cluster.fake_node()
    pods = Resource(cluster, "v1", "pods")
    for number, ports in (("1", {"example-name": 3000}), ("2", {"example-name": 3001, "other-port": 3002})):
        container = {"name": "container1", "image": NGINX, "ports": [{"name": key, "containerPort": port} for key, port in ports.items()]}
        labels = {f"pod{number}": "on", "shared12": "on"}
        pods.create({"metadata": {"name": f"pod{number}", "labels": labels}, "spec": {"containers": [container]}})
    it, all_of_them = Slices(cluster), {"publishNotReadyAddresses": True}
    it.service("example-int-port", {"pod1": "on"}, "example", 3000, **all_of_them)
    it.service("example-named-port", {"shared12": "on"}, "http", "example-name", **all_of_them)
    it.service("example-no-match", {"pod3": "on"}, "example-no-match", 8080, **all_of_them)
    first, second = sorted(running(cluster, "shared12=on", 2), key=lambda pod: pod["metadata"]["name"])
    one, other = ((pod["metadata"]["name"], pod["metadata"]["uid"], pod["status"]["podIP"]) for pod in (first, second))
    return it, {
        "example-int-port": {("example", 3000): [one]},
        "example-named-port": {("http", 3000): [one], ("http", 3001): [other]},
        "example-no-match": {},
    }


def referred(address, ip):
    """Whom an address is of, as a pod."""
    equal(address["targetRef"]["kind"], "Pod")
    return address["targetRef"]["name"], address["targetRef"]["uid"], ip


def in_endpoints(told):
    return {
        (port["name"], port["port"]): [referred(it, it["ip"]) for it in subset["addresses"]]
        for subset in (told or {}).get("subsets", [])
        for port in subset["ports"]
    }


def in_slices(slices):
    for it in slices:
        equal(it["addressType"], "IPv4")
    return {
        (port["name"], port["port"]): [referred(end, end["addresses"][0]) for end in it["endpoints"] or []]
        for it in slices
        if it["endpoints"]
        for port in it["ports"]
    }


@case("EndpointsController should create Endpoints for Pods matching a Service")
def pods_in_endpoints(cluster):
    it, wanted = with_pods(cluster)
    for name, ends in wanted.items():
        until(f"the Endpoints of {name}", lambda: it.told(name) is not None and in_endpoints(it.told(name)) == ends)
    it.endpoints.delete("example-named-port")
    again = wanted["example-named-port"]
    until("them to come back", lambda: in_endpoints(it.told("example-named-port")) == again)


@case("EndpointSlice should create Endpoints and EndpointSlices for Pods matching a Service")
def pods_in_slices(cluster):
    it, wanted = with_pods(cluster)

    def check(name):
        slices = it.of(name)
        # Where nobody is behind it there is one, which is empty.
        return in_slices(slices) == wanted[name] and len(slices) == max(len(wanted[name]), 1)

    for name, ends in wanted.items():
        until(f"the slices of {name}", lambda: check(name))
        until(f"the Endpoints of {name}", lambda: in_endpoints(it.told(name)) == ends)
        service = it.services.get(name)["metadata"]["uid"]
        for one in it.of(name):
            equal((owner(one), one["metadata"]["labels"][SLICED]), (service, "endpointslice-controller.k8s.io"))
    it.slices.delete_all("kubernetes.io/service-name=example-named-port")
    until("them to come back", lambda: check("example-named-port"))


@case("EndpointSliceMirroring should mirror a custom Endpoints resource through create update and delete")
def mirrored(cluster):
    it, name = Slices(cluster), "example-custom-endpoints"
    it.service(name)

    def custom(address):
        return {"metadata": {"name": name}, "subsets": [{"ports": [{"port": 80}], "addresses": [{"ip": address}]}]}

    def shows(address):
        slices = it.of(name)
        ports, ends = ([at["port"] for one in slices for at in one["ports"]], [at["addresses"] for one in slices for at in one["endpoints"]])
        return (ports, ends) == ([80], [[address]])

    it.endpoints.create(custom("10.1.2.3"))
    until("the mirror", lambda: shows("10.1.2.3"))
    equal(it.of(name)[0]["metadata"]["labels"][SLICED], "endpointslicemirroring-controller.k8s.io")
    it.endpoints.update(custom("10.2.3.4"))
    until("the change in the mirror", lambda: shows("10.2.3.4"))
    it.endpoints.delete(name)
    until("the mirror to go", lambda: not it.of(name))

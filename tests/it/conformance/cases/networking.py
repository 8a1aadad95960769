"""sig-network: what needs nothing but the API: endpoints, slices, ingresses and their classes, addresses."""

import copy

from harness import case, equal
from resource import STRATEGIC, Resource, discovered, operates, survives_protobuf, unique

NETWORKING = "networking.k8s.io/v1"


@case("API Server should provide secure master service")
def service_of_the_api(cluster):
    got = Resource(cluster, "v1", "services", ns="default").get("kubernetes")
    equal([(it["name"], it["port"], it["protocol"]) for it in got["spec"]["ports"]], [("https", 443, "TCP")])


@case("API Server should have Endpoints and EndpointSlices pointing to API Server")
def endpoints_of_the_api(cluster):
    service = Resource(cluster, "v1", "services", ns="default").get("kubernetes")
    subsets = Resource(cluster, "v1", "endpoints", ns="default").get("kubernetes")["subsets"]
    addresses = {it["ip"] for subset in subsets for key in ("addresses", "notReadyAddresses") for it in subset.get(key, [])}
    ports = {it["port"] for subset in subsets for it in subset["ports"]}
    assert addresses and ports, subsets
    slices = Resource(cluster, "discovery.k8s.io/v1", "endpointslices", ns="default")
    listed = slices.items("kubernetes.io/service-name=kubernetes")
    family = service["spec"]["ipFamilies"][0]
    same = [it for it in listed if it["addressType"] == family]
    assert same, listed
    equal({it for at in same for endpoint in at["endpoints"] for it in endpoint["addresses"]}, addresses)
    equal({it["port"] for at in same for it in at["ports"]}, ports)


@case("Endpoints should test the lifecycle of an Endpoint")
def endpoints(cluster):
    resource = Resource(cluster, "v1", "endpoints")
    name, static = "testservice", "test-endpoint-static=true"
    since = resource.all(static, everywhere=True)["metadata"]["resourceVersion"]
    subset = {"addresses": [{"ip": "10.0.0.24"}], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}
    made = resource.create({"metadata": {"name": name, "labels": {"test-endpoint-static": "true"}}, "subsets": [subset]})
    with resource.watch(static, resourceVersion=since) as watch:
        watch.wait("ADDED", name)
        listed = resource.all(static, everywhere=True)
        assert any(it["metadata"]["namespace"] == cluster.ns for it in listed["items"])
        survives_protobuf(resource, name)
        got = resource.get(name)
        got["metadata"]["labels"]["test-service"] = "updated"
        resource.update(got)
        watch.wait("MODIFIED", name)
        equal(resource.get(name)["metadata"]["labels"]["test-service"], "updated")
        patch = {
            "metadata": {"labels": {"test-service": "patched"}},
            "subsets": [{"addresses": [{"ip": "10.0.0.25"}], "ports": [{"name": "http-test", "port": 8080}]}],
        }
        patched = resource.patch(name, patch, STRATEGIC)
        assert int(patched["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
        watch.wait("MODIFIED", name)
        got = resource.get(name)
        equal(got["metadata"]["labels"]["test-service"], "patched")
        equal(got["subsets"][0]["addresses"][0]["ip"], "10.0.0.25")
        port = got["subsets"][0]["ports"][0]
        equal((port["name"], port["port"], port["protocol"]), ("http-test", 8080, "TCP"))
        resource.delete_all(static)
        watch.wait("DELETED", name)
    resource.gone(name)


@case("EndpointSlice should support creating EndpointSlice API operations")
def slices(cluster):
    discovered(cluster, "discovery.k8s.io/v1", "endpointslices")
    label = unique("eps")
    template = {
        "metadata": {"generateName": "e2e-example-ing", "labels": {"special-label": label}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["1.2.3.4", "5.6.7.8"], "conditions": {}}, {"addresses": ["2.2.3.4", "6.6.7.8"], "conditions": {}}],
        "ports": None,
    }
    operates(Resource(cluster, "discovery.k8s.io/v1", "endpointslices"), [template] * 3, f"special-label={label}")


@case("Ingress API should support creating Ingress API operations")
def ingresses(cluster):
    discovered(cluster, NETWORKING, "ingresses", "ingresses/status")
    label = unique("ing")
    rule = {
        "host": "foo.bar.com",
        "http": {
            "paths": [
                {
                    "path": "/",
                    "pathType": "ImplementationSpecific",
                    "backend": {"service": {"name": "test-backend", "port": {"number": 8080}}},
                }
            ]
        },
    }
    template = {
        "metadata": {"generateName": "e2e-example-ing", "labels": {"special-label": label}},
        "spec": {"defaultBackend": {"service": {"name": "default-backend", "port": {"number": 8080}}}, "rules": [rule]},
        "status": {"loadBalancer": {}},
    }

    def status(resource, name, uid):
        ingress = [{"ip": "169.1.1.1"}]
        patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"loadBalancer": {"ingress": ingress}}}
        got = resource.patch(name, patch, part="status")
        equal(got["status"]["loadBalancer"], {"ingress": ingress})
        equal(got["metadata"]["annotations"]["patchedstatus"], "true")
        ingress = [{"ip": "169.1.1.2"}]
        got = resource.change(name, lambda it: it["status"].update(loadBalancer={"ingress": ingress}), "status")
        equal(got["status"]["loadBalancer"], {"ingress": ingress})
        got = resource.get(name, "status")
        equal((got["kind"], got["apiVersion"], got["metadata"]["uid"]), ("Ingress", NETWORKING, uid))

    operates(Resource(cluster, NETWORKING, "ingresses"), [template] * 3, f"special-label={label}", status=status)


@case("IngressClass API should support creating IngressClass API operations")
def classes(cluster):
    discovered(cluster, NETWORKING, "ingressclasses")
    label = unique("ingressclass")
    templates = [
        {
            "metadata": {"name": f"{label}-{number}", "labels": {"ingressclass": label, "special-label": "generic"}},
            "spec": {"controller": "example.com/controller"},
        }
        for number in range(1, 4)
    ]
    operates(Resource(cluster, NETWORKING, "ingressclasses", namespaced=False), templates, f"ingressclass={label}")


@case("ServiceCIDR and IPAddress API should support ServiceCIDR API operations")
def ranges(cluster):
    discovered(cluster, NETWORKING, "servicecidrs", "servicecidrs/status")
    resource = Resource(cluster, NETWORKING, "servicecidrs", namespaced=False)
    default = resource.get("kubernetes")
    status = resource.get("kubernetes", "status")
    equal((status["kind"], status["apiVersion"]), ("ServiceCIDR", NETWORKING))
    equal(status["metadata"]["uid"], default["metadata"]["uid"])
    assert resource.items()
    with resource.watch() as watch:
        watch.wait("ADDED", "kubernetes")
    survives_protobuf(resource, "kubernetes")


@case("ServiceCIDR and IPAddress API should support IPAddress API operations")
def addresses(cluster):
    discovered(cluster, NETWORKING, "ipaddresses")
    resource = Resource(cluster, NETWORKING, "ipaddresses", namespaced=False)
    parent = {"group": "mygroup", "resource": "myresources", "namespace": "foo", "name": "bar"}
    ip, other = "255.255.255.255", "fe80::42:1dff:fe84:f9e2"
    made = resource.create({"metadata": {"name": ip, "labels": {"type": "broadcast"}}, "spec": {"parentRef": parent}})
    resource.create({"metadata": {"name": other, "labels": {"type": "link-local"}}, "spec": {"parentRef": parent}})
    got = resource.patch(ip, {"metadata": {"annotations": {"patched": "true"}}})
    equal(got["metadata"]["annotations"]["patched"], "true")
    assert int(got["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    got = resource.change(ip, lambda it: it["metadata"]["annotations"].update(updated="true"))
    equal(got["metadata"]["annotations"]["updated"], "true")
    resource.get(ip)
    survives_protobuf(resource, ip)
    survives_protobuf(resource, other)
    equal(len(resource.items("type=broadcast")), 1)
    with resource.watch("type=broadcast") as watch:
        watch.wait("ADDED", ip)
    resource.delete(ip)
    resource.delete_all("type=link-local")
    equal(resource.items("type=link-local"), [])


def service(name, labels, **more):
    port = {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80}
    meta = {"name": name, "creationTimestamp": None, "labels": labels}
    return {"metadata": meta, "spec": {"ports": [port], **more}, "status": {"loadBalancer": {}}}


@case("Services should find a service from listing all namespaces")
def everywhere(cluster):
    listed = Resource(cluster, "v1", "services").items(everywhere=True)
    assert any(it["metadata"]["name"] == "kubernetes" and it["metadata"]["namespace"] == "default" for it in listed)


@case("Services should complete a service status lifecycle")
def service_status(cluster):
    resource = Resource(cluster, "v1", "services")
    name, static = unique("test-service"), "test-service-static=true"
    since = resource.all(static)["metadata"]["resourceVersion"]
    body = service(name, {"test-service-static": "true"}, type="LoadBalancer", loadBalancerClass="example.com/internal-vip")
    resource.create(body)
    with resource.watch(static, resourceVersion=since) as watch:
        seen = watch.wait("ADDED", name)
        equal(seen["metadata"]["labels"]["test-service-static"], "true")
        equal([(it["name"], it["port"], it["targetPort"], it["protocol"]) for it in seen["spec"]["ports"]], [("http", 80, 80, "TCP")])
        got = resource.get(name, "status")
        equal(got["status"]["loadBalancer"], {}, "nobody balances it yet")
        survives_protobuf(resource, name)
        patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}}
        resource.patch(name, patch, part="status")
        seen = watch.wait("MODIFIED", name)
        equal(seen["metadata"]["annotations"]["patchedstatus"], "true")
        assert seen["status"]["loadBalancer"]["ingress"][0]["ip"] == "203.0.113.1", seen["status"]
        condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test", "lastTransitionTime": None}
        got = resource.change(name, lambda it: it["status"].setdefault("conditions", []).append(copy.deepcopy(condition)), "status")
        watch.wait("MODIFIED", name, lambda it: any(at["type"] == "StatusUpdate" and at["reason"] == "E2E" for at in it["status"]["conditions"]))
        whole = service("", {"test-service": "patched"})
        del whole["metadata"]["name"]
        del whole["spec"]["ports"]
        resource.patch(name, whole, STRATEGIC)
        watch.wait("MODIFIED", name, lambda it: it["metadata"]["labels"].get("test-service") == "patched")
        resource.delete(name)
        watch.wait("DELETED", name)
    resource.gone(name)


@case("Services should delete a collection of services")
def service_collection(cluster):
    resource = Resource(cluster, "v1", "services")
    for letter in "abc":
        labels = {"e2e-test-service": "e2e-svc"} if letter != "c" else {"e2e-test": "other"}
        resource.create(service(f"e2e-svc-{letter}", labels))
    equal(len(resource.items()), 3)
    resource.delete_all("e2e-test-service=e2e-svc")
    equal([it["metadata"]["name"] for it in resource.items()], ["e2e-svc-c"])

"""sig-network: Endpoints and EndpointSlices that controllers write."""

from harness import case, equal, found, until


def slices(cluster, service):
    return cluster.discovery.list_namespaced_endpoint_slice(cluster.ns, label_selector=f"kubernetes.io/service-name={service}").items


def lonely(cluster, name="example-empty-selector"):
    """A service whose selector matches no pod."""
    ports = [{"name": "example", "port": 80, "protocol": "TCP"}]
    body = {"metadata": {"name": name}, "spec": {"selector": {"matches": "nothing"}, "ports": ports}}
    cluster.core.create_namespaced_service(cluster.ns, body)
    return name


@case("EndpointsController should create and delete Endpoints for a Service with a selector that matches no pods")
def no_pods(cluster):
    name = lonely(cluster)
    until("its Endpoints", lambda: found(cluster.core.read_namespaced_endpoints, name, cluster.ns))
    endpoints = cluster.core.read_namespaced_endpoints(name, cluster.ns)
    equal(endpoints.subsets, None, "subsets")
    equal(endpoints.metadata.labels["endpoints.kubernetes.io/managed-by"], "endpoint-controller")
    cluster.core.delete_namespaced_service(name, cluster.ns)
    until("its Endpoints to go", lambda: not found(cluster.core.read_namespaced_endpoints, name, cluster.ns))


@case("EndpointSlice should create and delete EndpointSlices for a Service with a selector that matches no pods")
def no_pods_sliced(cluster):
    name = lonely(cluster)
    until("a slice", lambda: slices(cluster, name))
    (only,) = slices(cluster, name)
    equal(only.metadata.labels["endpointslice.kubernetes.io/managed-by"], "endpointslice-controller.k8s.io")
    equal(only.endpoints or [], [], "endpoints")
    service = cluster.core.read_namespaced_service(name, cluster.ns)
    owner = only.metadata.owner_references[0]
    equal((owner.kind, owner.uid, owner.controller), ("Service", service.metadata.uid, True))
    cluster.core.delete_namespaced_service(name, cluster.ns)
    until("the slices to go", lambda: not slices(cluster, name))


@case("EndpointSliceMirroring should mirror a custom Endpoints resource through create update and delete")
def mirrored(cluster):
    name = "example-custom-endpoints"
    ports = [{"name": "example", "port": 80, "protocol": "TCP"}]
    cluster.core.create_namespaced_service(cluster.ns, {"metadata": {"name": name}, "spec": {"ports": ports}})

    def custom(address):
        return {"metadata": {"name": name}, "subsets": [{"ports": [{"port": 80}], "addresses": [{"ip": address}]}]}

    def shows(address):
        return [
            ([port.port for port in it.ports], [end.addresses for end in it.endpoints]) for it in slices(cluster, name)
        ] == [([80], [[address]])]

    cluster.core.create_namespaced_endpoints(cluster.ns, custom("10.1.2.3"))
    until("the mirror", lambda: shows("10.1.2.3"))
    label = slices(cluster, name)[0].metadata.labels["endpointslice.kubernetes.io/managed-by"]
    equal(label, "endpointslicemirroring-controller.k8s.io")
    cluster.core.replace_namespaced_endpoints(name, cluster.ns, custom("10.2.3.4"))
    until("the change in the mirror", lambda: shows("10.2.3.4"))
    cluster.core.delete_namespaced_endpoints(name, cluster.ns)
    until("the mirror to go", lambda: not slices(cluster, name))

"""A kubelet's own server, played by the test for one of its nodes: it says what containers printed. Like a real one it
asks the cluster for its certificate, and answers only who comes with one of the cluster."""

import base64
import contextlib
import urllib.parse

import identities
import yaml
from answering import serving
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from harness import until
from node import ADDRESS
from resource import STRATEGIC, Resource, unique


def requested(cluster, node):
    """A certificate for the node's address, asked for as the node and approved by the administrator; and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"), x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node.name}")])
    names = x509.SubjectAlternativeName([x509.DNSName(node.name), x509.IPAddress(identities.ipaddress.ip_address(ADDRESS))])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).add_extension(names, False).sign(key, hashes.SHA256())
    requests = Resource(cluster, "certificates.k8s.io/v1", "certificatesigningrequests", namespaced=False)
    usages = ["digital signature", "server auth"]
    encoded = base64.b64encode(request.public_bytes(identities.PEM)).decode()
    body = {"metadata": {"name": unique("csr")}, "spec": {"request": encoded, "signerName": "kubernetes.io/kubelet-serving", "usages": usages}}
    as_node = {"Impersonate-User": f"system:node:{node.name}", "Impersonate-Group": "system:nodes"}
    made = cluster.ok("POST", requests.path(), body, headers=as_node)["metadata"]["name"]
    approved = {"type": "Approved", "status": "True", "reason": "E2E", "message": "the test says so"}
    requests.change(made, lambda it: it["status"].setdefault("conditions", []).append(approved), "approval")
    issued = until("the certificate", lambda: requests.get(made).get("status", {}).get("certificate"))
    requests.delete(made)
    return base64.b64decode(issued), identities.pem(key)


def authority(cluster):
    """Of the cluster's clients, as the kubeconfig has it."""
    with open(cluster.kubeconfig) as file:
        data = yaml.safe_load(file)["clusters"][0]["cluster"]["certificate-authority-data"]
    return base64.b64decode(data).decode()


@contextlib.contextmanager
def printing(cluster, node, printed):
    """A kubelet for this node while the block runs; `printed(pod, container, query)` is what there is to read, told
    what of it is asked for."""

    def tell(asked):
        parts = asked.path.strip("/").split("/")
        if asked.method == "GET" and parts[0] == "containerLogs" and len(parts) == 4:
            query = {key: values[0] for key, values in urllib.parse.parse_qs(asked.query).items()}
            return 200, {"Content-Type": "text/plain"}, printed(parts[2], parts[3], query)
        return 404, {}, "404 page not found"

    certificate, key = requested(cluster, node)
    with serving(ADDRESS, 0, tell, identities.context(certificate, key, authority(cluster))) as port:
        endpoint = {"daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}
        node.nodes.patch(node.name, {"status": endpoint}, STRATEGIC, "status")
        yield

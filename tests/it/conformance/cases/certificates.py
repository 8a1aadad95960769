"""sig-auth: requests for certificates."""

import base64
import subprocess
import tempfile

from harness import case, equal
from resource import Resource, discovered, operates, unique

API = "certificates.k8s.io/v1"


def openssl(*words):
    return subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=120).stdout


def request_and_certificate():
    with tempfile.TemporaryDirectory(prefix="teu-e2e-") as folder:
        key, subject = f"{folder}/key", ["-subj", "/CN=e2e.example.com", "-addext", "subjectAltName=DNS:e2e.example.com"]
        new = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, *subject]
        return tuple(base64.b64encode(openssl(*words)).decode() for words in (new, [*new, "-x509", "-days", "1"]))


@case("Certificates API [Privileged:ClusterAdmin] should support CSR API operations")
def operations(cluster):
    parts = [f"certificatesigningrequests{part}" for part in ("", "/approval", "/status")]
    discovered(cluster, API, *parts)
    request, certificate = request_and_certificate()
    signer = f"example.com/{unique('e2e')}"
    template = {
        "metadata": {"generateName": "e2e-example-csr-"},
        "spec": {
            "request": request,
            "signerName": signer,
            "expirationSeconds": 3600,
            "usages": ["digital signature", "key encipherment", "server auth"],
        },
    }

    def status(resource, name, uid):
        got = resource.get(name)
        equal(got["spec"]["expirationSeconds"], 3600)
        got = resource.get(name, "approval")
        equal((got["kind"], got["apiVersion"], got["metadata"]["uid"]), ("CertificateSigningRequest", API, uid))
        condition = {"type": "ApprovalPatch", "status": "True", "reason": "e2e"}
        patch = {"metadata": {"annotations": {"patchedapproval": "true"}}, "status": {"conditions": [condition]}}
        got = resource.patch(name, patch, part="approval")
        equal([it["type"] for it in got["status"]["conditions"]], ["ApprovalPatch"])
        equal(got["metadata"]["annotations"]["patchedapproval"], "true")
        times = {"lastUpdateTime": None, "lastTransitionTime": None}
        got["status"]["conditions"].append(
            {"type": "Approved", "status": "True", "reason": "E2E", "message": "Set from an e2e test", **times}
        )
        got = resource.update(got, "approval")
        equal([it["type"] for it in got["status"]["conditions"]], ["ApprovalPatch", "Approved"])
        assert all(it["lastUpdateTime"] for it in got["status"]["conditions"]), got["status"]

        got = resource.get(name, "status")
        equal((got["kind"], got["apiVersion"], got["metadata"]["uid"]), ("CertificateSigningRequest", API, uid))
        patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"certificate": certificate}}
        got = resource.patch(name, patch, part="status")
        equal(got["status"]["certificate"], certificate)
        equal(got["metadata"]["annotations"]["patchedstatus"], "true")
        got["status"]["conditions"].append({"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from an e2e test"})
        got = resource.update(got, "status")
        equal([it["type"] for it in got["status"]["conditions"]], ["ApprovalPatch", "Approved", "StatusUpdate"])

    resource = Resource(cluster, API, "certificatesigningrequests", namespaced=False)
    one = lambda name: {"fieldSelector": f"metadata.name={name}"}  # noqa: E731
    operates(resource, [template] * 3, fields=f"spec.signerName={signer}", selected_watch=one, status=status)

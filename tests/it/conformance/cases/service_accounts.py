"""sig-auth: service accounts, their tokens, what a namespace has for them."""

import base64
import json
import urllib.parse

import urllib3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from harness import case, equal, found, until
from resource import STRATEGIC, Resource, survives_protobuf

MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def accounts(cluster):
    return Resource(cluster, "v1", "serviceaccounts")


@case("ServiceAccounts should run through the lifecycle of a ServiceAccount")
def lifecycle(cluster):
    name, label = "testserviceaccount", "test-serviceaccount-static"
    made = accounts(cluster).create({"metadata": {"name": name, "labels": {label: "true"}}})
    equal(accounts(cluster).get(name)["metadata"]["uid"], made["metadata"]["uid"])
    survives_protobuf(accounts(cluster), name)
    with accounts(cluster).watch(f"{label}=true", timeoutSeconds=180) as watch:
        watch.wait("ADDED", name)
        # As client-go writes an account with one field.
        patch = {"metadata": {"creationTimestamp": None}, "automountServiceAccountToken": False}
        accounts(cluster).patch(name, patch, STRATEGIC)
        watch.wait("MODIFIED", name)
        listed = accounts(cluster).items(f"{label}=true", everywhere=True)
        mine = [it for it in listed if it["metadata"]["namespace"] == cluster.ns]
        equal([it["automountServiceAccountToken"] for it in mine], [False])
        accounts(cluster).delete_all()
        watch.wait("DELETED", name)


@case("ServiceAccounts should update a ServiceAccount")
def update(cluster):
    made = accounts(cluster).create({"metadata": {"name": "e2e-sa"}, "automountServiceAccountToken": False})
    equal(made["automountServiceAccountToken"], False)
    got = accounts(cluster).change("e2e-sa", lambda it: it.update(automountServiceAccountToken=True))
    equal(got["automountServiceAccountToken"], True)


@case("ServiceAccounts should allow opting out of API token automount")
def opting_out(cluster):
    for name, mounts in (("mount", True), ("nomount", False)):
        accounts(cluster).create({"metadata": {"name": name}, "automountServiceAccountToken": mounts})
    pods = Resource(cluster, "v1", "pods")
    for account, by_account in (("default", None), ("mount", True), ("nomount", False)):
        for by_pod in (None, True, False):
            spec = {
                "containers": [{"name": "token-test", "image": "agnhost"}],
                "restartPolicy": "Never",
                "serviceAccountName": account,
            }
            if by_pod is not None:
                spec["automountServiceAccountToken"] = by_pod
            pod = pods.create({"metadata": {"generateName": "pod-service-account-"}, "spec": spec})
            mounted = any(at["mountPath"] == MOUNT for at in pod["spec"]["containers"][0].get("volumeMounts", []))
            equal(mounted, by_account is not False if by_pod is None else by_pod, f"{account}, {by_pod}")


@case("ServiceAccounts should guarantee kube-root-ca.crt exist in any namespace")
def root(cluster):
    name = "kube-root-ca.crt"

    def read():
        return found(cluster.core.read_namespaced_config_map, name, cluster.ns)

    first = until("it is there", read)
    cluster.core.delete_namespaced_config_map(name, cluster.ns, grace_period_seconds=0)
    second = until("it is there again", read)
    assert first.metadata.uid != second.metadata.uid
    cluster.ok("PUT", f"/api/v1/namespaces/{cluster.ns}/configmaps/{name}", {"metadata": {"name": name}, "data": {"ca.crt": ""}})
    until("it is as it was", lambda: (lambda it: it and it.data and it.data["ca.crt"] == first.data["ca.crt"])(read()))


@case("ServiceAccounts should create a serviceAccountToken and ensure a successful TokenReview")
def token(cluster):
    account = accounts(cluster).create({"metadata": {"name": "e2e-sa"}})
    request = {"spec": {"audiences": None, "expirationSeconds": 3600, "boundObjectRef": None}}
    path = accounts(cluster).path("e2e-sa", "token")
    answer = cluster.ok("POST", path, request)
    equal((answer["kind"], answer["apiVersion"]), ("TokenRequest", "authentication.k8s.io/v1"))
    review = {"metadata": {"name": "e2e-sa"}, "spec": {"token": answer["status"]["token"]}}
    status = cluster.ok("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]
    equal(status["authenticated"], True)
    equal(status.get("error", ""), "")
    equal(status["user"]["username"], f"system:serviceaccount:{cluster.ns}:e2e-sa")
    equal(status["user"]["uid"], account["metadata"]["uid"])
    for group in ("system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{cluster.ns}"):
        assert group in status["user"]["groups"], status
    refused = cluster.ok("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": "none"}})["status"]
    assert not refused.get("authenticated"), refused


@case("SubjectReview should support SubjectReview API operations")
def subject(cluster):
    account = accounts(cluster).create({"metadata": {"name": "e2e"}})
    user, uid = f"system:serviceaccount:{cluster.ns}:e2e", account["metadata"]["uid"]
    groups = ["system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{cluster.ns}"]
    attributes = {"verb": "list", "resource": "configmaps", "namespace": cluster.ns, "version": "v1"}

    def allowed(kind, name, ns=None):
        path = "/apis/authorization.k8s.io/v1" + (f"/namespaces/{ns}" if ns else "") + f"/{kind}"
        meta = {"namespace": ns} if ns else {}
        spec = {"resourceAttributes": attributes, "user": name, "groups": groups, "uid": uid}
        return cluster.ok("POST", path, {"metadata": meta, "spec": spec})["status"]["allowed"]

    as_it = {"Impersonate-User": user, "Impersonate-Uid": uid}
    # A header for each group, as client-go sends them.
    headers = urllib3.HTTPHeaderDict({"Accept": "application/json", **as_it})
    for group in groups:
        headers.add("Impersonate-Group", group)
    url = f"{cluster.server}/api/v1/namespaces/{cluster.ns}/configmaps"

    def really():
        answer = cluster.api.rest_client.pool_manager.request("GET", url, headers=headers)
        assert answer.status in (200, 403), answer.data
        return answer.status == 200

    equal(allowed("subjectaccessreviews", user), False)
    equal(really(), False)
    equal(allowed("localsubjectaccessreviews", "e2e", cluster.ns), False)
    binding = {
        "metadata": {"name": "view"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "e2e", "namespace": cluster.ns}],
    }
    cluster.ok("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{cluster.ns}/rolebindings", binding)
    until("the binding holds", lambda: allowed("subjectaccessreviews", user))
    equal(really(), True)
    equal(allowed("localsubjectaccessreviews", user, cluster.ns), True)


def decoded(text):
    """Base64 without its padding, as tokens have it."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verified(token, keys):
    """The claims of a token that one of these published keys signed; as an OIDC client does it."""
    head, claims, signature = token.split(".")
    kind = json.loads(decoded(head))
    (key,) = [it for it in keys if it["kid"] == kind["kid"]]
    number = lambda name: int.from_bytes(decoded(key[name]), "big")  # noqa: E731
    signed, signature = f"{head}.{claims}".encode(), decoded(signature)
    if kind["alg"] == "RS256":
        rsa.RSAPublicNumbers(number("e"), number("n")).public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    else:
        equal(kind["alg"], "ES256")
        halves = [int.from_bytes(signature[at : at + 32], "big") for at in (0, 32)]
        public = ec.EllipticCurvePublicNumbers(number("x"), number("y"), ec.SECP256R1()).public_key()
        public.verify(utils.encode_dss_signature(*halves), signed, ec.ECDSA(hashes.SHA256()))
    return json.loads(decoded(claims))


@case("ServiceAccounts ServiceAccountIssuerDiscovery should support OIDC discovery of service account issuer")
def issuer(cluster):
    audience = "oidc-discovery-test"
    # What a projected volume gives a container.
    asked = {"spec": {"audiences": [audience], "expirationSeconds": 7200}}
    for_discovery = cluster.ok("POST", accounts(cluster).path("default", "token"), asked)["status"]["token"]
    usual = cluster.ok("POST", accounts(cluster).path("default", "token"), {"spec": {"audiences": None}})["status"]["token"]
    # The container's own client: it has its account's rights, and no others.
    own = {"Authorization": f"Bearer {usual}"}
    said = cluster.bare("GET", "/.well-known/openid-configuration", None, own)
    unsafe = json.loads(decoded(for_discovery.split(".")[1]))
    equal(said["issuer"], unsafe["iss"], "the issuer")
    equal(said["response_types_supported"], ["id_token"])
    assert said["jwks_uri"].startswith("https://"), said
    keys = cluster.bare("GET", urllib.parse.urlparse(said["jwks_uri"]).path, None, own)["keys"]
    claims = verified(for_discovery, keys)
    assert json.loads(decoded(for_discovery.split(".")[0]))["alg"] in said["id_token_signing_alg_values_supported"], said
    equal((claims["aud"], claims["sub"]), ([audience], f"system:serviceaccount:{cluster.ns}:default"))
    inside = claims["kubernetes.io"]
    equal((inside["namespace"], inside["serviceaccount"]["name"]), (cluster.ns, "default"))
    try:
        verified(for_discovery[:-8] + "AAAAAAAA", keys)
    except InvalidSignature:
        return
    raise AssertionError("a changed token was believed")

"""sig-node and sig-storage: Secrets, without a node."""

import base64

from harness import case, equal, fails
from resource import STRATEGIC, Resource, survives_protobuf


def coded(text):
    return base64.b64encode(text.encode()).decode()


@case("Secrets should fail to create secret due to empty secret key")
def empty_key(cluster):
    body = {"metadata": {"name": "emptykey"}, "data": {"": coded("value-1\n")}}
    equal(fails(422, cluster.core.create_namespaced_secret, cluster.ns, body)["reason"], "Invalid")


@case("Secrets should patch a secret")
def patch(cluster):
    secrets = Resource(cluster, "v1", "secrets")
    body = {"metadata": {"name": "test", "labels": {"testsecret-constant": "true"}}, "data": {"key": coded("value")}, "type": "Opaque"}
    secrets.create(body)
    listed = secrets.items("testsecret-constant=true", everywhere=True)
    assert any(it["metadata"]["name"] == "test" and it["metadata"]["namespace"] == cluster.ns for it in listed)
    survives_protobuf(secrets, "test")
    change = {"metadata": {"labels": {"testsecret": "true"}}, "data": {"key": coded("value1")}}
    secrets.patch("test", change, STRATEGIC)
    got = secrets.get("test")
    equal(got["data"], {"key": coded("value1")})
    equal(got["metadata"]["labels"], {"testsecret": "true", "testsecret-constant": "true"})
    secrets.delete_all("testsecret=true")
    equal(secrets.items("testsecret-constant=true"), [])


@case("Secrets should be immutable if `immutable` field is set")
def immutable(cluster):
    core = cluster.core
    made = core.create_namespaced_secret(cluster.ns, {"metadata": {"name": "one"}, "data": {"key": coded("value")}})
    made.data["key"] = coded("value-2")
    made = core.replace_namespaced_secret("one", cluster.ns, made)
    made.immutable = True
    made = core.replace_namespaced_secret("one", cluster.ns, made)
    made.data["key"] = coded("value-3")
    equal(fails(422, core.replace_namespaced_secret, "one", cluster.ns, made)["reason"], "Invalid")
    made = core.read_namespaced_secret("one", cluster.ns)
    made.immutable = False
    equal(fails(422, core.replace_namespaced_secret, "one", cluster.ns, made)["reason"], "Invalid")
    made.immutable = True
    made.metadata.labels = {"still": "changes"}
    core.replace_namespaced_secret("one", cluster.ns, made)
    core.delete_namespaced_secret("one", cluster.ns)

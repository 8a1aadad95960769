"""Custom resource definitions for cases: made under names that nobody else has, and taken away again."""

import contextlib
import uuid

from harness import until

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "mygroup.example.com"


def allow_all():
    """A schema that takes anything."""
    return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def version(name, schema=None, storage=True, **more):
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": allow_all() if schema is None else schema},
        **more,
    }


def definition(versions=None, group=GROUP, scope="Cluster", labels=None, **spec):
    """A definition with a random name."""
    name = f"foo{uuid.uuid4().hex[:8]}a"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{name}s.{group}", "labels": labels or {}},
        "spec": {
            "group": group,
            "scope": scope,
            "versions": versions or [version("v1beta1")],
            "names": {"plural": f"{name}s", "singular": name, "kind": name, "listKind": f"{name}List"},
            **spec,
        },
    }


class Custom:
    """A resource that a definition made."""

    def __init__(self, cluster, body):
        self.cluster, self.body = cluster, body
        self.name, self.spec = body["metadata"]["name"], body["spec"]
        self.kind, self.plural, self.group = self.spec["names"]["kind"], self.spec["names"]["plural"], self.spec["group"]
        self.at = f"{DEFINITIONS}/{self.name}"

    def path(self, version, name=""):
        """Of its objects, or of one; in the case's namespace, if they are in one."""
        below = f"namespaces/{self.cluster.ns}/" if self.spec["scope"] == "Namespaced" else ""
        return f"/apis/{self.group}/{version}/{below}{self.plural}" + (f"/{name}" if name else "")

    def object(self, version, name, **more):
        metadata = {"name": name, **more.pop("metadata", {})}
        return {"apiVersion": f"{self.group}/{version}", "kind": self.kind, "metadata": metadata, **more}

    def is_discovered(self, version):
        """Whether discovery names it in a version."""
        answer = self.cluster.call("GET", f"/apis/{self.group}/{version}")
        assert answer.status in (200, 404), answer
        return answer.status == 200 and any(it["name"] == self.plural for it in answer.json()["resources"])

    def wait(self):
        """Until discovery names all that is served."""
        for served in (it["name"] for it in self.spec["versions"] if it["served"]):
            until(f"{self.name} in {served}", lambda: self.is_discovered(served))

    def delete(self):
        """Takes it away, and waits until discovery has forgotten it."""
        answer = self.cluster.call("DELETE", self.at)
        assert answer.status in (200, 404), answer
        until(f"the end of {self.name}", lambda: self.cluster.call("GET", self.at).status == 404)
        for version in self.spec["versions"]:
            until(f"{self.name} forgotten", lambda: not self.is_discovered(version["name"]))


@contextlib.contextmanager
def defined(cluster, body):
    """A definition while the block runs."""
    custom = Custom(cluster, cluster.ok("POST", DEFINITIONS, body))
    try:
        custom.wait()
        yield custom
    finally:
        custom.delete()

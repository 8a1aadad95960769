"""sig-api-machinery: what a strict request may not say, in the real server's words."""

import contextlib

from definitions import allow_all, defined, definition, version
from harness import case

STRICT = {"fieldManager": "field_validation_mgr", "fieldValidation": "Strict"}

# Twice `replicas`, once a field that there is not: as text, for no JSON library would write it.
TWICE = """{
  "apiVersion": "apps/v1", "kind": "Deployment",
  "metadata": {"name": "my-dep", "labels": {"app": "nginx"}},
  "spec": {
    "unknownField": "foo", "replicas": 2, "replicas": 3,
    "selector": {"matchLabels": {"app": "nginx"}},
    "template": {
      "metadata": {"labels": {"app": "nginx"}},
      "spec": {"containers": [{"name": "nginx", "image": "nginx:latest"}]}
    }
  }
}"""

SPEC = {
    "foo": {"type": "string"},
    "cronSpec": {"type": "string", "pattern": "^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$"},
    "ports": {
        "type": "array",
        "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
        "x-kubernetes-list-type": "map",
        "items": {
            "type": "object",
            "required": ["containerPort", "protocol"],
            "properties": {
                "containerPort": {"type": "integer", "format": "int32"},
                "hostIP": {"type": "string"},
                "hostPort": {"type": "integer", "format": "int32"},
                "name": {"type": "string"},
                "protocol": {"type": "string"},
            },
        },
    },
}
EMBEDDED = {
    "type": "object",
    "x-kubernetes-embedded-resource": True,
    "properties": {
        "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
        "spec": {"type": "object"},
    },
}


def schema(more=None, **flags):
    spec = {"type": "object", "properties": {**SPEC, **(more or {})}, **flags}
    return {"type": "object", "properties": {"spec": spec}}


@contextlib.contextmanager
def served(cluster, schema):
    """A resource of two versions by this schema. What holds its object back goes with it."""
    status = {"subresources": {"status": {}}}
    versions = [version("v1beta1", schema, storage=False, **status), version("v1", schema, **status)]
    with defined(cluster, definition(versions)) as custom:
        try:
            yield custom
        finally:
            free = {"metadata": {"finalizers": None}}
            cluster.call("PATCH", custom.path("v1", "mytest"), free, kind="application/merge-patch+json")


def applied(cluster, custom, text):
    """The answer to applying a configuration, written as YAML from its second line on."""
    text = text.replace("HEAD", f"\napiVersion: {custom.group}/v1beta1\nkind: {custom.kind}\nmetadata:\n  name: mytest")
    return cluster.call(
        "PATCH", custom.path("v1beta1", "mytest"), text, query=STRICT, kind="application/apply-patch+yaml"
    )


REST = """
  cronSpec: "* * * * */5"
  ports:
  - name: x
    containerPort: 80
    protocol: TCP"""


@case("FieldValidation should detect unknown and duplicate fields of a typed object")
def typed(cluster):
    status = cluster.refused(400, "POST", f"/apis/apps/v1/namespaces/{cluster.ns}/deployments", TWICE, query=STRICT)
    wanted = 'strict decoding error: unknown field "spec.unknownField", duplicate field "spec.replicas"'
    assert wanted in status["message"], status


@case("FieldValidation should detect unknown metadata fields of a typed object")
def typed_metadata(cluster):
    text = TWICE.replace('"unknownField": "foo", "replicas": 2,', "").replace('"my-dep",', '"my-dep", "unknownMeta": "foo",')
    status = cluster.refused(400, "POST", f"/apis/apps/v1/namespaces/{cluster.ns}/deployments", text, query=STRICT)
    assert 'strict decoding error: unknown field "metadata.unknownMeta"' in status["message"], status


@case("FieldValidation should create/apply a valid CR for CRD with validation schema")
def valid(cluster):
    with served(cluster, schema()) as custom:
        answer = applied(cluster, custom, "HEAD\n  finalizers:\n  - test-finalizer\nspec:\n  foo: foo1" + REST)
        assert answer.status == 201, answer


@case("FieldValidation should create/apply a CR with unknown fields for CRD with no validation schema")
def anything(cluster):
    with served(cluster, allow_all()) as custom:
        answer = applied(cluster, custom, "HEAD\n  finalizers:\n  - test-finalizer\nspec:\n  unknown: uk1" + REST)
        assert answer.status == 201, answer


@case("FieldValidation should create/apply an invalid CR with extra properties for CRD with validation schema")
def extra(cluster):
    text = "HEAD\n  finalizers:\n  - test-finalizer\nunknownField: unknown\nspec:\n  foo: foo1" + REST
    with served(cluster, schema()) as custom:
        answer = applied(cluster, custom, text)
        assert answer.status >= 400 and ".unknownField: field not declared in schema" in answer.json()["message"], answer


@case("FieldValidation should detect unknown metadata fields in both the root and embedded object of a CR")
def metadata(cluster):
    text = f"""HEAD
  unknownMeta: unknown
  finalizers:
  - test-finalizer
spec:
  template:
    apiversion: foo/v1
    kind: Sub
    metadata:
        unknownSubMeta: unknown
        name: subobject
        namespace: {cluster.ns}
  foo: foo1"""
    flags = {"x-kubernetes-preserve-unknown-fields": True}
    with served(cluster, schema({"template": EMBEDDED}, **flags)) as custom:
        answer = applied(cluster, custom, text + REST)
        message = answer.json()["message"]
        assert answer.status >= 400, answer
        for wanted in (
            ".spec.template.metadata.unknownSubMeta: field not declared in schema",
            ".metadata.unknownMeta: field not declared in schema",
        ):
            assert wanted in message, answer


@case("FieldValidation should detect duplicates in a CR when preserving unknown fields")
def duplicates(cluster):
    text = "HEAD\n  finalizers:\n  - test-finalizer\nspec:\n  unknown: uk1\n  foo: foo1\n  foo: foo2" + REST
    with served(cluster, schema(**{"x-kubernetes-preserve-unknown-fields": True})) as custom:
        answer = applied(cluster, custom, text)
        assert answer.status == 400, answer
        # The line is that of the text, which begins with an empty one.
        assert b'line 11: key \\"foo\\" already set in map' in answer.body, answer

"""sig-api-machinery: the OpenAPI documents tell of custom resources, as a client that reads them sees it."""

import contextlib
import json
import re
import uuid

import yaml
from definitions import allow_all, defined, definition, version
from harness import case, equal, until

NAME = "CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] "
JSON_PATCH = "application/json-patch+json"

FOO = yaml.safe_load("""
description: Foo CRD for Testing
type: object
properties:
  spec:
    type: object
    description: Specification of Foo
    properties:
      bars:
        description: List of Bars and their specs.
        type: array
        items:
          type: object
          required: [name]
          properties:
            name: {description: Name of Bar., type: string}
            age: {description: Age of Bar., type: string}
            feeling: {description: Whether Bar is feeling great., type: string, enum: [Great, Down]}
            bazs: {description: List of Bazs., items: {type: string}, type: array}
  status:
    description: Status of Foo
    type: object
    properties:
      bars:
        description: List of Bars and their statuses.
        type: array
        items:
          type: object
          properties:
            name: {description: Name of Bar., type: string}
            available: {description: Whether the Bar is installed., type: boolean}
            quxType: {description: Indicates to external qux type., pattern: in-tree|out-of-tree, type: string}
""")
WALDO = yaml.safe_load("""
description: Waldo CRD for Testing
type: object
properties:
  spec:
    description: Specification of Waldo
    type: object
    properties:
      dummy: {description: Dummy property., type: object}
  status:
    description: Status of Waldo
    type: object
    properties:
      bars: {description: List of Bars and their statuses., type: array, items: {type: object}}
""")
PRESERVE = {"x-kubernetes-preserve-unknown-fields": True}
AT_ROOT = {**WALDO, **PRESERVE, "description": "preserve-unknown-properties at root for Testing"}
NESTED = {
    **WALDO,
    "description": "preserve-unknown-properties in nested field for Testing",
    "properties": {**WALDO["properties"], "spec": {**WALDO["properties"]["spec"], **PRESERVE}},
}


class Published:
    """The definitions of `/openapi/v2`, fetched again only when they changed, as the suite does."""

    def __init__(self, cluster):
        self.cluster, self.tag, self.found = cluster, None, {}

    def read(self):
        # No `Accept`: that gets JSON, too.
        headers = {"Accept": None, "If-None-Match": self.tag}
        answer = self.cluster.api.rest_client.pool_manager.request(
            "GET", f"{self.cluster.server}/openapi/v2", headers={name: value for name, value in headers.items() if value}
        )
        if answer.status != 304:
            assert answer.status == 200, answer.status
            self.tag, self.found = answer.headers["ETag"], json.loads(answer.data)["definitions"]
        return self.found

    def waits_for(self, name, schema):
        def fits():
            found = self.read().get(name)
            return found is not None and (schema is None or stripped(found) == schema)

        try:
            until(name, fits)
        except AssertionError:
            equal(stripped(self.found.get(name, {})), schema, name)
            raise

    def waits_for_end(self, name):
        until(f"the end of {name}", lambda: name not in self.read())


def stripped(schema):
    """Without what the server adds to every custom resource."""
    schema = json.loads(json.dumps(schema))
    schema.pop("x-kubernetes-group-version-kind", None)
    for name in "metadata", "apiVersion", "kind":
        schema.get("properties", {}).pop(name, None)
    if not schema.get("properties"):
        schema.pop("properties", None)
    return schema


def named(custom, version):
    """What OpenAPI calls it: the group's words backwards."""
    return f"{'.'.join(reversed(custom.group.split('.')))}.{version}.{custom.kind}"


@contextlib.contextmanager
def published(cluster, schema, suffix, *versions, expect=True):
    """A resource by this schema in some versions, once the document tells of it; after that it must be forgotten."""
    group = f"crd-publish-openapi-test-{suffix}-{cluster.ns}.example.com"
    name = f"e2e-test-crd-publish-openapi-{uuid.uuid4().hex[:6]}-crd"
    kind = name.capitalize()
    body = definition(
        [version(it, schema or allow_all(), storage=it == versions[0]) for it in versions],
        group=group,
        scope="Namespaced",
        names={"plural": f"{name}s", "singular": name, "kind": kind, "listKind": f"{kind}List"},
    )
    body["metadata"]["name"] = f"{name}s.{group}"
    document = Published(cluster)
    with defined(cluster, body) as custom:
        for it in versions:
            document.waits_for(named(custom, it), (schema or {"type": "object"}) if expect else None)
        yield custom, document
        served = cluster.ok("GET", custom.at)["spec"]["versions"]
    for it in served:
        document.waits_for_end(named(custom, it["name"]))


def create_apply_delete(cluster, custom, name, **body):
    """kubectl makes and unmakes an object, both ways."""
    text = json.dumps(custom.object("v1", name, **body))
    for verb in "create", "apply":
        cluster.kubectl(verb, "-f", "-", stdin=text)
        cluster.kubectl("delete", custom.plural, name)


def explains(cluster, what, pattern):
    text = cluster.kubectl("explain", what)
    assert re.search(pattern, text, re.DOTALL), f"explain {what}: {text}"


@case(NAME + "works for CRD with validation schema")
def with_schema(cluster):
    with published(cluster, FOO, "foo", "v1") as (custom, _):
        create_apply_delete(cluster, custom, "test-foo", spec={"bars": [{"name": "test-bar"}]})
        for body, wanted in (
            ({"bars": [{"name": "test-bar", "feeling": "NonExistentValue"}]}, 'Unsupported value: "NonExistentValue"'),
            ({"foo": True}, 'unknown field "spec.foo"'),
            ({"bars": [{"age": "10"}]}, "spec.bars[0].name: Required value"),
        ):
            text = json.dumps(custom.object("v1", "test-foo", spec=body))
            for verb in "create", "apply":
                said = cluster.kubectl(verb, "-f", "-", stdin=text, fails=True)
                assert wanted in said, said
        spec = f"{custom.plural}.spec"
        explains(
            cluster,
            custom.plural,
            "DESCRIPTION:.*Foo CRD for Testing.*FIELDS:.*apiVersion.*<string>.*APIVersion defines.*spec.*<Object>.*Specification of Foo",
        )
        explains(
            cluster,
            f"{custom.plural}.metadata",
            "DESCRIPTION:.*Standard object's metadata.*FIELDS:.*creationTimestamp.*<string>.*CreationTimestamp is a timestamp",
        )
        explains(cluster, spec, r"DESCRIPTION:.*Specification of Foo.*FIELDS:.*bars.*<\[\]Object>.*List of Bars and their specs")
        explains(
            cluster,
            f"{spec}.bars",
            r"(FIELD|RESOURCE):.*bars.*<\[\]Object>.*DESCRIPTION:.*List of Bars and their specs.*FIELDS:"
            r".*bazs.*<\[\]string>.*List of Bazs.*name.*<string>.*Name of Bar",
        )
        said = cluster.kubectl("explain", f"{spec}.bars2", fails=True)
        assert 'field "bars2" does not exist' in said, said


@case(NAME + "works for CRD without validation schema")
def without_schema(cluster):
    with published(cluster, None, "empty", "v1") as (custom, _):
        create_apply_delete(cluster, custom, "test-cr", a={"b": [{"c": "d"}]})
        explains(cluster, custom.plural, "DESCRIPTION:.*<empty>")


@case(NAME + "works for CRD preserving unknown fields at the schema root")
def preserving_at_root(cluster):
    with published(cluster, AT_ROOT, "unknown-at-root", "v1", expect=False) as (custom, _):
        create_apply_delete(cluster, custom, "test-cr", a={"b": [{"c": "d"}]})
        explains(cluster, custom.plural, f"KIND:.*{custom.kind}")


@case(NAME + "works for CRD preserving unknown fields in an embedded object")
def preserving_nested(cluster):
    with published(cluster, NESTED, "unknown-in-nested", "v1", expect=False) as (custom, _):
        create_apply_delete(cluster, custom, "test-cr", spec={"a": None, "b": [{"c": "d"}]})
        explains(cluster, custom.plural, "DESCRIPTION:.*preserve-unknown-properties in nested field for Testing")


@case(NAME + "works for multiple CRDs of different groups")
def groups(cluster):
    with published(cluster, FOO, "foo", "v1") as (foo, document), published(cluster, WALDO, "waldo", "v1beta1") as (waldo, _):
        assert foo.group != waldo.group
        document.waits_for(named(waldo, "v1beta1"), WALDO)
        document.waits_for(named(foo, "v1"), FOO)


@case(NAME + "works for multiple CRDs of same group but different versions")
def versions(cluster):
    with published(cluster, FOO, "multi-ver", "v2", "v3") as (custom, document):
        for it in "v3", "v2":
            document.waits_for(named(custom, it), FOO)
    two_of_a_group(cluster, "v4", "v5")


@case(NAME + "works for multiple CRDs of same group and version but different kinds")
def kinds(cluster):
    two_of_a_group(cluster, "v6", "v6")


def two_of_a_group(cluster, first, second):
    with published(cluster, FOO, "common-group", first) as (foo, document):
        with published(cluster, WALDO, "common-group", second) as (waldo, _):
            equal(foo.group, waldo.group)
            document.waits_for(named(waldo, second), WALDO)
            document.waits_for(named(foo, first), FOO)


@case(NAME + "updates the published spec when one version gets renamed")
def renamed(cluster):
    with published(cluster, FOO, "multi-ver", "v2", "v3") as (custom, document):
        at = "/spec/versions/1/name"
        patch = [{"op": "test", "path": at, "value": "v3"}, {"op": "replace", "path": at, "value": "v4"}]
        cluster.ok("PATCH", custom.at, patch, kind=JSON_PATCH)
        document.waits_for(named(custom, "v4"), FOO)
        document.waits_for_end(named(custom, "v3"))
        document.waits_for(named(custom, "v2"), FOO)


@case(NAME + "removes definition from spec when one version gets changed to not be served")
def not_served(cluster):
    with published(cluster, FOO, "multi-to-single-ver", "v5", "v6alpha1") as (custom, document):
        found = cluster.ok("GET", custom.at)
        found["spec"]["versions"][1]["served"] = False
        cluster.ok("PUT", custom.at, found)
        document.waits_for_end(named(custom, "v6alpha1"))
        document.waits_for(named(custom, "v5"), FOO)

"""Ours, not the suite's: every verb of `kubectl` on every built-in resource, and resources of several versions."""

import base64
import functools
import json
import os
import pathlib
import random
import subprocess
import tempfile

from cases.certificates import openssl
from harness import case, equal, until
from resource import Resource, unique

EVERY = pathlib.Path(__file__).parent.parent / "every.yaml"
# What is asked and not kept, what takes part in other objects, and what needs a request for a certificate.
NOT_KEPT = {"bindings", "componentstatuses", "apiservices", "certificatesigningrequests", "podcertificaterequests"}


def built_in(cluster, *words):
    """Plural, version and kind of every resource that is not some other case's own."""
    lines = cluster.kubectl("api-resources", "--no-headers", *words, namespace=False).splitlines()
    for line in lines:
        plural, version, kind = line.split()[0], *line.split()[-3::2]
        group = version.rpartition("/")[0]
        if "." not in group or group.endswith(".k8s.io"):
            yield plural, version, kind


def manifest(cluster, name):
    """The objects, as JSON that is YAML. The bundle is a certificate of its own."""
    with tempfile.TemporaryDirectory(prefix="teu-e2e-") as folder:
        words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=e2e"]
        words += ["-keyout", f"{folder}/key", "-addext", "basicConstraints=critical,CA:TRUE"]
        bundle = openssl(*words).decode().replace("\n", "\\n")
    own = {"NAME": name, "SPACE": cluster.ns, "ADDRESS": f"192.0.2.{random.randrange(2, 255)}", "BUNDLE": bundle}
    text = EVERY.read_text()
    for word, value in own.items():
        text = text.replace(word, value)
    return text


def over(cluster, text):
    """kubectl over all these objects, and how many they are. `each` is what it has to say of every one."""
    count = text.count("apiVersion: ") - text.count("scaleTargetRef: {apiVersion")

    def run(*words, each=None, stdin=text, **more):
        said = cluster.kubectl(*words, stdin=stdin, **more)
        lines = [line for line in said.splitlines(True) if not line.startswith("Warning: ")]
        if each:
            equal(sum(each in line for line in lines), count, f"objects of {each!r} in {said}")
        return "".join(lines)

    return run, count


@case("kubectl: every verb on every built-in resource")
def every(cluster):
    name = unique("every")
    text = manifest(cluster, name)
    run, count = over(cluster, text)

    run("create", "-f", "-", "--dry-run=server", each="created (server dry run)")
    run("apply", "-f", "-", each=" created")
    run("diff", "-f", "-")
    # An atomic list with a default in it is `configured` each time, as in the real one.
    again = run("apply", "-f", "-").splitlines()
    equal(len([line for line in again if line.endswith((" unchanged", " configured"))]), count, "applied again")
    for kind in ("configmap", "service", "deployment.apps", "cronjob.batch", "role.rbac.authorization.k8s.io", "ingress.networking.k8s.io"):
        assert f"{kind}/{name} unchanged" in again, again
    run("apply", "--server-side", "--force-conflicts", "-f", "-", each="serverside-applied")

    shown = json.loads(run("get", "-f", "-", "-o", "json"))["items"]
    equal(len(shown), count)
    known = {it["kind"] for it in shown}
    makeable = built_in(cluster, "--verbs=create,list")
    missing = [plural for plural, _, kind in makeable if kind not in known and plural not in NOT_KEPT]
    equal(missing, [], "resources that this does not try")

    assert "apiVersion" in run("get", "-f", "-", "-o", "yaml")
    # Two columns at least, and a name in the first.
    wide = [line.split() for line in run("get", "-f", "-", "-o", "wide").splitlines() if line.strip()]
    assert all(len(line) >= 2 for line in wide if not line[0].startswith("NAME")), wide
    columns = run("get", "-f", "-", "-o", "custom-columns=K:.kind,N:.metadata.name").splitlines()
    equal(len(columns), count + 1)
    paths = run("get", "-f", "-", "-o", "jsonpath={range .items[*]}{.metadata.uid}{'\\n'}{end}").split()
    equal(len(set(paths)), count, "identities")
    # These `kubectl` 1.32 asks for in a version that no newer server has.
    old = ("kind: IPAddress", "kind: ServiceCIDR", "kind: VolumeAttributesClass")
    parts = [part for part in text.split("---\n") if not any(it in part for it in old)]
    described = run("describe", "-f", "-", stdin="---\n".join(parts))
    equal(sum(line.startswith("Name:") for line in described.splitlines()), count - len(old), "descriptions")

    run("label", "-f", "-", "tier=gold", each=" labeled")
    run("annotate", "-f", "-", "note=gold", each=" annotated")
    for kind, patch in (
        ("strategic", {"metadata": {"annotations": {"strategic": "1"}}}),
        ("merge", {"metadata": {"annotations": {"merge": "1"}}}),
        ("json", [{"op": "add", "path": "/metadata/annotations/json", "value": "1"}]),
    ):
        run("patch", "-f", "-", "--type", kind, "-p", json.dumps(patch), each=" patched")
    os.environ.setdefault("KUBE_EDITOR", "sed -i s/note:.gold/note:\\ silver/")
    run("edit", "-f", "-", each=" edited")
    notes = run("get", "-f", "-", "-o", "jsonpath={range .items[*]}{.metadata.annotations.note}{'\\n'}{end}").split()
    equal(notes, ["silver"] * count)
    run("wait", "-f", "-", "--for=jsonpath={.metadata.annotations.note}=silver", "--timeout=60s", each=" condition met")

    run("delete", "-f", "-", "--cascade=background", "--timeout=600s", each=" deleted")
    for cascade in ("foreground", "orphan"):
        run("create", "-f", "-", each=" created")
        run("delete", "-f", "-", f"--cascade={cascade}", "--timeout=600s", each=" deleted")
    assert not run("get", "-f", "-", "--ignore-not-found").strip()


@case("kubectl: lists, selectors, replacements, parts and rights of every built-in resource")
def every_more(cluster):
    name = unique("more")
    text = manifest(cluster, name)
    tell, count = over(cluster, text)

    def run(*words, **more):
        return [line for line in tell(*words, **more).splitlines() if line]

    run("create", "--save-config", "-f", "-", each=" created")
    shown = json.loads("\n".join(run("get", "-f", "-", "-o", "json")))["items"]
    for item in shown:
        item["metadata"].setdefault("labels", {})["run"] = name
        del item["metadata"]["resourceVersion"]
    run("replace", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": shown}), each=" replaced")
    run("get", "-f", "-", "-o", "yaml", "--show-managed-fields", each="    managedFields:")

    # Every resource in one list, and what narrows it. Both events are in both of their lists.
    lists = ",".join(qualified(plural, version) for plural, version, _ in built_in(cluster, "--verbs=list,delete"))
    chosen = run("get", lists, "-l", f"run={name}", "-o", "name", "--chunk-size=1")
    equal(len(chosen), count + 2, f"selected by label: {chosen}")
    named = run("get", lists, "--field-selector", f"metadata.name={name}", "-o", "name")
    equal(len(named), sum(item["metadata"]["name"] == name for item in shown) + 1, f"selected by name: {named}")
    run("get", lists, "-l", f"run={name}", "--show-labels", "--show-kind", "-o", "wide")

    for plural, version, kind in with_status(cluster):
        of, one = qualified(plural, version), next((it for it in shown if it["kind"] == kind), None)
        if one:
            part = (of, one["metadata"]["name"], "--subresource=status")
            equal(run("get", *part, "-o", "jsonpath={.kind}"), [kind], plural)
            said = run("patch", *part, "--type=merge", "-p", '{"spec": {"never": 1}, "status": {}}')
            assert "patched" in said[0], f"{plural}: {said}"

    # Somebody who may see everything and change nothing.
    run("create", "clusterrole", f"{name}-r", "--verb=get,list,watch", "--resource=*.*")
    run("create", "clusterrolebinding", f"{name}-r", f"--clusterrole={name}-r", f"--user={name}")
    user = f"--as={name}"
    until("the role holds", lambda: "yes" in quiet(cluster, "auth", "can-i", "list", "pods", user))
    equal(run("get", lists, "-l", f"run={name}", "-o", "name", user), chosen, "seen by a reader")
    for verb, words in (("patch", ["label", "-f", "-", "tier=none"]), ("delete", ["delete", "-f", "-", "--wait=false"])):
        run(*words, user, fails=True, each=f"cannot {verb} resource")
    run("delete", "clusterrole,clusterrolebinding", f"{name}-r")

    run("delete", "-f", "-", "--wait=false", "--now", each=" deleted")
    run("wait", "-f", "-", "--for=delete", "--timeout=600s")
    assert not run("get", lists, "-l", f"run={name}", "--ignore-not-found")


def qualified(plural, version):
    """A resource with its version and group, so that no other is meant."""
    group, _, version = version.rpartition("/")
    return f"{plural}.{version}.{group}" if group else plural


def with_status(cluster):
    """The built-in resources whose status is apart."""
    for plural, version, kind in built_in(cluster):
        path = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if any(it["name"] == f"{plural}/status" for it in listed(cluster, path)):
            yield plural, version, kind


@functools.cache
def listed(cluster, path):
    """The resources of a version."""
    return cluster.ok("GET", path)["resources"]


@case("kubectl: explain of every built-in resource")
def explained(cluster):
    for plural, version, kind in built_in(cluster):
        said = cluster.kubectl("explain", plural, "--recursive", f"--api-version={version}", namespace=False)
        assert f"KIND:       {kind}\n" in said and "FIELDS:" in said, said[:500]
        assert "metadata\t<" in said, said[:500]


@case("kubectl: wait, cascades, tokens, rights, certificates")
def others(cluster):
    run = cluster.kubectl
    run("create", "configmap", "owner")
    owner = cluster.core.read_namespaced_config_map("owner", cluster.ns)
    for cascade in ("background", "foreground", "orphan"):
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.metadata.uid, "blockOwnerDeletion": True}
        child = {"metadata": {"name": "child", "ownerReferences": [reference]}}
        Resource(cluster, "v1", "configmaps").create(child)
        run("delete", "configmap", "owner", f"--cascade={cascade}", "--timeout=120s")
        if cascade == "orphan":
            got = Resource(cluster, "v1", "configmaps").get("child")
            equal(got["metadata"].get("ownerReferences", []), [], "an orphan")
        else:
            run("wait", "configmap/child", "--for=delete", "--timeout=120s")
            run("create", "configmap", "owner")
            owner = cluster.core.read_namespaced_config_map("owner", cluster.ns)

    run("create", "serviceaccount", "robot")
    token = run("create", "token", "robot", "--duration=1h", "--audience=api").strip()
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    equal((claims["sub"], claims["aud"]), (f"system:serviceaccount:{cluster.ns}:robot", ["api"]))
    robot = f"--as=system:serviceaccount:{cluster.ns}:robot"
    equal(run("auth", "can-i", "list", "pods", robot, fails=True).split(), ["no"])
    run("create", "role", "reader", "--verb=get,list", "--resource=pods")
    run("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={cluster.ns}:robot")
    until("the role holds", lambda: "yes" in quiet(cluster, "auth", "can-i", "list", "pods", robot))
    said = run("auth", "can-i", "--list", robot)
    assert any(line.split()[:1] == ["pods"] and "[get list]" in line for line in said.splitlines()), said
    equal(run("auth", "can-i", "*", "*").split(), ["yes"])
    assert "kubernetes-admin" in run("auth", "whoami") or "system:masters" in run("auth", "whoami")

    name = unique("csr")
    with tempfile.TemporaryDirectory(prefix="teu-e2e-") as folder:
        words = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{folder}/key", "-subj", "/CN=e2e"]
        request = base64.b64encode(openssl(*words)).decode()
    spec = {"request": request, "signerName": "example.com/serving", "usages": ["digital signature", "client auth"]}
    body = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name}, "spec": spec}
    run("apply", "-f", "-", stdin=json.dumps(body))
    assert "Pending" in run("get", "csr", name)
    run("certificate", "approve", name)
    run("wait", f"csr/{name}", "--for=condition=Approved", "--timeout=60s")
    assert "Approved" in run("get", "csr", name)
    assert "example.com/serving" in run("describe", "csr", name)
    run("delete", "csr", name)


def quiet(cluster, *words):
    """What it prints, whether it fails or not."""
    command = [os.environ.get("KUBECTL", "kubectl"), "--kubeconfig", cluster.kubeconfig, "-n", cluster.ns, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=600).stdout


@case("kubectl: a resource of several versions")
def versions(cluster):
    run = cluster.kubectl
    group = f"{unique('v')}.example.com"
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer", "description": "how big it is"}}}},
    }
    shared = {"served": True, "schema": {"openAPIV3Schema": schema}}
    column = {"name": "Size", "type": "integer", "jsonPath": ".spec.size"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"]},
            "versions": [
                {"name": "v1", "storage": True, "additionalPrinterColumns": [column], **shared},
                {"name": "v1beta1", "storage": False, "deprecated": True, "deprecationWarning": "use v1", **shared},
            ],
        },
    }
    run("apply", "-f", "-", stdin=json.dumps(definition))
    try:
        run("wait", f"crd/widgets.{group}", "--for=condition=Established", "--timeout=60s")
        widget = {"apiVersion": f"{group}/v1beta1", "kind": "Widget", "metadata": {"name": "one"}, "spec": {"size": 3}}
        until("it is known", lambda: "widgets" in run("api-resources", f"--api-group={group}", "--cached=false", namespace=False))
        assert "use v1" in run("apply", "-f", "-", stdin=json.dumps(widget))
        shown = run("get", f"widgets.{group}").split()
        equal((shown[:2], shown[2:4]), (["NAME", "SIZE"], ["one", "3"]))
        got = json.loads(run("get", f"widgets.v1.{group}", "one", "-o", "json"))
        equal((got["apiVersion"], got["spec"]), (f"{group}/v1", {"size": 3}))
        widget |= {"apiVersion": f"{group}/v1", "spec": {"size": 4}}
        run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(widget))
        run("patch", f"widgets.{group}", "one", "--type=merge", "-p", '{"spec":{"size":5}}')
        run("patch", f"widgets.{group}", "one", "-p", '{"spec":{"size":6}}', fails=True)
        assert "how big it is" in run("explain", "widgets.spec", f"--api-version={group}/v1", namespace=False)
        assert "unknown field" in run("apply", "-f", "-", stdin=json.dumps({**widget, "spec": {"sise": 1}}), fails=True)
        assert "Name:" in run("describe", f"widgets.{group}", "one")
        run("delete", f"widgets.{group}", "--all", "--timeout=60s")
    finally:
        run("delete", "crd", f"widgets.{group}", "--timeout=60s")

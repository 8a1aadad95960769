"""Real helm against a server: `run.py KUBECONFIG HELM LIBRARY`.

HELM is the program of helm 3; LIBRARY is the folder of PyPI's `helm_python`, which is helm 4 as a library. Pods are
run by the conformance cases' node that only reports. A line a step: `pass NAME` or `FAIL NAME: why`.
"""

import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "conformance"))
KUBECONFIG, HELM, LIBRARY = sys.argv[1:4]
sys.path.insert(0, LIBRARY)

import harness
from harness import equal, found, until

CHART = str(HERE / "chart")
STEPS = []


def step(function):
    STEPS.append(function)
    return function


class Helm:
    """The program, in a namespace of its own, with pods that run."""

    def __init__(self, home):
        self.cluster = harness.Cluster(KUBECONFIG)
        self.ns = self.cluster.ns = self.cluster.namespace()
        self.cluster.fake_node()
        self.environment = {"PATH": os.environ["PATH"], "HOME": home, "KUBECONFIG": KUBECONFIG, "HELM_NAMESPACE": self.ns}
        self.space = self.cluster.core.read_namespace(self.ns).metadata.uid

    def __call__(self, *words, fails=False):
        """What it prints on both streams."""
        done = subprocess.run([HELM, *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=240, env=self.environment)
        assert (done.returncode != 0) == fails, f"helm {' '.join(words)[:200]}: {done.returncode}: {done.stdout[:2000]}"
        return done.stdout

    def json(self, *words):
        return json.loads(self(*words, "-o", "json"))

    def kubectl(self, *words, **more):
        return self.cluster.kubectl(*words, **more)

    def get(self, kind, name):
        return json.loads(self.kubectl("get", kind, name, "-o", "json"))

    def ready(self, name, count):
        """The deployment, once it says that so many are ready: Helm 3 looks at its set of pods, which is told first."""
        said = lambda it: it["status"].get("readyReplicas") == count  # noqa: E731
        return until(f"{count} ready of {name}", lambda: [it for it in [self.get("deployment", name)] if said(it)])[0]

    def revisions(self, release):
        """The Secrets that are the release's history."""
        return self.cluster.core.list_namespaced_secret(self.ns, label_selector=f"owner=helm,name={release}").items

    def history(self, release):
        return [(one["revision"], one["status"]) for one in self.json("history", release)]

    def is_there(self, kind, name):
        return self.kubectl("get", kind, name, "--ignore-not-found", "-o", "name") != ""


@step
def before_anything(helm):
    assert "1 chart(s) linted, 0 chart(s) failed" in helm("lint", CHART)
    plain = helm("template", "web", CHART, "--include-crds")
    assert "kind: CustomResourceDefinition" in plain and 'space: "unknown"' in plain, plain
    helm.kubectl("apply", "-f", f"{CHART}/crds")
    helm.kubectl("wait", "--for=condition=Established", "crd/widgets.helm.example.com", "--timeout=60s")
    helm("template", "web", CHART, "--validate")
    # Validation is the server's since it offers it.
    wrong = helm("install", "web", CHART, "--set", "replicas=many", fails=True)
    assert "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32" in wrong, wrong
    helm("uninstall", "web")
    dry = helm("install", "web", CHART, "--dry-run")
    assert "STATUS: pending-install" in dry and not helm.revisions("web"), dry


@step
def install(helm):
    said = helm("install", "shop", CHART, "--wait", "--wait-for-jobs", "--timeout", "120s")
    assert "STATUS: deployed" in said and "shop is revision 1 on v1." in said, said
    helm.ready("shop-web", 2)
    equal(helm.get("configmap", "shop")["data"], {"colour": "blue", "extra": "yes", "space": helm.space})
    equal(base64.b64decode(helm.get("secret", "shop")["data"]["PASSWORD"]), b"s3cret")
    equal(helm.get("widget", "shop")["spec"]["colour"], "blue")
    equal(helm.get("job", "shop-pre-install")["status"]["succeeded"], 1)
    equal(helm.get("ingress", "shop-web")["metadata"]["annotations"]["meta.helm.sh/release-name"], "shop")
    (one,) = helm.json("list", "--all")
    equal((one["name"], one["revision"], one["status"], one["chart"]), ("shop", "1", "deployed", "shop-1.2.3"))
    assert "shop-web" in helm("get", "manifest", "shop") and "pre-install" in helm("get", "hooks", "shop")
    equal(helm.json("get", "values", "shop", "--all")["image"], "nginx:1")
    assert "Phase:          Succeeded" in helm("test", "shop")
    again = helm("install", "shop", CHART, fails=True)
    assert "cannot re-use a name that is still in use" in again, again


@step
def upgrade_over_a_change_by_hand(helm):
    helm("install", "shop", CHART, "--wait")
    # Beside the chart's fields: kept. In them: as the chart says, again.
    helm.kubectl("annotate", "deployment", "shop-web", "by=hand")
    helm.kubectl("set", "env", "deployment/shop-web", "MORE=1", "COLOUR=green")
    helm.kubectl("patch", "configmap", "shop", "--type=merge", "-p", '{"data":{"mine":"kept","colour":"green"}}')
    helm.kubectl("patch", "widget", "shop", "--type=merge", "-p", '{"spec":{"tags":{"mine":"kept","from":"hand"}}}')
    helm.kubectl("patch", "service", "shop-web", "-p", '{"spec":{"ports":[{"port":443,"name":"https"}]}}')
    helm("upgrade", "shop", CHART, "--wait", "--set", "image=nginx:2,colour=red,extra=")
    web = helm.get("deployment", "shop-web")
    (container,) = web["spec"]["template"]["spec"]["containers"]
    equal((container["image"], web["metadata"]["annotations"]["by"]), ("nginx:2", "hand"))
    equal({one["name"]: one["value"] for one in container["env"]}, {"COLOUR": "red", "MORE": "1"})
    equal(helm.get("configmap", "shop")["data"], {"colour": "red", "mine": "kept", "space": helm.space})
    # Of a custom resource helm 3 sends only what differs between the two manifests.
    equal(helm.get("widget", "shop")["spec"], {"colour": "red", "tags": {"from": "hand", "mine": "kept"}})
    equal({port["port"] for port in helm.get("service", "shop-web")["spec"]["ports"]}, {80, 443})
    equal(helm.get("job", "shop-post-upgrade")["status"]["succeeded"], 1)
    equal(helm.history("shop"), [(1, "superseded"), (2, "deployed")])
    before, after = (helm("get", "manifest", "shop", "--revision", number) for number in "12")
    assert "image: nginx:1" in before and "image: nginx:2" in after
    # What the last one said, and one thing more.
    helm("upgrade", "shop", CHART, "--reuse-values", "--set", "replicas=3", "--wait")
    web = helm.ready("shop-web", 3)
    equal(web["spec"]["template"]["spec"]["containers"][0]["image"], "nginx:2")


@step
def failures_and_rollback(helm):
    helm("install", "shop", CHART, "--wait")
    refused = helm("upgrade", "shop", CHART, "--set", "port=0,colour=red", fails=True)
    assert "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive" in refused, refused
    equal(helm.history("shop"), [(1, "deployed"), (2, "failed")])
    atomic = helm("upgrade", "shop", CHART, "--set", "port=0", "--atomic", fails=True)
    assert "has been rolled back due to atomic being set" in atomic, atomic
    equal([status for _, status in helm.history("shop")][-2:], ["failed", "deployed"])
    equal(helm.get("configmap", "shop")["data"]["colour"], "blue")
    helm("upgrade", "shop", CHART, "--set", "colour=red", "--wait")
    helm("rollback", "shop", "1", "--wait")
    equal(helm.get("configmap", "shop")["data"]["colour"], "blue")
    equal(helm.history("shop")[-2:], [(5, "superseded"), (6, "deployed")])
    equal(helm("get", "manifest", "shop"), helm("get", "manifest", "shop", "--revision", "1"))
    dry = helm("upgrade", "shop", CHART, "--set", "colour=red", "--dry-run")
    assert 'colour: "red"' in dry and helm.get("configmap", "shop")["data"]["colour"] == "blue"


@step
def what_is_not_its_own(helm):
    helm.kubectl("create", "configmap", "shop", "--from-literal=colour=mine")
    refused = helm("install", "shop", CHART, fails=True)
    assert "exists and cannot be imported into the current release" in refused, refused
    assert not helm.is_there("deployment", "shop-web")
    helm.kubectl("label", "configmap", "shop", "app.kubernetes.io/managed-by=Helm")
    helm.kubectl("annotate", "configmap", "shop", "meta.helm.sh/release-name=shop", f"meta.helm.sh/release-namespace={helm.ns}")
    helm("install", "shop", CHART)
    equal(helm.get("configmap", "shop")["data"]["colour"], "blue")


@step
def large_releases_and_many(helm):
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(base64.b64encode(os.urandom(350_000)).decode())
        file.flush()
        helm("install", "shop", CHART, "--set-file", f"big={file.name}")
        (release,) = helm.revisions("shop")
        size = len(base64.b64decode(release.data["release"]))
        assert 800_000 < size < 1_048_576, size
        assert len(helm("get", "manifest", "shop")) > 466_000
        file.write(base64.b64encode(os.urandom(150_000)).decode())
        file.flush()
        refused = helm("upgrade", "shop", CHART, "--set-file", f"big={file.name}", fails=True)
        assert "Too long: may not be more than 1048576 bytes" in refused, refused
    for number in range(6):
        helm("upgrade", "shop", CHART, "--history-max", "3", "--set", f"colour=c{number}")
    equal(len(helm.revisions("shop")), 3)
    equal(helm.get("widget", "shop")["spec"]["colour"], "c5")


@step
def uninstall(helm):
    helm("install", "shop", CHART, "--wait")
    said = helm("uninstall", "shop", "--wait", "--keep-history")
    assert 'release "shop" uninstalled' in said, said
    for kind, name in [("deployment", "shop-web"), ("service", "shop-web"), ("configmap", "shop"), ("widget", "shop"), ("secret", "shop")]:
        assert not helm.is_there(kind, name), f"{kind} {name} is left"
    until("its pods go", lambda: not helm.cluster.core.list_namespaced_pod(helm.ns, label_selector="app.kubernetes.io/instance=shop").items)
    assert found(helm.cluster.extensions.read_custom_resource_definition, "widgets.helm.example.com"), "definitions stay"
    equal(helm.history("shop"), [(1, "uninstalled")])
    helm("uninstall", "shop")
    assert not helm.revisions("shop")


class Four:
    """Helm 4, by its library."""

    def __init__(self, helm):
        from helm_python import Config

        self.helm = helm
        self.config = Config(kubeconfig_path=KUBECONFIG, namespace=helm.ns)

    def managers(self, kind, name):
        document = json.loads(self.helm.kubectl("get", kind, name, "-o", "json", "--show-managed-fields"))
        return {(one["manager"], one["operation"]) for one in document["metadata"]["managedFields"]}


@step
def helm_4(helm):
    four = Four(helm)
    with four.config as config:
        dry = config.install(CHART, "shop", namespace=helm.ns, dry_run="server")
        assert helm.space in dry["manifest"], dry
        made = config.install(CHART, "shop", namespace=helm.ns, wait="watcher", timeout=120)
        equal(made["status"], "deployed")
        helm.ready("shop-web", 2)
        assert any(operation == "Apply" for _, operation in four.managers("deployment", "shop-web"))
        helm.kubectl("annotate", "deployment", "shop-web", "by=hand")
        helm.kubectl("patch", "configmap", "shop", "--type=merge", "-p", '{"data":{"mine":"kept"}}')
        config.upgrade(CHART, "shop", {"image": "nginx:2", "extra": ""}, namespace=helm.ns, wait="watcher", timeout=120)
        web = helm.get("deployment", "shop-web")
        equal((web["spec"]["template"]["spec"]["containers"][0]["image"], web["metadata"]["annotations"]["by"]), ("nginx:2", "hand"))
        equal(helm.get("configmap", "shop")["data"], {"colour": "blue", "mine": "kept", "space": helm.space})
        config.rollback("shop", version=1, wait="watcher", timeout=120)
        equal(helm.get("configmap", "shop")["data"]["extra"], "yes")
        equal([one["status"] for one in config.history("shop")], ["superseded", "superseded", "deployed"])
        config.uninstall("shop", wait="watcher", timeout=120)
        assert not helm.is_there("deployment", "shop-web") and not helm.revisions("shop")


@step
def helm_4_takes_over_from_helm_3(helm):
    helm("install", "shop", CHART, "--wait")
    four = Four(helm)
    with four.config as config:
        config.upgrade(CHART, "shop", {"colour": "red"}, namespace=helm.ns, wait="watcher", timeout=120)
        equal(helm.get("configmap", "shop")["data"]["colour"], "red")
        equal([one["revision"] for one in config.history("shop")], [1, 2])
        config.uninstall("shop", wait="watcher", timeout=120)


def main():
    failed = 0
    chosen = [one for one in STEPS if not sys.argv[4:] or one.__name__ in sys.argv[4:]]
    for one in chosen:
        with tempfile.TemporaryDirectory(prefix="teu-it-helm-") as home:
            helm = Helm(home)
            try:
                one(helm)
                print(f"pass {one.__name__}", flush=True)
            except Exception:
                failed += 1
                print(f"FAIL {one.__name__}: {traceback.format_exc()}", flush=True)
            helm.cluster.close()
    print(f"{len(chosen) - failed} of {len(chosen)} passed")
    sys.exit(1 if failed else 0)


main()

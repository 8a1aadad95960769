"""sig-node: templates of pods."""

from harness import case, equal
from resource import STRATEGIC, Resource, survives_protobuf


def template(name, labels):
    spec = {"containers": [{"name": "nginx", "image": "nginx", "resources": {}}]}
    meta = {"name": name, "creationTimestamp": None, "labels": labels}
    return {"metadata": meta, "template": {"metadata": {"creationTimestamp": None}, "spec": spec}}


@case("PodTemplates should run the lifecycle of PodTemplates")
def lifecycle(cluster):
    templates = Resource(cluster, "v1", "podtemplates")
    static = "podtemplate-static=true"
    equal(templates.items(static, everywhere=True), [])
    templates.create(template("nginx-pod-template", {"podtemplate-static": "true"}))
    got = templates.get("nginx-pod-template")
    equal(got["metadata"]["name"], "nginx-pod-template")
    equal(got["template"]["spec"]["containers"][0]["imagePullPolicy"], "Always", "a default")
    survives_protobuf(templates, "nginx-pod-template")
    templates.patch("nginx-pod-template", {"metadata": {"labels": {"podtemplate": "patched"}}}, STRATEGIC)
    equal(templates.get("nginx-pod-template")["metadata"]["labels"]["podtemplate"], "patched")
    templates.delete("nginx-pod-template")
    equal(templates.items(static, everywhere=True), [])


@case("PodTemplates should delete a collection of pod templates")
def collection(cluster):
    templates = Resource(cluster, "v1", "podtemplates")
    for number in range(1, 4):
        templates.create(template(f"test-podtemplate-{number}", {"podtemplate-set": "true"}))
    equal(len(templates.items("podtemplate-set=true")), 3)
    templates.delete_all("podtemplate-set=true")
    equal(templates.items("podtemplate-set=true"), [])


@case("PodTemplates should replace a pod template")
def replace(cluster):
    templates = Resource(cluster, "v1", "podtemplates")
    templates.create(template("podtemplate", {"e2e-test": cluster.ns}))

    def edit(it):
        it["metadata"]["annotations"] = {"updated": "true"}
        it["template"]["spec"]["containers"][0]["image"] = "nginx:2"

    got = templates.change("podtemplate", edit)
    equal(got["metadata"]["annotations"]["updated"], "true")
    equal(got["template"]["spec"]["containers"][0]["image"], "nginx:2")

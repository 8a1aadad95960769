"""sig-node and sig-storage: ConfigMaps, without a node."""

from harness import case, equal, fails


@case("ConfigMap should fail to create ConfigMap with empty key")
def empty_key(cluster):
    refusal = fails(422, cluster.core.create_namespaced_config_map, cluster.ns, {"metadata": {"name": "empty"}, "data": {"": "value"}})
    equal(refusal["reason"], "Invalid")


@case("ConfigMap should run through a ConfigMap lifecycle")
def lifecycle(cluster):
    path = f"/api/v1/namespaces/{cluster.ns}/configmaps"
    with cluster.watch(path, labelSelector="test=yes") as watch:
        cluster.core.create_namespaced_config_map(
            cluster.ns, {"metadata": {"name": "one", "labels": {"test": "yes"}}, "data": {"valueName": "value"}}
        )
        watch.wait("ADDED", "one")
        patch = {"metadata": {"labels": {"test-patched": "true"}}, "data": {"valueName": "value1"}}
        cluster.core.patch_namespaced_config_map("one", cluster.ns, patch)
        watch.wait("MODIFIED", "one", lambda it: it["data"]["valueName"] == "value1")
        got = cluster.core.read_namespaced_config_map("one", cluster.ns)
        equal(got.data, {"valueName": "value1"}, "data")
        equal(got.metadata.labels["test-patched"], "true", "the label")
        listed = cluster.core.list_config_map_for_all_namespaces(label_selector="test=yes").items
        assert any(it.metadata.name == "one" and it.metadata.namespace == cluster.ns for it in listed)
        cluster.core.delete_collection_namespaced_config_map(cluster.ns, label_selector="test=yes")
        watch.wait("DELETED", "one")
    equal(cluster.core.list_namespaced_config_map(cluster.ns, label_selector="test=yes").items, [], "what is left")


@case("ConfigMap should update ConfigMap successfully")
def update(cluster):
    made = cluster.core.create_namespaced_config_map(cluster.ns, {"metadata": {"name": "one"}, "data": {"data": "value"}})
    made.data["data"] = "value-2"
    cluster.core.replace_namespaced_config_map("one", cluster.ns, made)
    equal(cluster.core.read_namespaced_config_map("one", cluster.ns).data, {"data": "value-2"}, "data")


@case("ConfigMap should be immutable if `immutable` field is set")
def immutable(cluster):
    made = cluster.core.create_namespaced_config_map(cluster.ns, {"metadata": {"name": "one"}, "data": {"data": "value"}})
    made.data["data"] = "value-2"
    made = cluster.core.replace_namespaced_config_map("one", cluster.ns, made)
    made.immutable = True
    made = cluster.core.replace_namespaced_config_map("one", cluster.ns, made)
    made.data["data"] = "value-3"
    refusal = fails(422, cluster.core.replace_namespaced_config_map, "one", cluster.ns, made)
    equal(refusal["reason"], "Invalid")
    made = cluster.core.read_namespaced_config_map("one", cluster.ns)
    made.immutable = False
    fails(422, cluster.core.replace_namespaced_config_map, "one", cluster.ns, made)
    made.immutable = True
    made.metadata.labels = {"still": "changes"}
    cluster.core.replace_namespaced_config_map("one", cluster.ns, made)
    cluster.core.delete_namespaced_config_map("one", cluster.ns)

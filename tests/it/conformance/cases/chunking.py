"""sig-api-machinery: long lists in pieces."""

import concurrent.futures
import random

from harness import case, equal

TOTAL = 400


@case("Servers with support for API chunking should return chunks of results for list calls")
def chunks(cluster):
    path = f"/api/v1/namespaces/{cluster.ns}/podtemplates"

    def make(number):
        spec = {"containers": [{"name": "test", "image": "test2"}]}
        cluster.ok("POST", path, {"metadata": {"name": f"template-{number:04}"}, "template": {"spec": spec}})

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(TOTAL)))
    for _ in range(3):
        found, version, token = 0, None, ""
        while True:
            limit = random.randint(1, TOTAL // 10)
            page = cluster.ok("GET", path, query={"limit": limit, **({"continue": token} if token else {})})
            metadata, items = page["metadata"], page["items"]
            assert len(items) <= limit
            version = version or metadata["resourceVersion"]
            equal(metadata["resourceVersion"], version, "the version of a further page")
            token = metadata.get("continue", "")
            if token:
                equal(metadata["remainingItemCount"] + len(items) + found, TOTAL, "what remains")
            else:
                assert "remainingItemCount" not in metadata, metadata
            for item in items:
                equal(item["metadata"]["name"], f"template-{found:04}")
                found += 1
            if not token:
                break
        equal(found, TOTAL, "what was found")
    equal(len(cluster.ok("GET", path, query={"limit": TOTAL + 1})["items"]), TOTAL)

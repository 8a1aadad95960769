"""sig-api-machinery: long lists in pieces."""

import concurrent.futures
import random
import threading
import time

from harness import case, equal, until
from resource import Resource

TOTAL = 400
PAGE = TOTAL // 10
# Twice the server's `compaction-interval`, if that is the usual; it can be seconds.
COMPACTION = 660.0
LAST_KEY = (
    "Servers with support for API chunking should support continue listing from the last key if the original version has"
    " been compacted away, though the list is inconsistent"
)
APART = {LAST_KEY}


def filled(cluster):
    """So many pod templates."""
    templates = Resource(cluster, "v1", "podtemplates")

    def make(number):
        spec = {"containers": [{"name": "test", "image": "test2"}]}
        templates.create({"metadata": {"name": f"template-{number:04}"}, "template": {"spec": spec}})

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        list(pool.map(make, range(TOTAL)))
    return templates


def remains(page, before):
    """What a page says is left after it, told only where something is."""
    metadata, count = page["metadata"], len(page["items"])
    if metadata.get("continue"):
        equal(metadata["remainingItemCount"] + count + before, TOTAL, "what remains")
    else:
        assert "remainingItemCount" not in metadata, metadata


def named(page, before):
    """The items go on where the last page ended. How many there are now."""
    for number, item in enumerate(page["items"], before):
        equal(item["metadata"]["name"], f"template-{number:04}")
    return before + len(page["items"])


def rest(templates, token, version, found, limit):
    """All further pages, each of the same version."""
    while True:
        size = limit()
        page = templates.all(limit=size, **({"continue": token} if token else {}))
        assert len(page["items"]) <= size
        version = version or page["metadata"]["resourceVersion"]
        equal(page["metadata"]["resourceVersion"], version, "the version of a further page")
        remains(page, found)
        found = named(page, found)
        token = page["metadata"].get("continue")
        if not token:
            return found


@case("Servers with support for API chunking should return chunks of results for list calls")
def chunks(cluster):
    templates = filled(cluster)
    for _ in range(3):
        equal(rest(templates, None, None, 0, lambda: random.randint(1, PAGE)), TOTAL, "what was found")
    equal(len(templates.items(limit=TOTAL + 1)), TOTAL)


@case(LAST_KEY)
def compacted(cluster):
    templates = filled(cluster)
    first = templates.all(limit=PAGE)
    remains(first, 0)
    token, ends = first["metadata"]["continue"], threading.Event()

    def beat():
        """What nodes do all the time in a cluster that has some; a store where nothing happens has nothing to forget."""
        leases = Resource(cluster, "coordination.k8s.io/v1", "leases")
        leases.create({"metadata": {"name": "beat"}, "spec": {"holderIdentity": "a-node"}})
        while not ends.wait(1.0):
            leases.patch("beat", {"spec": {"renewTime": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())}})

    def expired():
        answer = cluster.call("GET", templates.path(), query={"limit": PAGE, "continue": token})
        if answer.status == 200:
            return None
        status = answer.json()
        equal((answer.status, status["reason"]), (410, "Expired"), "the refusal")
        return status["metadata"]["continue"]

    beats = threading.Thread(target=beat)
    beats.start()
    try:
        inconsistent = until("the token to expire", expired, COMPACTION)
    finally:
        ends.set()
        beats.join()
    page = templates.all(limit=PAGE, **{"continue": inconsistent})
    version = page["metadata"]["resourceVersion"]
    assert version != first["metadata"]["resourceVersion"], version
    equal(len(page["items"]), PAGE)
    remains(page, PAGE)
    found = named(page, PAGE)
    equal(rest(templates, page["metadata"]["continue"], version, found, lambda: PAGE), TOTAL, "what was found")

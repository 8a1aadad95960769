"""sig-node: leases, without a node."""

from harness import case, equal
from resource import STRATEGIC, Resource, survives_protobuf


def spec(holder, seconds, acquired, renewed, transitions):
    """The times are of the year 1, as Go's zero time plus some seconds."""
    return {
        "holderIdentity": holder,
        "leaseDurationSeconds": seconds,
        "acquireTime": f"0001-01-01T00:{acquired // 60:02}:{acquired % 60:02}.000000Z",
        "renewTime": f"0001-01-01T00:{renewed // 60:02}:{renewed % 60:02}.000000Z",
        "leaseTransitions": transitions,
    }


@case("Lease lease API should be available")
def available(cluster):
    leases = Resource(cluster, "coordination.k8s.io/v1", "leases")
    first = spec("holder", 30, 2, 5, 0)
    made = leases.create({"metadata": {"name": "lease"}, "spec": first})
    equal(leases.get("lease")["spec"], first, "the spec")

    made["spec"] = spec("holder2", 30, 20, 50, 1)
    leases.update(made)
    equal(leases.get("lease")["spec"], made["spec"], "the updated spec")
    survives_protobuf(leases, "lease")

    third = spec("holder3", 60, 50, 70, 2)
    leases.patch("lease", {"spec": third}, STRATEGIC)
    equal(leases.get("lease")["spec"], third, "the patched spec")

    leases.create({"metadata": {"name": "lease2", "labels": {"deletecollection": "true"}}, "spec": first})
    equal(len(leases.items()), 2)
    leases.delete_all("deletecollection=true")
    equal([it["metadata"]["name"] for it in leases.items()], ["lease"])
    leases.delete("lease")
    leases.gone("lease")
    leases.items(everywhere=True)

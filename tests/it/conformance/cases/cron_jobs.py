"""sig-apps: CronJob. Minutes pass: where nothing should happen, another one of the same schedule says how many."""

from harness import case, equal, until
from resource import Resource
from workloads import BUSYBOX, has_condition

# A schedule of every minute, twice, and some patience.
MINUTES = 240.0
EVERY_MINUTE = "*/1 * * * ?"


def cron(name, policy, schedule=EVERY_MINUTE, **more):
    """The suite's, whose jobs sleep for minutes."""
    container = {"name": "c", "image": BUSYBOX, "command": ["sleep", "300"], "volumeMounts": [{"mountPath": "/data", "name": "data"}]}
    pod = {"restartPolicy": "OnFailure", "volumes": [{"name": "data", "emptyDir": {}}], "containers": [container]}
    job = {"parallelism": 1, "completions": 1, "backoffLimit": 1, "template": {"spec": pod}}
    return {"metadata": {"name": name}, "spec": {"schedule": schedule, "concurrencyPolicy": policy, "jobTemplate": {"spec": job}, **more}}


class Cron:
    def __init__(self, cluster, *words, **more):
        self.crons, self.jobs = (Resource(cluster, "batch/v1", kind) for kind in ("cronjobs", "jobs"))
        self.name = words[0]
        self.uid = self.crons.create(cron(*words, **more))["metadata"]["uid"]

    def active(self):
        return self.crons.get(self.name).get("status", {}).get("active", [])

    def wait(self, count):
        return until(f"{count} active jobs", lambda: len(self.active()) >= count and self.active(), MINUTES)

    def own(self):
        return [it for it in self.jobs.items() if it["metadata"]["ownerReferences"][0]["uid"] == self.uid]

    def unfinished(self):
        return [it for it in self.own() if not has_condition("Complete")(it) and not has_condition("Failed")(it)]

    def delete(self):
        self.crons.delete(self.name, {"propagationPolicy": "Background"})


@case("CronJob should schedule multiple jobs concurrently")
def concurrent(cluster):
    it = Cron(cluster, "concurrent", "Allow")
    it.wait(2)
    assert len(it.unfinished()) >= 2, it.own()
    it.delete()


@case("CronJob should not schedule jobs when suspended")
def suspended(cluster):
    it = Cron(cluster, "suspended", "Allow", suspend=True)
    Cron(cluster, "beside", "Allow").wait(2)
    equal(it.active(), [])
    equal(it.own(), [], "jobs")
    it.delete()


@case("CronJob should not schedule new jobs when ForbidConcurrent")
def forbid(cluster):
    it = Cron(cluster, "forbid", "Forbid")
    equal(len(it.wait(1)), 1, "active jobs")
    equal(len(it.unfinished()), 1, "jobs")
    Cron(cluster, "beside", "Allow").wait(2)
    equal(len(it.active()), 1, "active jobs")
    equal(len(it.unfinished()), 1, "jobs")
    it.delete()


@case("CronJob should replace jobs when ReplaceConcurrent")
def replace(cluster):
    it = Cron(cluster, "replace", "Replace")
    equal(len(it.wait(1)), 1, "active jobs")
    (first,) = it.unfinished()

    def replaced():
        alive = [one["metadata"]["name"] for one in it.own() if "deletionTimestamp" not in one["metadata"]]
        assert len(alive) < 2, f"more than one: {alive}"
        return alive and alive[0] != first["metadata"]["name"]

    until("another in its place", replaced, MINUTES)
    it.delete()

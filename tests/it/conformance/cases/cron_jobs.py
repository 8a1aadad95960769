"""sig-apps: CronJob."""

from harness import case, equal, until

# A schedule of every minute, twice, and some patience.
MINUTES = 200.0
IMAGE = "registry.k8s.io/e2e-test-images/busybox:1.37"


def cron(name, schedule, policy):
    spec = {"restartPolicy": "OnFailure", "containers": [{"name": "c", "image": IMAGE, "command": ["sleep", "300"]}]}
    job = {"spec": {"parallelism": 1, "completions": 1, "template": {"spec": spec}}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {"schedule": schedule, "concurrencyPolicy": policy, "jobTemplate": job},
    }


def active(cluster, name):
    return cluster.batch.read_namespaced_cron_job(name, cluster.ns).status.active or []


def running(cluster):
    return [it for it in cluster.batch.list_namespaced_job(cluster.ns).items if not it.metadata.deletion_timestamp]


@case("CronJob should schedule multiple jobs concurrently")
def concurrent(cluster):
    cluster.batch.create_namespaced_cron_job(cluster.ns, cron("concurrent", "*/1 * * * ?", "Allow"))
    until("two active jobs", lambda: len(active(cluster, "concurrent")) >= 2, MINUTES)
    jobs = running(cluster)
    assert len(jobs) >= 2 and all(it.status.active for it in jobs), f"jobs: {jobs}"
    cluster.batch.delete_namespaced_cron_job("concurrent", cluster.ns)


@case("CronJob should replace jobs when ReplaceConcurrent")
def replace(cluster):
    cluster.batch.create_namespaced_cron_job(cluster.ns, cron("replace", "*/1 * * * ?", "Replace"))
    first = until("an active job", lambda: active(cluster, "replace"), MINUTES)
    equal(len(first), 1, "active jobs")
    listed = until("its job", lambda: running(cluster))
    equal([it.metadata.uid for it in listed], [first[0].uid], "the job")

    def replaced():
        now = active(cluster, "replace")
        return len(now) == 1 and now[0].uid != first[0].uid and now

    second = until("another in its place", replaced, MINUTES)
    until("the first to go", lambda: [it.metadata.uid for it in running(cluster)] == [second[0].uid])
    cluster.batch.delete_namespaced_cron_job("replace", cluster.ns)

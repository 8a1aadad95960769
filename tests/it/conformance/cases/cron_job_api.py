"""sig-apps: cron jobs as objects."""

import datetime

from harness import case, equal
from resource import Resource, discovered, operates, unique


@case("CronJob should support CronJob API operations")
def operations(cluster):
    discovered(cluster, "batch/v1", "cronjobs", "cronjobs/status")
    label = unique("cj")
    container = {"name": "c", "image": "busybox", "command": ["/bin/true"], "resources": {}, "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    pod = {"restartPolicy": "OnFailure", "volumes": [{"name": "data", "emptyDir": {}}], "containers": [container]}
    templates = [
        {
            "metadata": {"name": name, "labels": {"special-label": label}},
            "spec": {
                "schedule": "* */1 * * ?",
                "concurrencyPolicy": "Allow",
                "jobTemplate": {"spec": {"parallelism": 1, "completions": 1, "template": {"spec": pod}}},
                "successfulJobsHistoryLimit": 1,
                "failedJobsHistoryLimit": 0,
                # The suite's own would run; this one's controller is not what is looked at.
                "suspend": True,
            },
            "status": {},
        }
        for name in ("for-removal", "test-api-2", "test-api")
    ]

    def status(resource, name, uid):
        begun = datetime.datetime.now(datetime.timezone.utc)
        now, later = ((begun + datetime.timedelta(seconds=it)).strftime("%Y-%m-%dT%H:%M:%SZ") for it in (0, 1))
        patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"lastScheduleTime": now}}
        got = resource.patch(name, patch, part="status")
        equal(got["status"]["lastScheduleTime"], now)
        equal(got["metadata"]["annotations"]["patchedstatus"], "true")
        got = resource.change(name, lambda it: it["status"].update(lastScheduleTime=later), "status")
        equal(got["status"]["lastScheduleTime"], later)
        equal(resource.get(name, "status")["metadata"]["uid"], uid)

    operates(Resource(cluster, "batch/v1", "cronjobs"), templates, f"special-label={label}", status=status)

"""sig-apps: cron jobs as objects."""

import datetime

from cases.cron_jobs import cron
from harness import case, equal
from resource import MERGE, Resource, annotated, discovered, saw_annotations, survives_protobuf, unique


@case("CronJob should support CronJob API operations")
def operations(cluster):
    discovered(cluster, "batch/v1", "cronjobs", "cronjobs/status")
    label = f"special-label={unique('cj')}"
    resource = Resource(cluster, "batch/v1", "cronjobs")

    def body(name):
        it = cron(name, "Allow", "* */1 * * ?", successfulJobsHistoryLimit=1, failedJobsHistoryLimit=0)
        it["metadata"]["labels"] = dict([label.split("=")])
        it["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["command"] = ["/bin/true"]
        return it

    made = resource.create(body("test-api"))
    name, uid = made["metadata"]["name"], made["metadata"]["uid"]
    equal(resource.get(name)["metadata"]["uid"], uid)
    listed = resource.all(label)
    equal(len(listed["items"]), 1, "the filtered list")
    equal(len(resource.items(label, everywhere=True)), 1, "the list of all namespaces")
    since = listed["metadata"]["resourceVersion"]
    with resource.watch(label, resourceVersion=since) as watch, resource.watch(label, everywhere=True, resourceVersion=since) as all_of_them:
        annotated(resource, name)
        for one in (watch, all_of_them):
            equal(one.peek()["type"], "MODIFIED", "the first event")
            saw_annotations(one, name)
    survives_protobuf(resource, name)
    begun = datetime.datetime.now(datetime.timezone.utc)
    now, later = ((begun + datetime.timedelta(seconds=it)).strftime("%Y-%m-%dT%H:%M:%SZ") for it in (0, 1))
    patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"lastScheduleTime": now}}
    got = resource.patch(name, patch, MERGE, "status")
    equal((got["status"]["lastScheduleTime"], got["metadata"]["annotations"]["patchedstatus"]), (now, "true"))
    got = resource.change(name, lambda it: it["status"].update(lastScheduleTime=later), "status")
    equal(got["status"]["lastScheduleTime"], later)
    equal(resource.get(name, "status")["metadata"]["uid"], uid)
    resource.create(body("for-removal"))
    resource.delete("for-removal")
    resource.gone("for-removal")
    resource.delete_all(label)
    equal(resource.items(label), [])

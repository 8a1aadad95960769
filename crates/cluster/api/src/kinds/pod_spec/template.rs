//! `PodTemplateSpec`: a pod's labels, annotations and spec inside another object.

use super::super::field::{At, Report};
use super::super::{fill, meta};
use serde_json::{Value, json};

/// Fills in a template; one that is not there is made.
pub fn fill(owner: &mut Value) {
    let template = fill::child(owner, "template");
    fill::missing(template, "metadata", json!({}));
    super::fill(fill::child(template, "spec"));
}

/// Checks a template.
pub fn check(template: &At, report: &mut Report) {
    let metadata = template.get("metadata");
    let labels = template.called("labels", metadata.get("labels").value);
    let annotations = template.called("annotations", metadata.get("annotations").value);
    meta::labels(&labels, report);
    meta::annotations(&annotations, report);
    let spec = template.get("spec");
    super::specific_annotations(&annotations, &spec, report);
    super::check(&spec, "", false, report);
    super::consistent_seccomp_and_apparmor(&metadata, &spec, report);
    let ephemeral = spec.get("ephemeralContainers");
    if ephemeral.has_items() {
        report.forbidden(&ephemeral, "ephemeral containers not allowed in pod template");
    }
}

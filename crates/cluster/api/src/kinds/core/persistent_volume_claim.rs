//! `PersistentVolumeClaim`.

use super::super::equal::{difference, same};
use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, labels, name, pod_spec, print, quantities};
use serde_json::{Value, json};

const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const MODES: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

pub const RULES: Kind = Kind {
    default,
    status: Some(|_| json!({"phase": "Pending"})),
    check: |claim, report| {
        labels::check(&claim.get("spec.selector"), report);
        check_spec(&claim.get("spec"), report);
    },
    change,
    change_part: |_, claim, _, report| check_status(claim, report),
    columns: "Name,Status,Volume,Capacity,Access Modes,StorageClass,VolumeAttributesClass,Age,+VolumeMode",
    cells,
    ..Kind::namespaced()
};

fn default(claim: &mut Value) {
    let spec = fill::child(claim, "spec");
    pod_spec::fill_claim_spec(spec);
    agree_on_source(spec);
    if let Some(status) = fill::field(claim, "status") {
        fill::zero(status, "phase", "Pending");
        for list in ["capacity", "allocatedResources"] {
            if let Some(list) = fill::field(status, list) {
                quantities::fill_list(list);
            }
        }
    }
}

/// `dataSource` and `dataSourceRef` say the same where they can.
fn agree_on_source(spec: &mut Value) {
    let at = At::root(spec);
    let (one, other) = (at.get("dataSource"), at.get("dataSourceRef"));
    match (one.is_set(), other.is_set()) {
        (true, false) => {
            let source = one.value.clone();
            fill::set(spec, "dataSourceRef", source);
        }
        (false, true) if other.text("namespace").is_empty() => {
            let mut source = other.value.clone();
            fill::remove(&mut source, "namespace");
            fill::set(spec, "dataSource", source);
        }
        _ => {}
    }
}

/// Reports access modes that are none, or do not go together.
pub fn check_modes(spec: &At, report: &mut Report) {
    let modes = spec.get("accessModes");
    let mut found = (false, false);
    for mode in modes.items() {
        report.maybe_one_of(&modes.called_as(mode.value), MODES);
        match mode.str() {
            "ReadWriteOncePod" => found.0 = true,
            mode if MODES.contains(&mode) => found.1 = true,
            _ => {}
        }
    }
    if found == (true, true) {
        report.forbidden(&modes, "may not use ReadWriteOncePod with other access modes");
    }
}

/// A claim's spec, also in templates.
pub fn check_spec(spec: &At, report: &mut Report) {
    if spec.get("accessModes").is_empty() {
        report.required(&spec.get("accessModes"), "at least 1 access mode is required");
    }
    check_modes(spec, report);
    let requests = spec.get("resources.requests");
    let size = requests.key("storage");
    let resources = spec.get("resources");
    if size.is_set() {
        let list = json!({"storage": size.value});
        let at = resources.called_as(&list);
        quantities::check_positive(&at.key("storage"), report);
    } else {
        report.required(&resources.key("storage"), "");
    }
    for class in ["storageClassName", "volumeAttributesClassName"] {
        let at = spec.get(class);
        if !at.is_empty() {
            report.each(&at, name::subdomain(at.str()));
        }
    }
    report.maybe_one_of(&spec.get("volumeMode"), &["Block", "Filesystem"]);
    check_sources(spec, report);
}

fn check_sources(spec: &At, report: &mut Report) {
    let (one, other) = (spec.get("dataSource"), spec.get("dataSourceRef"));
    for source in [one, other] {
        if !source.is_set() {
            continue;
        }
        for field in ["name", "kind"] {
            if source.text(field).is_empty() {
                report.required(&source.get(field), "");
            }
        }
        let (group, kind) = (source.get("apiGroup"), source.text("kind"));
        if group.is_empty() && kind != "PersistentVolumeClaim" {
            let why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
            report.invalid_as(&source, kind, why);
        }
        if !group.is_empty() {
            report.each(&group, name::subdomain(group.str()));
        }
    }
    let namespace = other.get("namespace");
    if !namespace.is_empty() {
        report.each(&namespace, name::label(namespace.str()));
        if one.is_set() {
            let why = "may not be specified when dataSourceRef.namespace is specified";
            report.invalid_as(spec, one.to_string(), why);
        }
    } else if one.is_set() && other.is_set() {
        let equal = ["apiGroup", "kind", "name"].iter().all(|f| one.text(f) == other.text(f));
        if !equal {
            report.invalid_as(spec, one.to_string(), "must match dataSourceRef");
        }
    }
}

fn change(claim: &At, old: &At, report: &mut Report) {
    let (spec, before) = (claim.get("spec"), old.get("spec"));
    let mut munged = spec.value.clone();
    if before.text("volumeName").is_empty() {
        let mut was = before.value.clone();
        fill::keep(&mut was, spec.value, "volumeName");
        check_munged(claim, old, &mut munged, &was, report);
    } else {
        check_munged(claim, old, &mut munged, before.value, report);
    }
    let (new, was) = (spec.get("resources.requests"), before.get("resources.requests"));
    let (size, was) =
        (quantities::read(&new.key("storage")), quantities::read(&was.key("storage")));
    let capacity = old.get("status.capacity");
    if size < was && size <= quantities::read(&capacity.key("storage")) {
        let at = new.called("storage", new.value);
        report.forbidden(&at, "field can not be less than status.capacity");
    }
    let mode = claim.called("volumeMode", spec.get("volumeMode").value);
    report.immutable(&mode, &before.get("volumeMode"));
    let (class, was) =
        (spec.get("volumeAttributesClassName"), before.get("volumeAttributesClassName"));
    if was.is_set() && class.value != was.value {
        if !class.is_set() {
            report.forbidden(&class, "update from non-nil value to nil is forbidden");
        } else if class.is_empty() {
            let why = "update from non-nil value to an empty string is forbidden";
            report.forbidden(&class, why);
        }
    }
}

fn check_munged(claim: &At, old: &At, munged: &mut Value, was: &Value, report: &mut Report) {
    let beta = |claim: &At| claim.get("metadata.annotations").key(BETA_CLASS).str().to_owned();
    let (new_beta, old_beta) = (beta(claim), beta(old));
    let class = claim.get("spec.storageClassName");
    let had_class = old.get("spec.storageClassName").is_set();
    let from_annotation = !old_beta.is_empty() && !had_class && class.str() == old_beta;
    if !from_annotation && new_beta != old_beta {
        let at = claim.get("metadata.annotations");
        report.invalid_as(&at.get(BETA_CLASS), new_beta, "field is immutable");
    }
    if class.is_set() && !had_class && (old_beta.is_empty() || class.str() == old_beta) {
        fill::remove(munged, "storageClassName");
    }
    if claim.text("status.phase") == "Bound" {
        let nothing = Value::Null;
        let sizes = was.pointer("/resources/requests").unwrap_or(&nothing);
        fill::keep(fill::child(fill::child(munged, "resources"), "requests"), sizes, "storage");
        if munged.get("volumeAttributesClassName").is_some_and(|class| !class.is_null()) {
            fill::keep(munged, was, "volumeAttributesClassName");
        }
    }
    if !same(munged, was) {
        let why = format!(
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n{}",
            difference(was, munged)
        );
        report.forbidden(&claim.get("spec"), &why);
    }
}

fn check_status(claim: &At, report: &mut Report) {
    if claim.get("spec.accessModes").is_empty() {
        report.required(&claim.called("Spec.accessModes", claim.value), "");
    }
    for list in ["status.capacity", "status.allocatedResources"] {
        for (_, amount) in claim.get(list).entries() {
            let quantity = quantities::read(&amount);
            if quantity.sign() < 0 {
                let why = "must be a valid resource quantity";
                report.invalid_as(&amount, quantity.value(), why);
            }
        }
    }
    let states = claim.get("status.allocatedResourceStatuses");
    let at = claim.called("status.allocatedResourceStatus", states.value);
    for (resource, state) in states.entries() {
        let known = [
            "ControllerResizeInProgress",
            "ControllerResizeInfeasible",
            "NodeResizePending",
            "NodeResizeInProgress",
            "NodeResizeInfeasible",
        ];
        let native = quantities::is_native(resource) && resource != "storage";
        if native {
            report.unsupported(&at.called_as(&Value::from(resource)), &["storage"]);
        }
        report.maybe_one_of(&at.called_as(state.value), &known);
    }
}

/// `RWO,ROX`.
pub fn short_modes(modes: &At) -> String {
    let short = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let has = |mode: &str| modes.strings().any(|one| one == mode);
    let words: Vec<&str> =
        short.iter().filter(|(mode, _)| has(mode)).map(|(_, word)| *word).collect();
    words.join(",")
}

/// The class of a claim or a volume, wherever it says it.
pub fn class<'v>(object: &At<'v, '_>) -> &'v str {
    let annotation = object.get("metadata.annotations").key(BETA_CLASS).str();
    if annotation.is_empty() { object.text("spec.storageClassName") } else { annotation }
}

fn cells(object: &Value, now: i64) -> Vec<Value> {
    let claim = At::root(object);
    let phase = if claim.get("metadata.deletionTimestamp").is_set() {
        "Terminating"
    } else {
        claim.text("status.phase")
    };
    let volume = claim.text("spec.volumeName");
    let (size, modes) = if volume.is_empty() {
        (String::new(), String::new())
    } else {
        let capacity = claim.get("status.capacity");
        let modes = short_modes(&claim.get("status.accessModes"));
        (quantities::read(&capacity.key("storage")).to_string(), modes)
    };
    vec![
        print::name(object),
        phase.into(),
        volume.into(),
        size.into(),
        modes.into(),
        class(&claim).into(),
        print::or(claim.text("spec.volumeAttributesClassName"), "<unset>"),
        print::age(object, now),
        print::or(claim.text("spec.volumeMode"), "<unset>"),
    ]
}

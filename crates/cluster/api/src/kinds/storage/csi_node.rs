//! `CSINode`.

use super::super::field::{At, Report};
use super::super::kind::{Kind, empty_status};
use super::super::{fill, name, pod_spec, print};

const MOST_ID_BYTES: usize = 256;

pub const RULES: Kind = Kind {
    status: Some(empty_status),
    check: |node, report| {
        let mut seen: Vec<&str> = Vec::new();
        for driver in node.get("spec.drivers").items() {
            check_driver(&driver, &mut seen, report);
        }
    },
    change,
    columns: "Name,Drivers:integer,Age",
    cells: |object, now| {
        let count = At::root(object).get("spec.drivers").len();
        vec![print::name(object), count.into(), print::age(object, now)]
    },
    ..Kind::cluster()
};

fn check_driver<'v>(driver: &At<'v, '_>, seen: &mut Vec<&'v str>, report: &mut Report) {
    let (own, id) = (driver.get("name"), driver.get("nodeID"));
    pod_spec::csi_driver(&own, report);
    if id.is_empty() {
        report.required(&id, "");
    }
    if id.str().len() > MOST_ID_BYTES {
        report.invalid(&id, format!("must be {MOST_ID_BYTES} characters or less"));
    }
    report.non_negative(&driver.get("allocatable.count"));
    if seen.contains(&own.str()) {
        report.duplicate(&own);
    }
    seen.push(own.str());
    let mut keys: Vec<&str> = Vec::new();
    for key in driver.get("topologyKeys").items() {
        let at = driver.called_as(key.value);
        if key.is_empty() {
            report.required(&at, "");
        }
        if keys.contains(&key.str()) {
            report.duplicate(&at);
        }
        keys.push(key.str());
        report.each(&at, name::qualified(key.str()));
    }
}

fn change(node: &At, old: &At, report: &mut Report) {
    let (drivers, before) = (node.get("spec.drivers"), old.get("spec.drivers"));
    for was in before.items() {
        for driver in drivers.items().filter(|driver| driver.text("name") == was.text("name")) {
            let [new, was] = [&driver, &was].map(|driver| {
                let mut fixed = driver.value.clone();
                fill::remove(&mut fixed, "allocatable");
                fixed
            });
            report.immutable(&drivers.called_as(&new), &drivers.called_as(&was));
        }
    }
}

//! `Lease`.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{name, print};

/// The strategy of Kubernetes itself.
const STRATEGY: &str = "OldestEmulationVersion";

pub const RULES: Kind = Kind {
    check,
    create_on_update: true,
    unconditional_update: false,
    columns: "Name,Holder,Age",
    cells: |object, now| {
        let holder = At::root(object).text("spec.holderIdentity").into();
        vec![print::name(object), holder, print::age(object, now)]
    },
    ..Kind::namespaced()
};

fn check(lease: &At, report: &mut Report) {
    let spec = lease.get("spec");
    let duration = spec.get("leaseDurationSeconds");
    if duration.is_set() && duration.int() <= 0 {
        report.invalid(&duration, "must be greater than 0");
    }
    report.non_negative(&spec.get("leaseTransitions"));
    let strategy = spec.get("strategy");
    if strategy.is_set() {
        // the real path says it twice
        let at = strategy.called("strategy", strategy.value);
        if strategy.str().contains('/') {
            report.each(&at, name::qualified(strategy.str()));
        } else if strategy.str() != STRATEGY {
            report.unsupported(&at, &[STRATEGY]);
        }
    }
    if !spec.get("preferredHolder").is_empty() && strategy.is_empty() {
        let why = "may only be specified when `strategy` is defined";
        report.forbidden(&spec.get("preferredHolder"), why);
    }
}

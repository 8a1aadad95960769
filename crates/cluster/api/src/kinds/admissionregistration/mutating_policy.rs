//! `MutatingAdmissionPolicy` and its binding.

use super::super::field::{At, Report};
use super::super::kind::Kind;
use super::super::{fill, print};
use super::expressions;
use super::policy::{self, check_binding, check_head, fill_policy, param_kind};
use crate::admission::mutation::Mutator;

/// The policy.
pub const RULES: Kind = Kind {
    default: |policy| {
        fill_policy(policy);
        fill::zero(fill::child(policy, "spec"), "reinvocationPolicy", "Never");
    },
    check,
    generation: true,
    columns: "Name,Mutations:integer,ParamKind,Age",
    cells: |object, now| {
        let spec = At::root(object);
        let count = spec.get("spec.mutations").len();
        let kind = param_kind(&spec.get("spec.paramKind"));
        vec![print::name(object), count.into(), kind, print::age(object, now)]
    },
    ..Kind::cluster()
};

/// The binding.
pub const BINDING: Kind = Kind { check: check_binding, ..policy::BINDING };

fn check(policy: &At, report: &mut Report) {
    let spec = policy.get("spec");
    check_head(&spec, report);
    report.one_of(&spec.get("reinvocationPolicy"), &["IfNeeded", "Never"]);
    let mutations = spec.get("mutations");
    if mutations.is_empty() {
        report.required(&mutations, "mutations must contain at least one item");
    }
    for mutation in mutations.items() {
        let kind = mutation.get("patchType");
        let kinds = [("ApplyConfiguration", "applyConfiguration"), ("JSONPatch", "jsonPatch")];
        let Some((kind, own)) = kinds.iter().find(|(name, _)| *name == kind.str()) else {
            report.one_of(&kind, &["ApplyConfiguration", "JSONPatch"]);
            continue;
        };
        let at = mutation.get(own);
        if !at.is_set() {
            report.required(&at, &format!("must be specified when patchType is {kind}"));
        } else if at.text("expression").trim().is_empty() {
            report.required(&at.get("expression"), "");
        }
        for (_, other) in kinds.iter().filter(|(_, field)| field != own) {
            let at = mutation.get(other);
            if at.is_set() {
                let why = format!("must not be specified when patchType is {kind}");
                report.invalid_as(&at, format!("{{{other}}}"), why);
            }
        }
    }
    expressions::check(policy, &Mutator::read(policy.value).faults(), report);
}

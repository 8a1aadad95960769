//! `allOf`, `anyOf`, `oneOf`, `not`.

use super::{Found, walk};
use crate::crd::node::Node;
use crate::status::Cause;
use serde_json::Value;

pub(super) fn check(value: &Value, node: &Node, path: &str, found: &mut Found) {
    let holds = |node: &Node| {
        let mut inner = Found::default();
        walk(value, node, path, false, &mut inner);
        inner.is_empty()
    };
    let mut refuse = |why: String| found.add(Cause::invalid(path, &"".into(), why));
    if !node.any_of.is_empty() && !node.any_of.iter().any(holds) {
        refuse(format!("{path:?} must validate at least one schema (anyOf)"));
    }
    if !node.one_of.is_empty() {
        match node.one_of.iter().filter(|node| holds(node)).count() {
            1 => {}
            0 => refuse(format!(
                "{path:?} must validate one and only one schema (oneOf). Found none valid"
            )),
            many => refuse(format!(
                "{path:?} must validate one and only one schema (oneOf). Found {many} valid alternatives"
            )),
        }
    }
    // Each once: looked at twice on each level, nested ones would take for ever.
    let mut parts = Found::default();
    for part in &node.all_of {
        walk(value, part, path, false, &mut parts);
    }
    if !parts.is_empty() {
        refuse(format!("{path:?} must validate all the schemas (allOf)"));
    }
    if node.not.as_deref().is_some_and(holds) {
        refuse(format!("{path:?} must not validate the schema (not)"));
    }
    for cause in parts.0 {
        found.add(cause);
    }
}

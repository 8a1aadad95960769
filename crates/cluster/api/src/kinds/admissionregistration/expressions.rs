//! Expressions that do not compile are refused where they are written, not when they are needed.

use super::super::field::{At, Report};
use crate::cel::CelError;

/// Reports what cannot be compiled, by its field below an object. What is empty is reported elsewhere.
pub fn check(object: &At, faults: &[(String, CelError)], report: &mut Report) {
    for (path, error) in faults {
        let pointer = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
        let Some(value) = object.value.pointer(&pointer) else { continue };
        if value.as_str().is_some_and(|text| !text.trim().is_empty()) {
            report.invalid(&object.called(path, value), error.to_string());
        }
    }
}

//! Paths that have to stay below something.

use super::super::field::{At, Report};

/// Reports `..` as a part.
pub fn no_backsteps(at: &At, path: &str, report: &mut Report) {
    if path.split('/').any(|part| part == "..") {
        report.invalid_as(at, path, "must not contain '..'");
    }
}

/// Relative and going down.
pub fn descending(at: &At, path: &str, report: &mut Report) {
    if path.starts_with('/') {
        report.invalid_as(at, path, "must be a relative path");
    }
    no_backsteps(at, path, report);
}

/// The same, and not one of the names that the node uses itself.
pub fn not_reserved(at: &At, path: &str, report: &mut Report) {
    descending(at, path, report);
    if path.starts_with("..") && !path.starts_with("../") {
        report.invalid_as(at, path, "must not start with '..'");
    }
}

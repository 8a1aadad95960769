//! 409: fields that others own, in the real server's words.

use super::updater::Conflicts;
use crate::status::{Cause, CauseKind, Status};

/// The answer to an apply that would take fields from others.
pub(super) fn status(conflicts: &Conflicts) -> Status {
    let cause = |(owner, path): &(super::managed::Owner, super::set::Path)| Cause {
        reason: CauseKind::FieldManagerConflict,
        message: format!("conflict with {}", owner.shown()),
        field: path.to_string(),
    };
    let mut status = Status::new(409, "Conflict", message(conflicts));
    status.causes = conflicts.iter().map(cause).collect();
    status
}

fn message(conflicts: &Conflicts) -> String {
    if let [(owner, path)] = conflicts.as_slice() {
        return format!("Apply failed with 1 conflict: conflict with {}: {path}", owner.shown());
    }
    let mut lines = Vec::new();
    let mut last = None;
    for (owner, path) in conflicts {
        if last != Some(owner) {
            lines.push(format!("conflicts with {}:", owner.shown()));
            last = Some(owner);
        }
        lines.push(format!("- {path}"));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

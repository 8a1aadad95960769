//! `StorageVersionMigration`.

use super::super::kind::{Kind, empty_status};
use super::super::{meta, print};

pub const RULES: Kind = Kind {
    status: Some(empty_status),
    check: |migration, report| {
        let resource = migration.get("spec.resource.resource");
        if resource.is_empty() {
            report.required(&resource, "resource must be set");
        }
    },
    change: |migration, old, report| report.immutable(&migration.get("spec"), &old.get("spec")),
    change_part: |_, migration, _, report| {
        meta::conditions(&migration.get("status.conditions"), report);
    },
    columns: print::CREATED,
    cells: print::created,
    ..Kind::cluster()
};

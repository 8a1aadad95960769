//! The groups `storage.k8s.io` and `storagemigration.k8s.io`.

mod capacity;
mod classes;
mod csi_driver;
mod csi_node;
mod migration;
#[cfg(test)]
mod tests;
mod volume_attachment;

use super::kind::Kind;

/// The rules of one of its kinds.
pub fn rules(kind: &str) -> Option<Kind> {
    Some(match kind {
        "CSIDriver" => csi_driver::RULES,
        "CSINode" => csi_node::RULES,
        "CSIStorageCapacity" => capacity::RULES,
        "StorageClass" => classes::STORAGE,
        "VolumeAttachment" => volume_attachment::RULES,
        "VolumeAttributesClass" => classes::ATTRIBUTES,
        _ => return None,
    })
}

/// The rules of one of the kinds of `storagemigration.k8s.io`.
pub fn migration_rules(kind: &str) -> Option<Kind> {
    (kind == "StorageVersionMigration").then_some(migration::RULES)
}

//! What a layer of this store became when it was compressed for a registry.
//!
//! Only the outcome is kept (`packed/<digest>-gzip`: a descriptor), not the bytes: a registry that
//! has them is sent nothing, and one that has not is sent the same bytes again.

use super::{Store, temporary};
use crate::error::{Error, Result};
use std::fs;
use teu_oci::Digest;
use teu_oci::image::Descriptor;

/// Bytes of one record.
const RECORD_LIMIT_BYTES: u64 = 64 << 10;

impl Store {
    /// The outcome of an earlier time.
    pub(crate) fn packed(&self, from: &Digest, kind: &str) -> Option<Descriptor> {
        let path = self.path("packed").join(name(from, kind));
        let size = fs::metadata(&path).ok()?.len();
        if size > RECORD_LIMIT_BYTES {
            return None;
        }
        // One that does not parse is as good as none.
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Keeps the outcome for the next time.
    pub(crate) fn remember_packed(
        &self,
        from: &Digest,
        kind: &str,
        packed: &Descriptor,
    ) -> Result<()> {
        let directory = self.path("packed");
        fs::create_dir_all(&directory).map_err(|e| Error::io("create directory", &directory, e))?;
        let bytes = serde_json::to_vec(packed).map_err(|e| Error::document("a descriptor", e))?;
        temporary::write(&self.tmp(), &directory.join(name(from, kind)), &bytes)
    }

    /// Forgets the outcomes of layers that are gone.
    pub(super) fn forget_packed(&self) {
        for entry in fs::read_dir(self.path("packed")).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let digest = name.to_str().and_then(|name| name.split_once('.'));
            let digest = digest.and_then(|(hex, _)| format!("sha256:{hex}").parse().ok());
            if digest.is_none_or(|digest: Digest| !self.has_blob(&digest)) {
                // What stays is forgotten the next time.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn name(from: &Digest, kind: &str) -> String {
    format!("{}.{kind}", from.hex())
}

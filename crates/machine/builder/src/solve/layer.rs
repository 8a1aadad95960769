//! A step's layer: from the cache, or made, committed and remembered.

use super::{At, Ending, Made, Solver};
use crate::error::Cause;
use crate::record::Record;
use crate::stage::{LayerRef, StageState};
use std::sync::atomic::Ordering;
use teu_images::LayerOptions;
use teu_oci::ChainId;

impl Solver<'_> {
    /// Looks a key up, or makes the layer and remembers it.
    pub(crate) fn layer(
        &self,
        state: &mut StageState,
        at: &At<'_>,
        key: &str,
        description: String,
        make: impl FnOnce() -> Result<Made, Cause>,
    ) -> Result<Ending, Cause> {
        let images = self.environment.images;
        if self.may_use_cache(at.index)
            && let Some(record) = self.records.get(key)
        {
            let chain = ChainId::extend(state.chain.as_ref(), &record.diff_id);
            // A layer that stands alone may come to lie on others than those it was made on.
            let elsewhere = record.chain != *chain.digest();
            if elsewhere && !images.has_chain(&chain)? {
                self.lower(state, at.base)?;
                let mut tar = images.open_blob(&record.descriptor.digest)?;
                images.layer_from_tar(&mut tar, state.chain.as_ref())?;
            }
            if images.has_chain(&chain)? {
                let layer = LayerRef { diff_id: record.diff_id, descriptor: record.descriptor };
                state.commit(layer, description, &record.created)?;
                return Ok(Ending::Cached);
            }
        }
        let permit = self.permits.take(&self.cancel).ok_or(Cause::Canceled)?;
        let made = make()?;
        let options = LayerOptions { mtime_clamp: self.epoch, take: true };
        let layer = images.commit_layer(&made.scratch.upper, state.chain.as_ref(), options);
        made.scratch.discard();
        drop(permit);
        let layer = layer?;
        let record = Record {
            chain: layer.chain_id.digest().clone(),
            diff_id: layer.diff_id.clone(),
            descriptor: layer.descriptor.clone(),
            created: self.now(),
            description: description.clone(),
        };
        let layer = LayerRef { diff_id: layer.diff_id, descriptor: layer.descriptor };
        state.commit(layer, description, &record.created)?;
        if made.trusted {
            // Not remembering costs time the next build, nothing else.
            let _ = self.records.put(key, &record);
            self.learnt.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Ending::Done)
    }
}

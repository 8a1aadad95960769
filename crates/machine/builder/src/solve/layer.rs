//! A step's layer: from the cache, or made, committed and remembered.

use super::{At, Ending, Made, Solver, Used, lock};
use crate::error::Cause;
use crate::progress::Event;
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
            && let Some(record) = self.record(state, at, key, &description)?
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
                self.note_used(at, key, &record);
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
            self.note_used(at, key, &record);
        }
        Ok(Ending::Done)
    }

    fn note_used(&self, at: &At<'_>, key: &str, record: &Record) {
        let (key, record) = (key.to_owned(), record.clone());
        lock(&self.used).push(Used { stage: at.index, key, record });
    }

    /// A step as it is remembered here, or brought here from another machine's cache.
    fn record(
        &self,
        state: &StageState,
        at: &At<'_>,
        key: &str,
        description: &str,
    ) -> Result<Option<Record>, Cause> {
        if let Some(record) = self.records.get(key) {
            return Ok(Some(record));
        }
        for import in &*self.imports {
            let Some(entry) = import.get(key) else { continue };
            self.lower(state, at.base)?;
            let permit = self.permits.take(&self.cancel).ok_or(Cause::Canceled)?;
            let fetched = import.fetch(entry, self.environment.images, state.chain.as_ref());
            drop(permit);
            let text = match &fetched {
                Ok(_) => format!("layer {} from {}", entry.descriptor.digest, import.name()),
                // The step can be done here as well.
                Err(cause) => format!("cache {} cannot be used: {cause}", import.name()),
            };
            self.tell(Event::Note { step: at.id, text });
            let Ok(layer) = fetched else { continue };
            let record = Record {
                chain: layer.chain_id.digest().clone(),
                diff_id: layer.diff_id,
                descriptor: layer.descriptor,
                created: entry.created.clone(),
                description: description.to_owned(),
            };
            let _ = self.records.put(key, &record);
            self.learnt.fetch_add(1, Ordering::Relaxed);
            return Ok(Some(record));
        }
        Ok(None)
    }
}

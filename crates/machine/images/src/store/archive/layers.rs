//! The layers of one image of an archive: those the store lacks, several at a time.

use super::members::Members;
use crate::error::{Error, Result};
use crate::store::Store;
use crate::store::image::chain_ids;
use crate::store::snapshot::{Staged, verify_diff_id};
use std::io::Read;
use teu_oci::image::Descriptor;
use teu_oci::media::{self, Compression};
use teu_oci::{ChainId, Digest};

/// What an archive says about one layer.
pub(super) struct Source {
    /// Where its bytes are.
    pub(super) member: String,
    /// What they must be, where the archive has descriptors.
    pub(super) expected: Option<Descriptor>,
    pub(super) diff_id: Digest,
}

struct Done {
    descriptor: Descriptor,
    staged: Option<Staged>,
}

impl Store {
    /// Stores and unpacks the layers, lowest first; gives their descriptors.
    pub(super) fn load_layers(
        &self,
        members: &Members,
        sources: &[Source],
    ) -> Result<Vec<Descriptor>> {
        let diff_ids: Vec<Digest> = sources.iter().map(|source| source.diff_id.clone()).collect();
        let ids = chain_ids(&diff_ids);
        self.claim(ids.iter().map(ChainId::digest))?;
        let all: Vec<usize> = (0..sources.len()).collect();
        let done = self.in_parallel(&all, |n| self.load_layer(members, &sources[n], &ids[n]))?;
        let mut descriptors = Vec::with_capacity(done.len());
        for (n, layer) in done.into_iter().enumerate() {
            if let Some(staged) = layer.staged {
                self.publish(staged, &ids[..n], &ids[n], &diff_ids[n])?;
            }
            descriptors.push(layer.descriptor);
        }
        Ok(descriptors)
    }

    fn load_layer(&self, members: &Members, source: &Source, id: &ChainId) -> Result<Done> {
        if let Some(descriptor) = self.known_layer(source)? {
            let staged = match self.is_usable(id) {
                true => None,
                false => Some(self.unpack_blob(&descriptor, &source.diff_id)?),
            };
            return Ok(Done { descriptor, staged });
        }
        let staged = members.take_staged(&source.member);
        let mut reader: Box<dyn Read + Send + '_> = match &staged {
            Some(ingest) => Box::new(ingest.reopen()?),
            None => members.open(&source.member)?,
        };
        let raw = if staged.is_none() { Some(self.ingest()?) } else { None };
        let flowed = self.unpack_stream(&mut *reader, raw, None)?;
        drop(reader);
        if let Some(expected) = &source.expected {
            verify(expected, &flowed.raw_digest, flowed.raw_bytes)?;
        }
        verify_diff_id(&source.diff_id, &flowed.diff_id)?;
        let media_type = match (&source.expected, flowed.format.of_layer()) {
            (Some(expected), Some(_)) => expected.media_type.as_str(),
            (None, Some(Compression::None)) => media::LAYER,
            (None, Some(Compression::Gzip)) => media::LAYER_GZIP,
            (None, Some(Compression::Zstd)) => media::LAYER_ZSTD,
            (_, None) => {
                return Err(Error::MediaType {
                    digest: flowed.raw_digest,
                    media_type: format!("{:?}", flowed.format),
                    wanted: "a compression that layers may have (gzip, zstd)",
                });
            }
        };
        let blob = staged
            .or(flowed.raw)
            .ok_or_else(|| Error::Missing { digest: flowed.raw_digest.clone(), what: "a layer" })?;
        let placed = blob.place_as(media_type, &flowed.raw_digest)?;
        let descriptor = source.expected.clone().unwrap_or(placed);
        Ok(Done { descriptor, staged: Some(flowed.answer) })
    }

    /// The layer's blob where the store has it already, whole.
    fn known_layer(&self, source: &Source) -> Result<Option<Descriptor>> {
        let expected = match &source.expected {
            Some(expected) => expected.clone(),
            // Docker's own archives have plain layers mostly, and those are stored as they are.
            None => {
                let Some(size) = self.blob_size(&source.diff_id) else { return Ok(None) };
                Descriptor::new(media::LAYER, source.diff_id.clone(), size)
            }
        };
        self.claim([&expected.digest])?;
        let is_whole = self.blob_size(&expected.digest) == Some(expected.size)
            && self.verify_blob(&expected.digest)?;
        Ok(is_whole.then_some(expected))
    }
}

/// Checks what came against what was announced.
pub(super) fn verify(expected: &Descriptor, digest: &Digest, size: u64) -> Result<()> {
    if expected.digest.algorithm() == digest.algorithm() && &expected.digest != digest {
        let (expected, found) = (expected.digest.clone(), digest.clone());
        return Err(Error::Mismatch { what: "a blob of the archive", expected, found });
    }
    if expected.size != size {
        let digest = expected.digest.clone();
        return Err(Error::Size { digest, expected: expected.size, found: size });
    }
    Ok(())
}

//! A repository as its notes add up to: pure, so that a restart and a push come to the same.

use super::note::{ManifestRecord, Note};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use teu_images::LedgerEntry;
use teu_oci::Digest;

/// What is in a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Tags and what they lead to.
    pub tags: BTreeMap<String, Digest>,
    /// Manifests.
    pub manifests: BTreeMap<Digest, ManifestRecord>,
    /// Blobs: their bytes, and when they came last.
    pub blobs: HashMap<Digest, (u64, u64)>,
    /// Who is about whom.
    pub referrers: HashMap<Digest, BTreeSet<Digest>>,
    /// Bytes of all blobs and manifests.
    pub bytes: u64,
}

impl State {
    /// Takes a change over.
    pub fn apply(&mut self, note: Note) {
        match note {
            Note::Blob { digest, size, at } => {
                let before = self.blobs.insert(digest, (size, at));
                self.bytes = self.bytes - before.map_or(0, |(size, _)| size) + size;
            }
            Note::Manifest { digest, record, tag } => {
                if let Some(tag) = tag {
                    self.tags.insert(tag, digest.clone());
                }
                if let Some(subject) = &record.subject {
                    self.referrers.entry(subject.clone()).or_default().insert(digest.clone());
                }
                let size = record.size;
                let before = self.manifests.insert(digest, record);
                self.bytes = self.bytes - before.map_or(0, |record| record.size) + size;
            }
            Note::Untag { tag } => {
                self.tags.remove(&tag);
            }
            Note::Unmanifest { digest } => self.remove_manifest(&digest),
            Note::Unblob { digests } => {
                for digest in digests {
                    let before = self.blobs.remove(&digest);
                    self.bytes -= before.map_or(0, |(size, _)| size);
                }
            }
        }
    }

    fn remove_manifest(&mut self, digest: &Digest) {
        self.tags.retain(|_, target| target != digest);
        let Some(record) = self.manifests.remove(digest) else { return };
        self.bytes -= record.size;
        if let Some(subject) = record.subject
            && let Some(about) = self.referrers.get_mut(&subject)
        {
            about.remove(digest);
            if about.is_empty() {
                self.referrers.remove(&subject);
            }
        }
    }

    /// The change of what is kept that belongs to a note; to be asked before the note is applied.
    pub fn entry(&self, note: &Note) -> LedgerEntry {
        let mut entry = LedgerEntry::default();
        match note {
            Note::Blob { digest, .. } | Note::Manifest { digest, .. } => {
                entry.keep.push(digest.clone());
            }
            Note::Untag { .. } => {}
            // The same bytes may be here as a blob, too, and the reverse.
            Note::Unmanifest { digest } if self.blobs.contains_key(digest) => {}
            Note::Unmanifest { digest } => entry.drop.push(digest.clone()),
            Note::Unblob { digests } => {
                let gone = digests.iter().filter(|digest| !self.manifests.contains_key(*digest));
                entry.drop.extend(gone.cloned());
            }
        }
        entry.note = serde_json::to_value(note).unwrap_or_default();
        entry
    }

    /// The notes that add up to this.
    pub fn notes(&self) -> Vec<Note> {
        let mut tags: HashMap<&Digest, Vec<&String>> = HashMap::new();
        for (tag, digest) in &self.tags {
            tags.entry(digest).or_default().push(tag);
        }
        let blobs = self.blobs.iter().map(|(digest, (size, at))| Note::Blob {
            digest: digest.clone(),
            size: *size,
            at: *at,
        });
        let mut notes: Vec<Note> = blobs.collect();
        for (digest, record) in &self.manifests {
            let note = |tag: Option<&String>| Note::Manifest {
                digest: digest.clone(),
                record: record.clone(),
                tag: tag.cloned(),
            };
            match tags.get(digest) {
                Some(tags) => notes.extend(tags.iter().map(|tag| note(Some(tag)))),
                None => notes.push(note(None)),
            }
        }
        notes
    }

    /// Blobs that no manifest needs and that came before this time.
    pub fn unneeded_blobs(&self, before: u64) -> Vec<Digest> {
        let needed: HashSet<&Digest> =
            self.manifests.values().flat_map(|record| &record.blobs).collect();
        let old = self.blobs.iter().filter(|(_, (_, at))| *at <= before);
        old.map(|(digest, _)| digest).filter(|digest| !needed.contains(*digest)).cloned().collect()
    }

    /// When the oldest blob that no manifest needs came.
    pub fn oldest_unneeded(&self) -> Option<u64> {
        let unneeded = self.unneeded_blobs(u64::MAX);
        unneeded.iter().filter_map(|digest| Some(self.blobs.get(digest)?.1)).min()
    }

    /// Says whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.manifests.is_empty() && self.blobs.is_empty()
    }
}

//! The copy: everything that a name leads to, blobs first, documents after them.

use super::attached::Attaching;
use super::estargz::Estargz;
use super::image::{Blob, Found, Sink, Source, Verified, View, index, manifest, small_blob};
use super::progress::{Progress, State};
use super::recode::{Dialect, Recode, remember, remembered, repack};
use super::threads;
use crate::error::{Error, Result};
use crate::remote::Document;
use crate::store::Store;
use crate::store::blob::Ingest;
use crate::store::write::{REFERENCE_DIGEST, REFERENCE_TYPE};
use std::collections::{BTreeMap, HashSet};
use std::io::{Read, Seek, SeekFrom};
use std::sync::Mutex;
use teu_oci::image::{Descriptor, Index};
use teu_oci::media::{self, Compression};
use teu_oci::{Digest, Platform};

/// Layers under way at the same time.
pub const PARALLEL_LAYERS: usize = 4;
/// Indexes within indexes.
const DEPTH: usize = 4;

/// What of an index is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The image for a platform.
    One(Platform),
    /// Everything, as it is.
    All,
}

/// What is asked for.
#[derive(Debug)]
pub struct CopyRequest<'a> {
    /// What of an index.
    pub selection: Selection,
    /// What changes.
    pub recode: Recode,
    /// Fail rather than change a digest.
    pub keep_digests: bool,
    /// Attestations, signatures and others that say something about what is copied come along.
    pub referrers: bool,
    /// Room for what is packed anew.
    pub store: &'a Store,
    /// Told how it goes.
    pub progress: &'a dyn Progress,
}

/// What was copied.
#[derive(Debug, Clone)]
pub struct Copied {
    /// The document the source's name leads to.
    pub source: Document,
    /// The document the sink's name leads to now.
    pub root: Document,
}

/// Copies an image.
pub fn copy(source: &dyn Source, sink: &dyn Sink, request: &CopyRequest<'_>) -> Result<Copied> {
    if !request.recode.estargz {
        return copy_from(source, sink, request);
    }
    let packing = (request.store, request.recode.level);
    let packed = Estargz::new(source, &request.selection, packing, request.progress);
    let mut copied = copy_from(&packed, sink, request)?;
    copied.source = source.root()?;
    Ok(copied)
}

fn copy_from(source: &dyn Source, sink: &dyn Sink, request: &CopyRequest<'_>) -> Result<Copied> {
    if request.referrers && !sink.holds_referrers() {
        return Err(Error::NoReferrers);
    }
    let root = source.root()?;
    let copy = Copy::new(source, sink, request);
    copy.refuse(&root)?;
    sink.prepare()?;
    let sent = match media::is_index(&root.descriptor.media_type) {
        false => copy.image(&root, true)?,
        true => match &request.selection {
            Selection::All => copy.all(&root, 0)?,
            Selection::One(platform) => copy.one(&root, platform)?,
        },
    };
    let before = source.before(&root.descriptor);
    if request.keep_digests && sent.descriptor.digest != before.digest {
        let (expected, found) = (before.digest, sent.descriptor.digest);
        return Err(Error::Mismatch { what: "the copy (--preserve-digests)", expected, found });
    }
    sink.put_document(&sent, true)?;
    if request.referrers {
        copy.sent(&root, &sent);
        let subjects = copy.sent.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        Attaching { source, sink, progress: request.progress }.all(&subjects)?;
    }
    sink.finish()?;
    Ok(Copied { source: root, root: sent })
}

/// The manifest that an index has for a platform.
pub fn choose(document: &Document, platform: &Platform, name: &str) -> Result<Descriptor> {
    let index = index(document)?;
    let usable = |entry: &&Descriptor| {
        media::is_manifest(&entry.media_type)
            && entry.platform.as_ref().is_none_or(|p| p.os != "unknown")
            && !is_about_another(entry)
    };
    let fitting = index
        .manifests
        .iter()
        .filter(usable)
        .filter(|entry| entry.platform.as_ref().is_none_or(|p| p.satisfies(platform)));
    // One that says its platform before one that does not.
    let chosen = fitting.min_by_key(|entry| entry.platform.is_none());
    chosen.cloned().ok_or_else(|| Error::NoPlatform {
        name: name.to_owned(),
        wanted: Box::new(platform.clone()),
        present: index.manifests.iter().filter_map(|entry| entry.platform.clone()).collect(),
    })
}

/// An attestation: a manifest that says something about another of the same index.
fn is_about_another(entry: &Descriptor) -> bool {
    entry.annotations.contains_key(REFERENCE_TYPE)
}

pub(super) struct Copy<'a> {
    source: &'a dyn Source,
    sink: &'a dyn Sink,
    request: &'a CopyRequest<'a>,
    /// Manifests and indexes that were sent: what they were, what they are now.
    sent: Mutex<Vec<(Descriptor, Descriptor)>>,
}

impl<'a> Copy<'a> {
    pub(super) fn new(
        source: &'a dyn Source,
        sink: &'a dyn Sink,
        request: &'a CopyRequest<'a>,
    ) -> Self {
        Self { source, sink, request, sent: Mutex::default() }
    }

    fn sent(&self, before: &Document, after: &Document) {
        let mut sent = self.sent.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !sent.iter().any(|(_, known)| known.digest == after.descriptor.digest) {
            sent.push((self.source.before(&before.descriptor), after.descriptor.clone()));
        }
    }

    /// Refuses what can be seen to go wrong before anything is made at the sink.
    fn refuse(&self, root: &Document) -> Result<()> {
        let is_index = media::is_index(&root.descriptor.media_type);
        let all = self.request.selection == Selection::All;
        if is_index && all && !self.sink.holds_index() {
            return Err(self.no_index(root));
        }
        if !self.request.keep_digests {
            return Ok(());
        }
        let change = |why| Error::WouldChange { digest: root.descriptor.digest.clone(), why };
        if is_index && !all && !self.sink.keeps_index() {
            return Err(change("only one image of it goes there (--all copies the whole)"));
        }
        match is_index && !all {
            true => Ok(()),
            false if self.changes(root, 0)? => Err(change(
                "its layers are packed anew, or its documents translated, on the way there",
            )),
            false => Ok(()),
        }
    }

    /// Says whether a manifest, or one of an index, will not be the same there.
    fn changes(&self, document: &Document, depth: usize) -> Result<bool> {
        let (media_type, recode) = (&document.descriptor.media_type, &self.request.recode);
        if !media::is_index(media_type) {
            let compress = self.sink.wants_compressed();
            let plan = recode.plan(&manifest(document)?, media_type, compress);
            return Ok(!plan.changes_nothing(media_type));
        }
        let own = Dialect::of(media_type);
        if recode.dialect.is_some_and(|dialect| dialect != own) {
            return Ok(true);
        }
        for entry in &index(document)?.manifests {
            // Deeper ones are refused when they are copied.
            if depth < DEPTH && self.changes(&self.source.document(entry)?, depth + 1)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn no_index(&self, root: &Document) -> Error {
        Error::MediaType {
            digest: root.descriptor.digest.clone(),
            media_type: root.descriptor.media_type.clone(),
            wanted: "a single image, which is all that this kind of storage holds",
        }
    }

    /// One image of an index.
    fn one(&self, root: &Document, platform: &Platform) -> Result<Document> {
        let chosen = choose(root, platform, root.descriptor.digest.as_str())?;
        let document = self.source.document(&chosen)?;
        let sent = self.image(&document, true)?;
        if !self.sink.keeps_index() {
            return Ok(sent);
        }
        self.sink.put_document(&sent, false)?;
        self.sent(&document, &sent);
        Ok(root.clone())
    }

    /// Everything that an index leads to.
    fn all(&self, root: &Document, depth: usize) -> Result<Document> {
        let before = index(root)?;
        let host = Platform::host();
        let mut after = before.clone();
        let mut is_chosen = false;
        let mut images = BTreeMap::new();
        for entry in after.manifests.iter_mut().filter(|entry| !is_about_another(entry)) {
            let before = entry.digest.clone();
            let document = self.source.document(entry)?;
            let sent = if media::is_index(&entry.media_type) {
                if depth >= DEPTH {
                    let limit = DEPTH as u64;
                    return Err(Error::Limit { what: "an index", limit, unit: "levels" });
                }
                self.all(&document, depth + 1)?
            } else {
                let fits = entry.platform.as_ref().is_some_and(|p| p.satisfies(&host));
                let is_first = fits && !is_chosen;
                is_chosen |= fits;
                self.image(&document, is_first)?
            };
            self.entry(entry, &document, sent)?;
            images.insert(before, entry.clone());
        }
        let mut unsaid = HashSet::new();
        for entry in after.manifests.iter_mut().filter(|entry| is_about_another(entry)) {
            let document = self.source.document(entry)?;
            match self.attestation(entry, &document, &images)? {
                Some(sent) => self.entry(entry, &document, sent)?,
                None => drop(unsaid.insert(entry.digest.clone())),
            }
        }
        after.manifests.retain(|entry| !unsaid.contains(&entry.digest));
        let own = Dialect::of(&root.descriptor.media_type);
        let dialect = self.request.recode.dialect.unwrap_or(own);
        if after == before && dialect == own {
            return Ok(root.clone());
        }
        after.media_type = Some(dialect.index().to_owned());
        document(dialect.index(), &after, "an index")
    }

    /// What an entry of an index leads to has been sent.
    fn entry(&self, entry: &mut Descriptor, before: &Document, sent: Document) -> Result<()> {
        self.sink.put_document(&sent, false)?;
        self.sent(before, &sent);
        entry.digest = sent.descriptor.digest;
        entry.size = sent.descriptor.size;
        entry.media_type = sent.descriptor.media_type;
        Ok(())
    }

    /// What an index says about one of its images, made to be about what that has become; nothing,
    /// where this cannot be said honestly.
    fn attestation(
        &self,
        entry: &mut Descriptor,
        document: &Document,
        images: &BTreeMap<Digest, Descriptor>,
    ) -> Result<Option<Document>> {
        let before = entry.annotations.get(REFERENCE_DIGEST).and_then(|text| text.parse().ok());
        let after = before.as_ref().and_then(|digest| images.get(digest));
        let (Some(before), Some(after)) = (before, after) else {
            return self.image(document, false).map(Some);
        };
        if after.digest == before {
            return self.image(document, false).map(Some);
        }
        let (source, sink, progress) = (self.source, self.sink, self.request.progress);
        let attaching = Attaching { source, sink, progress };
        entry.annotations.insert(REFERENCE_DIGEST.to_owned(), after.digest.to_string());
        attaching.restated(document, manifest(document)?, &before, &after.digest)
    }

    /// One image: its layers, its configuration; gives its manifest, which the caller stores.
    fn image(&self, found: &Document, is_wanted: bool) -> Result<Document> {
        let before = manifest(found)?;
        let config = small_blob(self.source, &before.config, "a configuration")?;
        let media_type = &found.descriptor.media_type;
        let recode = &self.request.recode;
        let plan = recode.plan(&before, media_type, self.sink.wants_compressed());
        let mut view =
            View { document: found.clone(), manifest: before.clone(), config, is_wanted };
        self.request.progress.image(&found.descriptor.digest, before.layers.len());
        self.sink.begin(&view)?;
        let layers = self.layers(&before.layers, &plan.layers)?;
        self.config(&view)?;
        if !plan.changes_nothing(media_type) {
            let after = plan.manifest(&before, layers);
            view.document = document(plan.dialect.manifest(), &after, "a manifest")?;
            view.document.descriptor.platform.clone_from(&found.descriptor.platform);
            view.manifest = after;
        }
        self.sink.end(&view)?;
        Ok(view.document)
    }

    /// Sends the layers, several at a time; gives their new descriptors.
    pub(super) fn layers(
        &self,
        layers: &[Descriptor],
        plan: &[Option<Compression>],
    ) -> Result<Vec<Descriptor>> {
        // The same layer twice is sent once.
        let mut seen = HashSet::new();
        let unique: Vec<usize> =
            (0..layers.len()).filter(|&n| seen.insert(&layers[n].digest)).collect();
        for &n in &unique {
            self.request.progress.layer(&layers[n].digest, State::Waiting);
        }
        let sent: Mutex<BTreeMap<Digest, Descriptor>> = Mutex::default();
        threads::each(unique.len(), PARALLEL_LAYERS, |number| {
            let n = unique[number];
            let descriptor = self.layer(&layers[n], plan[n])?;
            if let Ok(mut sent) = sent.lock() {
                sent.insert(layers[n].digest.clone(), descriptor);
            }
            Ok(())
        })?;
        let sent = sent.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        Ok(layers.iter().map(|l| sent.get(&l.digest).unwrap_or(l).clone()).collect())
    }

    fn layer(&self, layer: &Descriptor, pack: Option<Compression>) -> Result<Descriptor> {
        let progress = self.request.progress;
        let open = |offset| self.open(layer, offset);
        let blob = Blob { descriptor: layer, open: &open, progress };
        let Some(compression) = pack else {
            self.send(&blob, &layer.digest)?;
            return Ok(layer.clone());
        };
        let (store, level) = (self.request.store, self.request.recode.level);
        if let Some(known) = remembered(store, &layer.digest, compression, level)
            && self.is_there(&known, &layer.digest)?
        {
            return Ok(known);
        }
        let (mut packed, file) = repack(store, &blob, compression, level)?;
        packed.annotations.clone_from(&layer.annotations);
        let open = |offset| reopened(&file, offset);
        self.send(
            &Blob { descriptor: &packed, open: &open, progress: &As(progress, &layer.digest) },
            &layer.digest,
        )?;
        remember(store, &layer.digest, compression, level, &packed)?;
        Ok(packed)
    }

    fn config(&self, view: &View) -> Result<()> {
        let descriptor = &view.manifest.config;
        let open = |offset: u64| -> Result<Box<dyn Read + Send + '_>> {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(view.config.len());
            Ok(Box::new(&view.config[start..]))
        };
        if self.sink.has_blob(descriptor, self.source.place().as_ref())? == Found::Absent {
            self.sink.put_blob(&Blob { descriptor, open: &open, progress: &super::Quiet })?;
        }
        Ok(())
    }

    /// The blob's bytes from an offset on, hashed where they can be.
    fn open(&self, blob: &Descriptor, offset: u64) -> Result<Box<dyn Read + Send + '_>> {
        let stream = self.source.blob(blob, offset)?;
        Ok(match offset {
            0 => Box::new(Verified::new(stream, blob)),
            _ => stream,
        })
    }

    fn send(&self, blob: &Blob<'_>, shown: &Digest) -> Result<()> {
        if self.is_there(blob.descriptor, shown)? {
            return Ok(());
        }
        self.sink.put_blob(blob)
    }

    fn is_there(&self, blob: &Descriptor, shown: &Digest) -> Result<bool> {
        let progress = self.request.progress;
        match self.sink.has_blob(blob, self.source.place().as_ref())? {
            Found::Absent => Ok(false),
            Found::Exists => {
                progress.layer(shown, State::Exists);
                Ok(true)
            }
            Found::Mounted(from) => {
                progress.layer(shown, State::Mounted(from));
                Ok(true)
            }
        }
    }
}

/// A packed layer is shown as the one it was packed from.
#[derive(Debug)]
struct As<'a>(&'a dyn Progress, &'a Digest);

impl Progress for As<'_> {
    fn layer(&self, _: &Digest, state: State) {
        self.0.layer(self.1, state);
    }

    fn is_given_up(&self) -> bool {
        self.0.is_given_up()
    }
}

fn reopened(file: &Ingest, offset: u64) -> Result<Box<dyn Read + Send>> {
    let mut file = file.reopen()?;
    file.seek(SeekFrom::Start(offset)).map_err(|e| Error::stream("read the packed layer", e))?;
    Ok(Box::new(file))
}

pub(super) fn document(
    media_type: &str,
    value: &impl serde::Serialize,
    what: &str,
) -> Result<Document> {
    let bytes = serde_json::to_vec(value).map_err(|e| Error::document(what, e))?;
    let descriptor = Descriptor::new(media_type, Digest::sha256(&bytes), bytes.len() as u64);
    Ok(Document { descriptor, bytes })
}

/// An index over documents that are there already.
pub fn index_over(entries: Vec<Descriptor>, dialect: Dialect) -> Result<Document> {
    let index = Index {
        schema_version: 2,
        media_type: Some(dialect.index().to_owned()),
        artifact_type: None,
        manifests: entries,
        subject: None,
        annotations: BTreeMap::new(),
    };
    document(dialect.index(), &index, "an index")
}

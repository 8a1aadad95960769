//! What says something about an image goes along with it: attestations and SBOMs by the referrers
//! API, signatures by cosign's tags.
//!
//! A manifest whose digest changes on the way (its layers are packed anew) is another one for all
//! that is said about it. An in-toto statement that nobody has signed is made to speak about the new
//! one; whatever else names the old digest, a signature above all, would be worth nothing and stays
//! behind.

use super::image::{Blob, Found, Sink, Source, Verified, manifest, small_blob};
use super::progress::Progress;
use crate::error::{Error, Result};
use crate::remote::Document;
use crate::store::attached::{REFERRERS_LIMIT, bare};
use serde_json::Value;
use std::collections::HashSet;
use std::io::Read;
use teu_oci::Digest;
use teu_oci::image::{Descriptor, Manifest};
use teu_oci::media;

/// An in-toto statement.
pub const STATEMENT: &str = "application/vnd.in-toto+json";
/// Cosign's tags for a digest: signatures, attestations, SBOMs.
const SUFFIXES: [&str; 3] = ["sig", "att", "sbom"];
/// Something said about something said about an image.
const DEPTH: usize = 3;

/// The digest that one of cosign's tags stands for.
pub(crate) fn subject_of(tag: &str) -> Option<Digest> {
    let (name, suffix) = tag.rsplit_once('.')?;
    let is_known = SUFFIXES.contains(&suffix);
    name.split_once('-').filter(|_| is_known)?;
    name.replacen('-', ":", 1).parse().ok()
}

/// The copying of them.
pub(super) struct Attaching<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) sink: &'a dyn Sink,
    pub(super) progress: &'a dyn Progress,
}

impl Attaching<'_> {
    /// For each subject: what it was, what it is now.
    pub(super) fn all(&self, subjects: &[(Descriptor, Descriptor)]) -> Result<()> {
        let mut seen = HashSet::new();
        for (before, after) in subjects {
            self.of(before, after, &mut seen, 0)?;
        }
        Ok(())
    }

    fn of(
        &self,
        before: &Descriptor,
        after: &Descriptor,
        seen: &mut HashSet<Digest>,
        depth: usize,
    ) -> Result<()> {
        let listed = self.source.referrers(&before.digest)?;
        if listed.len() > REFERRERS_LIMIT {
            let limit = REFERRERS_LIMIT as u64;
            return Err(Error::Limit { what: "what refers to an image", limit, unit: "manifests" });
        }
        for entry in listed {
            if !media::is_manifest(&entry.media_type) || !seen.insert(entry.digest.clone()) {
                continue;
            }
            let document = self.source.referrer(&bare(&entry))?;
            let sent = match before.digest == after.digest {
                true => Some(self.verbatim(document.clone())?),
                false => self.retargeted(&document, before, after)?,
            };
            let Some(sent) = sent else { continue };
            self.sink.put_referrer(&sent, &after.digest, None)?;
            if depth + 1 < DEPTH {
                self.of(&document.descriptor, &sent.descriptor, seen, depth + 1)?;
            }
        }
        if before.digest != after.digest {
            return Ok(());
        }
        for suffix in SUFFIXES {
            let tag = format!("{}-{}.{suffix}", before.digest.algorithm(), before.digest.hex());
            if let Some(document) = self.source.tagged(&tag)?
                && media::is_manifest(&document.descriptor.media_type)
            {
                let sent = self.verbatim(document)?;
                self.sink.put_referrer(&sent, &after.digest, Some(&tag))?;
            }
        }
        Ok(())
    }

    /// Sends all that a manifest leads to, and changes nothing.
    fn verbatim(&self, document: Document) -> Result<Document> {
        let manifest = manifest(&document)?;
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            let open = |offset| -> Result<Box<dyn Read + Send + '_>> {
                let stream = self.source.blob(blob, offset)?;
                Ok(match offset {
                    0 => Box::new(Verified::new(stream, blob)),
                    _ => stream,
                })
            };
            if self.sink.has_blob(blob, self.source.place().as_ref())? == Found::Absent {
                self.sink.put_blob(&Blob {
                    descriptor: blob,
                    open: &open,
                    progress: self.progress,
                })?;
            }
        }
        Ok(document)
    }

    /// The same said about the new manifest; nothing, if that cannot be done honestly.
    fn retargeted(
        &self,
        document: &Document,
        before: &Descriptor,
        after: &Descriptor,
    ) -> Result<Option<Document>> {
        let mut manifest = manifest(document)?;
        if manifest.subject.as_ref().is_none_or(|s| s.digest != before.digest) {
            return Ok(None);
        }
        manifest.subject = Some(bare(after));
        self.restated(document, manifest, &before.digest, &after.digest)
    }

    /// A manifest of statements that nobody has signed, with each of them about the new digest; sends
    /// what it leads to. Nothing, if there is more in it than such statements.
    pub(super) fn restated(
        &self,
        document: &Document,
        mut manifest: Manifest,
        before: &Digest,
        after: &Digest,
    ) -> Result<Option<Document>> {
        if !manifest.layers.iter().all(|layer| layer.media_type == STATEMENT) {
            return Ok(None);
        }
        let config = small_blob(self.source, &manifest.config, "a configuration")?;
        let Ok(mut config) = String::from_utf8(config) else { return Ok(None) };
        let mut texts = Vec::new();
        for layer in &mut manifest.layers {
            let text = small_blob(self.source, layer, "a statement")?;
            let Some(text) = about(&text, before, after) else { return Ok(None) };
            let digest = Digest::sha256(&text);
            // BuildKit's configuration counts the statements as layers.
            config = config.replace(layer.digest.as_str(), digest.as_str());
            layer.digest = digest;
            layer.size = text.len() as u64;
            texts.push(text);
        }
        manifest.config.digest = Digest::sha256(config.as_bytes());
        manifest.config.size = config.len() as u64;
        self.put(&manifest.config, config.as_bytes())?;
        for (layer, text) in manifest.layers.iter().zip(&texts) {
            self.put(layer, text)?;
        }
        Ok(Some(encoded(&manifest, &document.descriptor.media_type)?))
    }

    fn put(&self, descriptor: &Descriptor, bytes: &[u8]) -> Result<()> {
        let open = |offset: u64| -> Result<Box<dyn Read + Send + '_>> {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            Ok(Box::new(&bytes[start..]))
        };
        if self.sink.has_blob(descriptor, None)? == Found::Absent {
            self.sink.put_blob(&Blob { descriptor, open: &open, progress: self.progress })?;
        }
        Ok(())
    }
}

fn encoded(manifest: &Manifest, media_type: &str) -> Result<Document> {
    let bytes = serde_json::to_vec(manifest).map_err(|e| Error::document("a manifest", e))?;
    let descriptor = Descriptor::new(media_type, Digest::sha256(&bytes), bytes.len() as u64);
    Ok(Document { descriptor, bytes })
}

/// A statement about one digest, made to be about another; none, if it is about neither.
fn about(text: &[u8], before: &Digest, after: &Digest) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(text).ok()?;
    let mut is_changed = false;
    for subject in value.get_mut("subject")?.as_array_mut()? {
        let digests = subject.get_mut("digest")?.as_object_mut()?;
        if digests.get(before.algorithm())?.as_str()? != before.hex() {
            continue;
        }
        digests.remove(before.algorithm());
        digests.insert(after.algorithm().to_owned(), after.hex().into());
        is_changed = true;
    }
    is_changed.then(|| serde_json::to_vec(&value).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::{about, subject_of};
    use teu_oci::Digest;

    #[test]
    fn tags() {
        let digest = Digest::sha256(b"x");
        for (suffix, expected) in [("sig", true), ("att", true), ("sbom", true), ("x", false)] {
            let tag = format!("sha256-{}.{suffix}", digest.hex());
            assert_eq!(subject_of(&tag), expected.then(|| digest.clone()), "{tag}");
        }
        assert_eq!(subject_of("1.2-3.sig"), None);
    }

    #[test]
    fn statements_follow() {
        let (a, b) = (Digest::sha256(b"a"), Digest::sha256(b"b"));
        let text = format!(r#"{{"subject":[{{"name":"x","digest":{{"sha256":"{}"}}}}]}}"#, a.hex());
        let found = about(text.as_bytes(), &a, &b).expect("it is about a");
        assert_eq!(String::from_utf8_lossy(&found), text.replace(a.hex(), b.hex()));
        assert_eq!(about(text.as_bytes(), &b, &a), None);
        assert_eq!(about(b"{}", &a, &b), None);
    }
}

//! Names, ids and what they lead to.

use super::image::Image;
use super::lock::Mode;
use super::{Store, index, published};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use teu_oci::image::{Descriptor, Index};
use teu_oci::{Digest, Platform, Reference};

/// An entry of the table whose image cannot be read.
#[derive(Debug)]
pub struct Broken {
    /// What the names lead to.
    pub digest: Digest,
    /// Its names; they can be removed like others.
    pub names: Vec<Reference>,
    /// What is wrong.
    pub error: Error,
}

/// Entries of the table by what they lead to.
pub(super) fn grouped(index: &Index) -> Vec<(Descriptor, Vec<Reference>)> {
    let mut groups: Vec<(Descriptor, Vec<Reference>)> = Vec::new();
    let mut places: BTreeMap<Digest, usize> = BTreeMap::new();
    for entry in &index.manifests {
        let place = *places.entry(entry.digest.clone()).or_insert_with(|| {
            groups.push((index::with_name(entry, None), Vec::new()));
            groups.len() - 1
        });
        groups[place].1.extend(index::name_of(entry));
    }
    groups
}

impl Store {
    /// Finds an image for this machine by familiar name, full name, digest (of configuration,
    /// manifest or index, with or without `sha256:`), `name@digest`, or unique prefix of an id.
    pub fn resolve(&self, text: &str) -> Result<Image> {
        self.resolve_platform(text, None)
    }

    /// As [`Store::resolve`], for the platform that is asked for.
    pub fn resolve_platform(&self, text: &str, platform: Option<&Platform>) -> Result<Image> {
        let (descriptor, names) = self.find(text)?;
        self.load_image(&descriptor, names, platform)
    }

    /// All images, newest first, dangling ones included. What cannot be read is in
    /// [`Store::broken`].
    pub fn list(&self) -> Result<Vec<Image>> {
        let mut images = Vec::new();
        for (descriptor, names) in grouped(&self.index()?) {
            images.extend(self.load_image(&descriptor, names, None));
        }
        images.sort_by(|a: &Image, b: &Image| b.created.cmp(&a.created).then(a.id.cmp(&b.id)));
        Ok(images)
    }

    /// Images that have a name but cannot be read, with the reason.
    pub fn broken(&self) -> Result<Vec<Broken>> {
        let groups = grouped(&self.index()?).into_iter();
        Ok(groups
            .filter_map(|(descriptor, names)| {
                let error = self.load_image(&descriptor, names.clone(), None).err()?;
                if self.as_artifact(descriptor.clone(), Vec::new()).is_some() {
                    return None;
                }
                Some(Broken { digest: descriptor.digest, names, error })
            })
            .collect())
    }

    /// Gives the image one more name; an image that loses the name stays, dangling if it was its
    /// last.
    pub fn tag(&self, image: &Image, name: &Reference) -> Result<()> {
        if name.digest.is_some() {
            return Err(Error::TagDigest(name.familiar()));
        }
        self.give_names(&image.descriptor, std::slice::from_ref(name))
    }

    /// Takes a name away without deleting anything; an image without names stays as dangling.
    /// Says whether the name existed. For the meaning of `rmi` see [`Store::remove`].
    pub fn untag(&self, name: &Reference) -> Result<bool> {
        self.update_index(|index| {
            let gone = index::take_name(index, name);
            let existed = !gone.is_empty();
            index::keep_dangling(index, gone);
            Ok(existed)
        })
    }

    /// Makes names lead to a descriptor (none: it becomes dangling, if it has no name yet).
    pub(super) fn give_names(&self, descriptor: &Descriptor, names: &[Reference]) -> Result<()> {
        self.claim([&descriptor.digest])?;
        let _content = self.content_lock(Mode::Shared)?;
        if !self.has_blob(&descriptor.digest) {
            return Err(Error::Missing { digest: descriptor.digest.clone(), what: "the image" });
        }
        self.update_index(|index| {
            for name in names {
                let is_there = index.manifests.iter().any(|e| {
                    e.digest == descriptor.digest && index::name_of(e).as_ref() == Some(name)
                });
                if !is_there {
                    index::set_name(index, name, descriptor);
                }
            }
            if names.is_empty() {
                index::keep_dangling(index, vec![descriptor.clone()]);
            }
            Ok(())
        })
    }

    pub(super) fn names_of(&self, digest: &Digest) -> Result<Vec<Reference>> {
        let index = self.index()?;
        let entries = index.manifests.iter().filter(|entry| &entry.digest == digest);
        let mut names: Vec<Reference> = entries.filter_map(index::name_of).collect();
        names.sort();
        Ok(names)
    }

    /// The entry a text leads to, with all names of its content.
    pub(super) fn find(&self, text: &str) -> Result<(Descriptor, Vec<Reference>)> {
        let index = self.index()?;
        let groups = grouped(&index);
        if let Some(found) = by_name(&index, &groups, text) {
            return Ok(found.clone());
        }
        if let Some(prefix) = id_prefix(text) {
            let mut found: Vec<&(Descriptor, Vec<Reference>)> = Vec::new();
            for group in &groups {
                if self.has_id(&group.0, prefix) {
                    found.push(group);
                }
            }
            return one_of(self, text, &found)?
                .cloned()
                .ok_or_else(|| Error::NoSuchImage { name: text.to_owned(), near: None });
        }
        // What is neither a name nor an id is told so.
        let reference: Reference = text.parse()?;
        let names = groups.iter().flat_map(|(_, names)| names);
        let near = nearest(&reference, names);
        Err(Error::NoSuchImage { name: text.to_owned(), near })
    }

    /// Says whether an image's configuration, manifest or index begins with these hex digits.
    fn has_id(&self, descriptor: &Descriptor, prefix: &str) -> bool {
        descriptor.digest.hex().starts_with(prefix)
            || self.choose(descriptor, &[], None).is_ok_and(|chosen| {
                chosen.digest.hex().starts_with(prefix)
                    || self
                        .read_manifest(&chosen)
                        .is_ok_and(|m| m.config.digest.hex().starts_with(prefix))
            })
    }
}

/// A digest is the local one, one that the image was pulled by, or one that a registry has it as.
fn by_name<'a>(
    index: &Index,
    groups: &'a [(Descriptor, Vec<Reference>)],
    text: &str,
) -> Option<&'a (Descriptor, Vec<Reference>)> {
    let wanted: Reference = text.parse().ok()?;
    let same = |name: &Reference| published::is_same(name, &wanted);
    let found = groups.iter().find(|(descriptor, names)| match &wanted.digest {
        Some(digest) => names.iter().any(|n| {
            same(n) && (n.digest.as_ref() == Some(digest) || &descriptor.digest == digest)
        }),
        None => names.iter().any(|n| same(n) && n.tag == wanted.tag),
    });
    found.or_else(|| {
        let digest = wanted.digest.as_ref()?;
        let entry = index.manifests.iter().find(|entry| {
            published::digest_of(entry).as_ref() == Some(digest)
                && index::name_of(entry).is_some_and(|name| same(&name))
        })?;
        groups.iter().find(|(descriptor, _)| descriptor.digest == entry.digest)
    })
}

/// Hex digits, with or without the algorithm before them.
fn id_prefix(text: &str) -> Option<&str> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let is_hex = digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (is_hex && !digits.is_empty() && digits.len() <= 64).then_some(digits)
}

/// The only one, or none; several manifests of one image id count as that image.
fn one_of<'a>(
    store: &Store,
    text: &str,
    found: &[&'a (Descriptor, Vec<Reference>)],
) -> Result<Option<&'a (Descriptor, Vec<Reference>)>> {
    let images: Vec<(Digest, String)> = found
        .iter()
        .filter_map(|(descriptor, names)| {
            let image = store.load_image(descriptor, names.clone(), None).ok()?;
            Some((image.id.clone(), format!("{} ({})", image.id.short(), image.label())))
        })
        .collect();
    match images.split_first() {
        Some((first, rest)) if rest.iter().any(|other| other.0 != first.0) => {
            let candidates = images.into_iter().map(|(_, shown)| shown).collect();
            Err(Error::Ambiguous { prefix: text.to_owned(), candidates })
        }
        _ => Ok(found.first().copied()),
    }
}

/// The known name that differs least, if it differs little.
fn nearest<'a>(wanted: &Reference, names: impl Iterator<Item = &'a Reference>) -> Option<String> {
    let text = wanted.familiar();
    let mut best: Option<(usize, String)> = None;
    for name in names {
        let familiar = name.familiar();
        // Another tag of the same repository is near by itself.
        let distance = match name.name() == wanted.name() {
            true => 1,
            false => distance(&text, &familiar),
        };
        let limit = (text.len() / 4).clamp(2, 6);
        if distance <= limit && best.as_ref().is_none_or(|(least, _)| distance < *least) {
            best = Some((distance, familiar));
        }
    }
    best.map(|(_, name)| name)
}

/// Levenshtein's distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.bytes().enumerate() {
            let above = row[j + 1];
            let change = diagonal + usize::from(from != to);
            row[j + 1] = change.min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;

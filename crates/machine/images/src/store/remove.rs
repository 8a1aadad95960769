//! `rmi`: names go, and with the last of them the image.

use super::mark::Marks;
use super::name::grouped;
use super::{Store, index};
use crate::error::{Error, Result};
use teu_oci::image::Descriptor;
use teu_oci::{Digest, Reference};

/// Who uses images, as only the caller knows: image id and a text for people (container name).
pub type InUse<'a> = &'a [(Digest, String)];

/// What `rmi` was asked.
#[derive(Debug, Clone, Copy)]
pub struct RemoveRequest<'a> {
    /// Name or id, as typed.
    pub text: &'a str,
    /// Also when a container uses it or several names exist.
    pub force: bool,
    /// The images that containers use.
    pub in_use: InUse<'a>,
}

/// One line of what was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// `Untagged: name`
    Untagged(Reference),
    /// `Deleted: sha256:…`, an image or the chain ID of a layer.
    Deleted(Digest),
}

pub(super) fn is_in_use(in_use: InUse<'_>, id: &Digest) -> bool {
    in_use.iter().any(|(used, _)| used == id)
}

impl Store {
    /// Removes an image as `docker rmi` does: a name of several is only untagged; with its last name,
    /// or by its id, the image and all content that nothing else keeps is deleted.
    pub fn remove(&self, request: &RemoveRequest<'_>) -> Result<Vec<Removed>> {
        let target = self.target(self.find(request.text)?);
        let named: Option<Reference> =
            request.text.parse().ok().filter(|name| target.names.contains(name));
        if let Some(name) = named {
            if target.names.len() > 1 {
                self.take_names(&target.descriptor, std::slice::from_ref(&name))?;
                return Ok(vec![Removed::Untagged(name)]);
            }
            check_use(&target, request)?;
            return self.delete(&target);
        }
        // What a registry has of a tag that is here: only that is forgotten, the tag stays.
        let digest: Option<Reference> = request.text.parse().ok();
        if let Some(name) = digest.filter(|name| name.digest.is_some())
            && let Some(digest) = &name.digest
            && self.forget_published(&name, digest)?
        {
            return Ok(vec![Removed::Untagged(Reference { tag: None, ..name })]);
        }
        // By id: one image may lie here under several manifests (compressed and not).
        let same: Vec<Target> = match target.is_image {
            false => vec![target],
            true => grouped(&self.index()?)
                .into_iter()
                .map(|group| self.target(group))
                .filter(|other| other.id == target.id)
                .collect(),
        };
        check_repositories(&same, request.force)?;
        for target in &same {
            check_use(target, request)?;
        }
        let mut removed = Vec::new();
        for target in &same {
            removed.extend(self.delete(target)?);
        }
        Ok(removed)
    }

    /// An image that cannot be read can still be removed, by what its names lead to.
    fn target(&self, (descriptor, names): (Descriptor, Vec<Reference>)) -> Target {
        let image = self.load_image(&descriptor, names.clone(), None).ok();
        let is_image = image.is_some();
        let id = image.map_or_else(|| descriptor.digest.clone(), |image| image.id);
        Target { descriptor, names, id, is_image }
    }

    fn delete(&self, target: &Target) -> Result<Vec<Removed>> {
        let (descriptor, names) = (&target.descriptor, &target.names);
        let mut candidates = Marks::default();
        self.mark_descriptor(descriptor, &mut candidates, 0);
        self.take_names(descriptor, names)?;
        let mut removed: Vec<Removed> = names.iter().cloned().map(Removed::Untagged).collect();
        let is_gone =
            !grouped(&self.index()?).iter().any(|(entry, _)| entry.digest == descriptor.digest);
        if is_gone {
            removed.push(Removed::Deleted(target.id.clone()));
            removed.extend(self.collect_among(Some(&candidates))?.removed);
        }
        Ok(removed)
    }

    /// Takes names and, when none is left, the image out of the table.
    fn take_names(&self, descriptor: &Descriptor, names: &[Reference]) -> Result<()> {
        self.update_index(|index| {
            index.manifests.retain(|entry| {
                let name = index::name_of(entry);
                entry.digest != descriptor.digest || name.is_some_and(|name| !names.contains(&name))
            });
            Ok(())
        })
    }
}

/// What is to be removed.
struct Target {
    descriptor: Descriptor,
    names: Vec<Reference>,
    /// Of the configuration, or what can be told where it cannot be read.
    id: Digest,
    is_image: bool,
}

/// By id, names of several repositories need force.
fn check_repositories(targets: &[Target], force: bool) -> Result<()> {
    let mut names: Vec<&Reference> = targets.iter().flat_map(|target| &target.names).collect();
    names.sort();
    let mut repositories: Vec<String> = names.iter().map(|name| name.name()).collect();
    repositories.dedup();
    match targets.first() {
        Some(first) if repositories.len() > 1 && !force => Err(Error::SeveralNames {
            image: first.id.short().to_owned(),
            names: names.into_iter().map(Reference::familiar).collect(),
        }),
        _ => Ok(()),
    }
}

fn check_use(target: &Target, request: &RemoveRequest<'_>) -> Result<()> {
    let users = request.in_use.iter().filter(|(used, _)| used == &target.id);
    let users: Vec<String> = users.map(|(_, user)| user.clone()).collect();
    if users.is_empty() || request.force {
        return Ok(());
    }
    Err(Error::InUse { image: request.text.to_owned(), users })
}

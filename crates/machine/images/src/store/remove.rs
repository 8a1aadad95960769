//! `rmi`: names go, and with the last of them the image.

use super::image::Image;
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
        let (descriptor, names) = self.find(request.text)?;
        // An image that cannot be read can still be removed.
        let image = self.load_image(&descriptor, names.clone(), None).ok();
        let named: Option<Reference> =
            request.text.parse().ok().filter(|name| names.contains(name));
        match named {
            Some(name) if names.len() > 1 => {
                self.take_names(&descriptor, std::slice::from_ref(&name))?;
                Ok(vec![Removed::Untagged(name)])
            }
            _ => {
                if named.is_none() {
                    check_repositories(&descriptor, image.as_ref(), &names, request.force)?;
                }
                check_use(&descriptor, image.as_ref(), request)?;
                self.delete(&descriptor, image.as_ref(), &names)
            }
        }
    }

    fn delete(
        &self,
        descriptor: &Descriptor,
        image: Option<&Image>,
        names: &[Reference],
    ) -> Result<Vec<Removed>> {
        let mut candidates = Marks::default();
        self.mark_descriptor(descriptor, &mut candidates, 0);
        self.take_names(descriptor, names)?;
        let mut removed: Vec<Removed> = names.iter().cloned().map(Removed::Untagged).collect();
        let is_gone =
            !grouped(&self.index()?).iter().any(|(entry, _)| entry.digest == descriptor.digest);
        if is_gone {
            removed.push(Removed::Deleted(
                image.map_or(&descriptor.digest, |image| &image.id).clone(),
            ));
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

/// By id, names of several repositories need force.
fn check_repositories(
    descriptor: &Descriptor,
    image: Option<&Image>,
    names: &[Reference],
    force: bool,
) -> Result<()> {
    let mut repositories: Vec<String> = names.iter().map(Reference::name).collect();
    repositories.dedup();
    if repositories.len() > 1 && !force {
        let id = image.map_or(&descriptor.digest, |image| &image.id);
        return Err(Error::SeveralNames {
            image: id.short().to_owned(),
            names: names.iter().map(Reference::familiar).collect(),
        });
    }
    Ok(())
}

fn check_use(
    descriptor: &Descriptor,
    image: Option<&Image>,
    request: &RemoveRequest<'_>,
) -> Result<()> {
    let id = image.map_or(&descriptor.digest, |image| &image.id);
    let users: Vec<String> = request
        .in_use
        .iter()
        .filter(|(used, _)| used == id)
        .map(|(_, user)| user.clone())
        .collect();
    if users.is_empty() || request.force {
        return Ok(());
    }
    Err(Error::InUse { image: request.text.to_owned(), users })
}

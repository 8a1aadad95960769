//! The machine's own images as repositories, for reading: what `teu build` made can be pulled
//! elsewhere without a push.
//!
//! A local name is served under its familiar name (`busybox`, `quay.io/a/b`); names of Docker Hub and
//! of this machine also under their path alone (`library/busybox`; `app` for `localhost/app` and for
//! `127.0.0.1:5000/app`). Why not by default: whoever can reach the registry could read every image
//! of the machine, which nobody has pushed for him to read.

use crate::name::Name;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use teu_images::{Result, Store};
use teu_oci::image::Descriptor;
use teu_oci::{Digest, Reference, media};

/// The names of the image store, read again when they change.
#[derive(Debug)]
pub struct Local {
    store: Store,
    views: Mutex<(Option<SystemTime>, Views)>,
}

type Views = Arc<BTreeMap<Name, View>>;

/// One repository as it is seen from outside.
#[derive(Debug, Default)]
pub struct View {
    /// Tags and what they lead to.
    pub tags: BTreeMap<String, Digest>,
    /// Manifests: media type and bytes.
    pub manifests: HashMap<Digest, (String, u64)>,
    /// Blobs and their bytes.
    pub blobs: HashMap<Digest, u64>,
}

impl Local {
    /// Over a store.
    pub fn new(store: &Store) -> Self {
        Self { store: store.clone(), views: Mutex::default() }
    }

    /// All repositories. Blocks.
    pub fn views(&self) -> Result<Views> {
        let mut known = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = self.store.names_changed();
        if known.0.is_none() || known.0 != changed {
            let mut views = BTreeMap::<Name, View>::new();
            for (reference, target) in self.store.named()? {
                let reachable = self.store.reachable(&target);
                for name in served_as(&reference) {
                    let view = views.entry(name).or_default();
                    view.add(&reference, &reachable);
                }
            }
            *known = (changed, Arc::new(views));
        }
        Ok(known.1.clone())
    }
}

impl View {
    fn add(&mut self, reference: &Reference, reachable: &[Descriptor]) {
        if let (Some(tag), Some(target)) = (&reference.tag, reachable.first()) {
            self.tags.insert(tag.clone(), target.digest.clone());
        }
        for found in reachable {
            let kind = &found.media_type;
            if media::is_index(kind) || media::is_manifest(kind) {
                self.manifests.insert(found.digest.clone(), (kind.clone(), found.size));
            } else {
                self.blobs.insert(found.digest.clone(), found.size);
            }
        }
    }
}

/// The repositories under which a name is served.
fn served_as(reference: &Reference) -> Vec<Name> {
    let host = &*reference.registry;
    let is_ours = host == "docker.io" || host.starts_with("localhost") || host.starts_with("127.");
    let path = Some(&*reference.repository).filter(|_| is_ours).and_then(Name::parse);
    let mut names: Vec<Name> =
        Name::parse(&reference.familiar_name()).into_iter().chain(path).collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_served_as_people_call_them() {
        let check = |reference: &str, expected: &[&str]| {
            let reference: Reference = reference.parse().expect("a name");
            let names: Vec<String> =
                served_as(&reference).iter().map(ToString::to_string).collect();
            assert_eq!(names, expected, "{reference}");
        };
        check("busybox", &["busybox", "library/busybox"]);
        check("user/app:1", &["user/app"]);
        check("quay.io/a/b", &["quay.io/a/b"]);
        check("localhost/app", &["localhost/app", "app"]);
        check("127.0.0.1:5000/team/app", &["team/app"]);
    }
}

//! Manifests: given, taken, deleted. Distribution-spec, "Pulling manifests" (end-3), "Pushing
//! Manifests" (end-7), "Deleting Manifests" and "Deleting tags" (end-9).

use super::{Answer, Ask, Registry, now, reference_text, set, set_digest};
use crate::manifest::{Examined, MANIFEST_BYTES, examine};
use crate::name::Name;
use crate::problem::Problem;
use crate::records::{ManifestRecord, Note, State};
use crate::route::Reference;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use serde_json::json;
use teu_images::Hasher;
use teu_oci::Digest;
use teu_web::{BodyError, Incoming, respond};

impl Registry {
    pub(super) async fn get_manifest(
        &self,
        ask: &Ask,
        name: &Name,
        reference: Reference,
    ) -> Answer {
        let (digest, media_type, size) = self.find_manifest(name, &reference).await?;
        let mut response = respond::empty(StatusCode::OK);
        if ask.has(&digest) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            set_digest(&mut response, &digest);
            return Ok(response);
        }
        set_digest(&mut response, &digest);
        set(&mut response, "content-type", &media_type);
        set(&mut response, "content-length", &size.to_string());
        if ask.method == Method::GET {
            *response.body_mut() = self.manifest_bytes(&digest).await?.into();
        }
        Ok(response)
    }

    pub(super) async fn put_manifest(
        &self,
        ask: &Ask,
        name: &Name,
        reference: Reference,
        body: Incoming,
    ) -> Answer {
        let bytes = body.collect(MANIFEST_BYTES).await.map_err(|error| match error {
            BodyError::TooLarge { limit } => {
                let message = format!("a manifest has at most {limit} bytes");
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "MANIFEST_INVALID", message)
            }
            other => other.into(),
        })?;
        let (digest, tag) = match reference {
            Reference::Tag(tag) => (digest_of(&bytes, Hasher::sha256()), Some(tag)),
            Reference::Digest(wanted) => {
                let found = digest_of(&bytes, Hasher::like(&wanted));
                if found != wanted {
                    let message = format!("the manifest's digest is {found}");
                    return Err(Problem::digest_invalid(message)
                        .detail(json!({ "digest": wanted.as_str() })));
                }
                (found, None)
            }
        };
        let examined = examine(ask.header(header::CONTENT_TYPE), &bytes)?;
        self.check_quota(name, &digest, bytes.len() as u64)?;
        let subject = examined.subject.clone();
        self.take_manifest(name, (&digest, tag), examined, bytes.clone()).await?;
        self.remember_manifest(&digest, bytes);
        self.0.aged.notify_one();
        let mut response = respond::empty(StatusCode::CREATED);
        set(&mut response, "location", &format!("/v2/{name}/manifests/{digest}"));
        set(&mut response, "docker-content-digest", digest.as_str());
        if let Some(subject) = subject {
            set(&mut response, "oci-subject", subject.as_str());
        }
        Ok(response)
    }

    /// Stores a manifest whose content is there; returns when both are on disk.
    async fn take_manifest(
        &self,
        name: &Name,
        (digest, tag): (&Digest, Option<String>),
        examined: Examined,
        bytes: Bytes,
    ) -> Result<(), Problem> {
        let (registry, name, digest) = (self.clone(), name.clone(), digest.clone());
        let take = move || {
            check_content(&registry, &name, &examined)?;
            let record = record_of(&examined, bytes.len() as u64, now());
            let sealed = registry.0.store.seal(&bytes, &digest)?;
            let repository = registry.0.records.get_or_create(&name)?;
            let note = Note::Manifest { digest, record, tag };
            repository.take_if(sealed, note, |state| check_state(state, &examined))?;
            repository.persist()?;
            // Its ledger grows with every push of a tag.
            repository.shrink()?;
            Ok(())
        };
        self.0.workers.run(take).await
    }

    pub(super) async fn delete_manifest(&self, name: &Name, reference: Reference) -> Answer {
        let repository = self.repository(name)?;
        let note = {
            let state = repository.read();
            match reference {
                Reference::Tag(tag) if state.tags.contains_key(&tag) => Note::Untag { tag },
                Reference::Digest(digest) if state.manifests.contains_key(&digest) => {
                    Note::Unmanifest { digest }
                }
                other => return Err(Problem::manifest_unknown(reference_text(&other))),
            }
        };
        let deleted = match &note {
            Note::Unmanifest { digest } => Some(digest.clone()),
            _ => None,
        };
        let delete = move || repository.change(note).and_then(|()| repository.persist());
        self.0.workers.run(delete).await?;
        if let Some(digest) = deleted {
            self.collect_later(digest);
        }
        Ok(respond::empty(StatusCode::ACCEPTED))
    }
}

/// What is known of a manifest from now on.
pub(super) fn record_of(examined: &Examined, size: u64, at: u64) -> ManifestRecord {
    let digests = |list: &[teu_oci::image::Descriptor]| {
        list.iter().map(|descriptor| descriptor.digest.clone()).collect()
    };
    ManifestRecord {
        size,
        at,
        blobs: digests(&examined.blobs),
        manifests: digests(&examined.manifests),
        media_type: examined.media_type.clone(),
        artifact_type: examined.artifact_type.clone(),
        subject: examined.subject.clone(),
    }
}

fn digest_of(bytes: &[u8], mut hasher: Hasher) -> Digest {
    hasher.update(bytes);
    hasher.finish()
}

/// Checked once without the writer's lock, so that what is refused costs nobody a wait.
fn check_content(registry: &Registry, name: &Name, examined: &Examined) -> Result<(), Problem> {
    match registry.0.records.get(name) {
        Some(repository) => check_state(&repository.read(), examined),
        None => check_state(&State::default(), examined),
    }
}

/// A manifest is taken when all it needs is there, and of the size it says. (What it is about need
/// not be: referrers may come first.)
fn check_state(state: &State, examined: &Examined) -> Result<(), Problem> {
    let mut missing = Vec::new();
    for needed in &examined.blobs {
        match state.blobs.get(&needed.digest) {
            None => missing.push(&needed.digest),
            Some((size, _)) if *size != needed.size => {
                let message = format!(
                    "{} has {size} bytes, but the manifest says {}",
                    needed.digest, needed.size
                );
                return Err(Problem::manifest_invalid(message));
            }
            Some(_) => {}
        }
    }
    let manifests = examined.manifests.iter().map(|needed| &needed.digest);
    missing.extend(manifests.filter(|digest| !state.manifests.contains_key(*digest)));
    if missing.is_empty() {
        return Ok(());
    }
    let message = "the manifest needs content that this repository does not have";
    let problem = Problem::new(StatusCode::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN", message);
    Err(missing
        .into_iter()
        .take(MISSING_TOLD)
        .fold(problem, |problem, digest| problem.detail(json!({ "digest": digest.as_str() }))))
}

/// Missing digests that an answer names.
const MISSING_TOLD: usize = 100;

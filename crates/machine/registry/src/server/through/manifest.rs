//! Manifests of upstreams.

use super::super::manifests::record_of;
use super::super::{Answer, Ask, Registry, now, reference_text, set, set_digest};
use super::count;
use crate::manifest::examine;
use crate::name::Name;
use crate::problem::Problem;
use crate::records::{ManifestRecord, Note};
use crate::route::Reference;
use crate::upstreams::{Failure, Foreign};
use http::{Method, StatusCode};
use teu_images::remote::Document;
use teu_oci::Digest;
use teu_oci::image::Descriptor;
use teu_web::respond;

/// What the upstream said of a manifest.
enum Renewed {
    /// What is here now is right.
    Here,
    /// It is not here, and was not asked for: this is what it is.
    Described(Box<Descriptor>),
}

impl Registry {
    pub(super) async fn through_manifest(
        &self,
        ask: &Ask,
        foreign: &Foreign,
        (name, reference): (&Name, Reference),
    ) -> Answer {
        let upstream = &foreign.upstream;
        if let Some(digest) = self.good_manifest(foreign, (name, &reference)) {
            return self.kept_manifest(ask, name, (reference, &digest)).await;
        }
        let text = reference_text(&reference).to_owned();
        let _turn = upstream.turns.take(format!("{name} {text}")).await;
        // The one before us may have found it.
        if let Some(digest) = self.good_manifest(foreign, (name, &reference)) {
            return self.kept_manifest(ask, name, (reference, &digest)).await;
        }
        if let Some(problem) = upstream.absent(name, &text) {
            return Err(problem);
        }
        let is_head = ask.method == Method::HEAD;
        let (here, wanted) = (name.clone(), reference.clone());
        let renew = move |registry: &Registry, foreign: &Foreign| {
            registry.renew(foreign, (&here, &wanted), is_head)
        };
        match self.ask_upstream(foreign, renew).await {
            Ok(Renewed::Here) => self.get_manifest(ask, name, reference).await,
            Ok(Renewed::Described(descriptor)) => {
                let mut response = respond::empty(StatusCode::OK);
                set_digest(&mut response, &descriptor.digest);
                set(&mut response, "content-type", &descriptor.media_type);
                set(&mut response, "content-length", &descriptor.size.to_string());
                Ok(response)
            }
            Err(Failure::Gone(problem)) => match self.get_manifest(ask, name, reference).await {
                Ok(response) => Ok(self.stale(foreign, &problem, response)),
                Err(_) => Err(problem),
            },
            Err(Failure::Absent(problem)) => {
                upstream.set_absent(name, &text, problem.clone());
                if let (Some(repository), Reference::Tag(tag)) =
                    (self.0.records.get(name), reference)
                    && repository.read().tags.contains_key(&tag)
                {
                    let untag = move || repository.change(Note::Untag { tag });
                    self.0.workers.run(untag).await?;
                }
                Err(problem)
            }
            Err(other) => Err(other.into_problem()),
        }
    }

    /// The manifest that is here and needs no question.
    fn good_manifest(
        &self,
        foreign: &Foreign,
        (name, reference): (&Name, &Reference),
    ) -> Option<Digest> {
        let (digest, ..) = self.find_pushed(name, reference).ok()?;
        let is_good = match reference {
            Reference::Digest(_) => true,
            Reference::Tag(tag) => foreign.upstream.is_fresh(name, tag),
        };
        is_good.then_some(digest)
    }

    async fn kept_manifest(
        &self,
        ask: &Ask,
        name: &Name,
        (reference, digest): (Reference, &Digest),
    ) -> Answer {
        count(&self.0.metrics.cache_hits);
        self.used(name, digest).await;
        self.get_manifest(ask, name, reference).await
    }

    /// Asks whether what is here is right, and fetches what is. Docker Hub counts what is fetched, not
    /// what is asked about. Blocks.
    fn renew(
        &self,
        foreign: &Foreign,
        (name, reference): (&Name, &Reference),
        is_head: bool,
    ) -> Result<Renewed, Failure> {
        let upstream = &foreign.upstream;
        let repository = upstream.repository(name, &foreign.there)?;
        let text = reference_text(reference);
        let failed = |error| upstream.failed(error);
        let known = self.find_pushed(name, reference).ok().map(|(digest, ..)| digest);
        if known.is_some() || is_head {
            let found = repository.head_manifest(text).map_err(failed)?;
            let absent = || Failure::Absent(Problem::manifest_unknown(text));
            let found = found.ok_or_else(absent)?;
            if known.as_ref() == Some(&found.digest)
                || self.retag((name, reference), &found.digest)?
            {
                if let Reference::Tag(tag) = reference {
                    upstream.set_fresh(name, tag);
                }
                return Ok(Renewed::Here);
            }
            if is_head {
                if let Reference::Tag(tag) = reference {
                    upstream.promise(name, &found.digest, tag);
                }
                return Ok(Renewed::Described(Box::new(found)));
            }
        }
        let document = repository.manifest(text).map_err(failed)?;
        let tag = match reference {
            Reference::Tag(tag) => Some(tag.clone()),
            Reference::Digest(digest) => upstream.promised(name, digest),
        };
        self.keep_manifest(name, document, tag.clone())?;
        if let Some(tag) = tag {
            upstream.set_fresh(name, &tag);
        }
        Ok(Renewed::Here)
    }

    /// Lets a tag lead to a manifest that is here; says whether it is.
    fn retag(
        &self,
        (name, reference): (&Name, &Reference),
        digest: &Digest,
    ) -> Result<bool, Failure> {
        let (Reference::Tag(tag), Some(repository)) = (reference, self.0.records.get(name)) else {
            return Ok(false);
        };
        let Some(record) = repository.read().manifests.get(digest).cloned() else {
            return Ok(false);
        };
        let record = ManifestRecord { at: now(), ..record };
        let note = Note::Manifest { digest: digest.clone(), record, tag: Some(tag.clone()) };
        repository.change(note)?;
        Ok(true)
    }

    fn keep_manifest(
        &self,
        name: &Name,
        document: Document,
        tag: Option<String>,
    ) -> Result<(), Failure> {
        let Document { descriptor, bytes } = document;
        let wrong = |problem: Problem| {
            let status = StatusCode::BAD_GATEWAY;
            Failure::Own(Problem::new(status, "MANIFEST_INVALID", problem.message()))
        };
        let examined = examine(Some(&descriptor.media_type), &bytes).map_err(wrong)?;
        let record = record_of(&examined, bytes.len() as u64, now());
        let digest = descriptor.digest;
        let sealed = self.0.store.seal(&bytes, &digest)?;
        let repository = self.0.records.get_or_create(name)?;
        repository.take(sealed, Note::Manifest { digest: digest.clone(), record, tag })?;
        repository.shrink()?;
        self.remember_manifest(&digest, bytes.into());
        self.0.aged.notify_one();
        Ok(())
    }
}

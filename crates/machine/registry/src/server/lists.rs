//! Lists: tags, repositories, referrers. Distribution-spec, "Listing Tags" (end-8), "Listing
//! Referrers" (end-12).

use super::{Answer, Ask, Registry, set};
use crate::link::{Page, encode};
use crate::name::Name;
use crate::problem::Problem;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use teu_oci::image::Descriptor;
use teu_oci::{Digest, media};
use teu_web::{Response, respond};

/// Referrers of one page; each is read.
const REFERRERS: usize = 500;

impl Registry {
    pub(super) async fn tags(&self, ask: &Ask, name: &Name) -> Answer {
        let page = page_of(ask)?;
        let local = self.local_tags(name).await;
        let repository = match self.repository(name) {
            Err(problem) if local.is_none() => return Err(problem),
            found => found.ok(),
        };
        let after = page.last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut tags: BTreeSet<String> = local.unwrap_or_default();
        if let Some(repository) = repository {
            let state = repository.read();
            let pushed = state.tags.range::<str, _>((after, Bound::Unbounded));
            tags.extend(pushed.take(page.entries + 1).map(|(tag, _)| tag.clone()));
        }
        Ok(tags_answer(ask, &page, tags.iter().map(String::as_str)))
    }

    pub(super) async fn catalog(&self, ask: &Ask) -> Answer {
        let page = page_of(ask)?;
        let last = page.last.as_deref();
        let mut names = self.local_names(None).await;
        names.retain(|name| last.is_none_or(|last| name.as_str() > last));
        names.extend(self.0.records.names_after(last));
        names.retain(|name| self.is_shown(ask, name));
        let (names, has_more) = page.cut(names.iter().map(Name::as_str));
        let mut response = respond::json(StatusCode::OK, &json!({ "repositories": names }));
        if let (true, Some(last)) = (has_more, names.last()) {
            set(&mut response, "link", &page.next(&ask.path, last));
        }
        Ok(response)
    }

    /// Who is about a digest: an index, empty where nobody is, be the digest known or not.
    pub(super) async fn referrers(&self, ask: &Ask, name: &Name, digest: Digest) -> Answer {
        let wanted = ask.query.get("artifactType").filter(|kind| !kind.is_empty());
        let last = ask.query.get("last");
        let mut found: Vec<(Digest, String, Option<String>, u64)> = match self.0.records.get(name) {
            None => Vec::new(),
            Some(repository) => {
                let state = repository.read();
                let about = state.referrers.get(&digest).into_iter().flatten();
                let after = about.filter(|about| last.is_none_or(|last| about.as_str() > last));
                let known = after.filter_map(|about| Some((about, state.manifests.get(about)?)));
                let fitting = known.filter(|(_, record)| {
                    wanted.is_none() || record.artifact_type.as_deref() == wanted
                });
                let row = |(digest, record): (&Digest, &crate::records::ManifestRecord)| {
                    let kinds = (record.media_type.clone(), record.artifact_type.clone());
                    (digest.clone(), kinds.0, kinds.1, record.size)
                };
                fitting.map(row).take(REFERRERS + 1).collect()
            }
        };
        let has_more = found.len() > REFERRERS;
        found.truncate(REFERRERS);
        let mut manifests = Vec::new();
        for (digest, media_type, artifact_type, size) in found {
            let annotations = annotations(&self.manifest_bytes(&digest).await?);
            let plain = Descriptor::new(&media_type, digest, size);
            manifests.push(Descriptor { artifact_type, annotations, ..plain });
        }
        Ok(referrers_answer(ask, manifests, has_more))
    }
}

/// A page of tags, which are all there are, in order.
pub(super) fn tags_answer<'a>(
    ask: &Ask,
    page: &Page,
    tags: impl Iterator<Item = &'a str>,
) -> Response {
    let last = page.last.as_deref();
    let (tags, has_more) = page.cut(tags.filter(|tag| last.is_none_or(|last| *tag > last)));
    let mut response = respond::json(StatusCode::OK, &json!({ "name": ask.asked, "tags": tags }));
    if let (true, Some(last)) = (has_more, tags.last()) {
        set(&mut response, "link", &ask.with_ns(page.next(&ask.path, last)));
    }
    response
}

/// An index of referrers, filtered already.
pub(super) fn referrers_answer(ask: &Ask, manifests: Vec<Descriptor>, has_more: bool) -> Response {
    let wanted = ask.query.get("artifactType").filter(|kind| !kind.is_empty());
    let last = manifests.last().map(|last| last.digest.clone());
    let index = json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": manifests });
    let mut response = respond::json(StatusCode::OK, &index);
    set(&mut response, "content-type", media::INDEX);
    if wanted.is_some() {
        set(&mut response, "oci-filters-applied", "artifactType");
    }
    if let (true, Some(last)) = (has_more, last) {
        let kind = wanted.map(|kind| format!("artifactType={}&", encode(kind)));
        let kind = kind.unwrap_or_default();
        let link = format!("<{}?{kind}last={}>; rel=\"next\"", ask.path, encode(last.as_str()));
        set(&mut response, "link", &link);
    }
    response
}

pub(super) fn page_of(ask: &Ask) -> Result<Page, Problem> {
    Page::of(&ask.query).ok_or_else(|| {
        let message = "the parameter n must be a number";
        Problem::new(StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID", message)
    })
}

fn annotations(manifest: &[u8]) -> BTreeMap<String, String> {
    #[derive(Deserialize)]
    struct Annotated {
        #[serde(default)]
        annotations: BTreeMap<String, String>,
    }
    serde_json::from_slice(manifest).map_or_else(|_| BTreeMap::new(), |a: Annotated| a.annotations)
}

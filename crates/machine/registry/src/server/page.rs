//! The page on `/`: repositories, and behind a click their tags, images, layers and sizes, for people
//! with a browser.
//!
//! Two documents without scripts and without anything from elsewhere: the list, and (with
//! `?repository=NAME`) what is in one. Who may see what is asked of the gate. What is gathered here is
//! written down in [`html`], which is pure.

use super::{Answer, Ask, Registry, now, set};
use crate::link::encode;
use crate::manifest::examine;
use crate::name::Name;
use crate::problem::Problem;
use http::StatusCode;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use teu_oci::Digest;
use teu_oci::image::Descriptor;
use teu_web::{Body, Response, respond};

mod html;

use html::{ImageRow, RepositoryRow, TagRow};

/// Configurations of images that run; other kinds say what an artifact is.
const IMAGE_CONFIGS: [&str; 2] = [teu_oci::media::CONFIG, teu_oci::media::DOCKER_CONFIG];
/// Repositories of one page.
const REPOSITORIES: usize = 200;
/// Tags of one page; the manifest of each is read.
const TAGS: usize = 50;
/// Images of one index that are shown.
const IMAGES: usize = 20;

impl Registry {
    pub(super) async fn page(&self, ask: &mut Ask) -> Answer {
        ask.who = self.0.gate.identify(&ask.door(), now()).await?;
        let Some(text) = ask.query.get("repository").map(str::to_owned) else {
            return Ok(document(StatusCode::OK, self.page_of_repositories(ask).await?));
        };
        let name = Name::parse(&text).filter(|name| self.is_shown(ask, name));
        if let Some(name) = name
            && let Some(page) = self.page_of_tags(ask, &name).await?
        {
            return Ok(document(StatusCode::OK, page));
        }
        self.0.gate.demand_name(&ask.who)?;
        Ok(document(StatusCode::NOT_FOUND, html::nothing(&text)))
    }

    async fn page_of_repositories(&self, ask: &Ask) -> Result<String, Problem> {
        let last = ask.query.get("last");
        let mut names = self.local_names(None).await;
        // Docker's own are served under two names.
        let is_again = |name: &Name| {
            let short = name.as_str().strip_prefix("library/").and_then(Name::parse);
            short.is_some_and(|short| names.contains(&short))
        };
        let again: Vec<Name> = names.iter().filter(|name| is_again(name)).cloned().collect();
        names.retain(|name| !again.contains(name));
        names.retain(|name| last.is_none_or(|last| name.as_str() > last));
        names.extend(self.0.records.names_after(last));
        let mut names: Vec<Name> = names.into_iter().filter(|n| self.is_shown(ask, n)).collect();
        if names.is_empty() && last.is_none() {
            self.0.gate.demand_name(&ask.who)?;
        }
        let has_more = names.len() > REPOSITORIES;
        names.truncate(REPOSITORIES);
        let mut rows = Vec::new();
        for name in &names {
            rows.push(self.row_of(name).await);
        }
        let more = names.last().filter(|_| has_more);
        let more = more.map(|last| format!("/?last={}", encode(last.as_str())));
        Ok(html::repositories(&rows, ask.shown_host(), more.as_deref()))
    }

    async fn row_of(&self, name: &Name) -> RepositoryRow {
        let mut row = RepositoryRow { name: name.to_string(), ..RepositoryRow::default() };
        match self.0.records.get(name) {
            Some(repository) => {
                let state = repository.read();
                row.tags = state.tags.len();
                row.bytes = state.bytes;
                row.at = state.manifests.values().map(|record| record.at).max();
                let owner = self.0.upstreams.owner(name);
                row.from = owner.map(|found| format!("cache of {}", found.upstream.registry()));
            }
            None => {
                let local = self.local_size(name).await.unwrap_or_default();
                (row.tags, row.bytes) = local;
                row.from = Some("local images".to_owned());
            }
        }
        row
    }

    /// What is in a repository; nothing if there is none.
    async fn page_of_tags(&self, ask: &Ask, name: &Name) -> Result<Option<String>, Problem> {
        let last = ask.query.get("last");
        let mut tags: BTreeMap<String, Digest> = self.local_targets(name).await.unwrap_or_default();
        let mut untagged = Vec::new();
        if let Some(repository) = self.0.records.get(name) {
            let state = repository.read();
            tags.extend(state.tags.iter().map(|(tag, digest)| (tag.clone(), digest.clone())));
            if last.is_none() {
                // What a tag leads to is shown there.
                let tagged: BTreeSet<&Digest> = state.tags.values().collect();
                let children = state.manifests.values().flat_map(|record| &record.manifests);
                let known: BTreeSet<&Digest> = tagged.into_iter().chain(children).collect();
                let others = state.manifests.keys().filter(|digest| !known.contains(digest));
                untagged.extend(others.take(TAGS).cloned());
            }
        }
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut page: Vec<(&String, &Digest)> =
            tags.range::<str, _>((after, Bound::Unbounded)).take(TAGS + 1).collect();
        let has_more = page.len() > TAGS;
        page.truncate(TAGS);
        let mut rows = Vec::new();
        for (tag, digest) in &page {
            rows.extend(self.tag_row(name, Some(tag.as_str()), digest).await);
        }
        let more = page.last().filter(|_| has_more).map(|(last, _)| {
            format!("/?repository={}&last={}", encode(name.as_str()), encode(last))
        });
        for digest in untagged {
            rows.extend(self.tag_row(name, None, &digest).await);
        }
        if rows.is_empty() {
            return Ok(None);
        }
        Ok(Some(html::tags(name.as_str(), &rows, ask.shown_host(), more.as_deref())))
    }

    /// What a digest leads to; nothing where it cannot be read.
    async fn tag_row(&self, name: &Name, tag: Option<&str>, digest: &Digest) -> Option<TagRow> {
        let at = self
            .0
            .records
            .get(name)
            .and_then(|repository| Some(repository.read().manifests.get(digest)?.at));
        let reference = crate::route::Reference::Digest(digest.clone());
        let (_, media_type, size) = self.find_manifest(name, &reference).await.ok()?;
        let own = Descriptor::new(&media_type, digest.clone(), size);
        let (image, children) = self.image_row(&own).await?;
        let mut row = TagRow {
            tag: tag.map(str::to_owned),
            digest: digest.to_string(),
            media_type,
            at,
            images: Vec::new(),
            more: children.len().saturating_sub(IMAGES),
        };
        if children.is_empty() {
            row.images.push(image);
        }
        for child in children.iter().take(IMAGES) {
            let found = self.image_row(child).await;
            row.images.push(found.map_or_else(|| ImageRow::elsewhere(child), |(image, _)| image));
        }
        Some(row)
    }

    /// An image with its layers, and the manifests of an index.
    async fn image_row(&self, of: &Descriptor) -> Option<(ImageRow, Vec<Descriptor>)> {
        let bytes = self.manifest_bytes(&of.digest).await.ok()?;
        let examined = examine(Some(&of.media_type), &bytes).ok()?;
        let mut blobs = examined.blobs.into_iter();
        // The first is the configuration.
        let config = blobs.next();
        let image = ImageRow {
            artifact: examined.artifact_type.filter(|kind| !IMAGE_CONFIGS.contains(&&**kind)),
            bytes: config.map_or(0, |config| config.size),
            ..ImageRow::elsewhere(of)
        };
        let layers: Vec<(String, u64)> =
            blobs.map(|layer| (layer.digest.to_string(), layer.size)).collect();
        let bytes = layers.iter().fold(image.bytes, |sum, (_, size)| sum.saturating_add(*size));
        Some((ImageRow { bytes, layers, is_here: true, ..image }, examined.manifests))
    }
}

impl Ask {
    /// The registry as the client calls it.
    fn shown_host(&self) -> &str {
        let is_host = |c: char| c.is_ascii_alphanumeric() || ".-:[]_".contains(c);
        let host = self.header(http::header::HOST).unwrap_or_default();
        if !host.is_empty() && host.chars().all(is_host) { host } else { "HOST" }
    }
}

fn document(status: StatusCode, text: String) -> Response {
    let kind = Some("text/html; charset=utf-8");
    let mut response = respond::with(status, kind, Body::from(text));
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; \
                  base-uri 'none'; form-action 'none'";
    set(&mut response, "content-security-policy", policy);
    set(&mut response, "cache-control", "no-store");
    set(&mut response, "x-content-type-options", "nosniff");
    response
}

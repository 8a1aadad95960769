//! `--cache-to` of a client: what the builder writes by itself, and what goes into a directory of the
//! client once the build is done.

use crate::content;
use crate::jobs::{Begun, Job};
use crate::outbox::Outbox;
use crate::rpc::{Code, Status};
use crate::status::Ending;
use crate::wire::SolveRequest;
use std::path::{Path, PathBuf};
use teu_builder::{BuildRequest, CachePlace, CacheTarget};
use teu_oci::Digest;
use teu_oci::image::Index;

/// Caches of one build.
const CACHE_LIMIT: usize = 16;
/// The key of the answer from which a client learns what its directory has now.
const MANIFEST_KEY: &str = "cache.manifest";

/// A cache for a directory of the client.
#[derive(Debug)]
pub(super) struct Delivery {
    /// The client's name for the directory.
    directory: String,
    /// Where the builder writes it.
    layout: PathBuf,
    ignores_errors: bool,
}

/// Reads what is asked for into the builder's request.
pub(super) fn plan(
    asked: &SolveRequest,
    outbox: &Outbox,
    request: &mut BuildRequest,
) -> Result<Vec<Delivery>, Status> {
    let mut deliveries = Vec::new();
    let exports = asked.cache.iter().flat_map(|cache| &cache.exports);
    for (number, export) in exports.enumerate() {
        if number >= CACHE_LIMIT {
            return Err(Status::refused(format!("a build exports at most {CACHE_LIMIT} caches")));
        }
        let attributes = export.attrs.clone().into_iter().collect();
        let mut target = CacheTarget::of(&export.kind, &attributes)
            .map_err(|problem| Status::refused(problem.to_string()))?;
        if let CachePlace::Local { directory, tag } = &mut target.place {
            let layout = outbox.join(&format!("cache-{number}"));
            deliveries.push(Delivery {
                directory: directory.display().to_string(),
                layout: layout.clone(),
                ignores_errors: target.ignores_errors,
            });
            "latest".clone_into(tag);
            *directory = layout;
        }
        request.cache_to.push(target);
    }
    Ok(deliveries)
}

/// Sends a cache; gives what is to be answered about it.
pub(super) async fn deliver(
    (job, begun): (&Job, &Begun),
    delivery: &Delivery,
) -> Result<Option<(String, String)>, Status> {
    if delivery.ignores_errors && !delivery.layout.exists() {
        return Ok(None);
    }
    let vertex = job.log.begin("sending cache to client directory");
    match send(begun, delivery).await {
        Ok(manifest) => {
            job.log.end(&vertex, Ending::Done);
            Ok(Some((MANIFEST_KEY.to_owned(), manifest)))
        }
        Err(status) => {
            job.log.end(&vertex, Ending::Failed(&status.message));
            if delivery.ignores_errors { Ok(None) } else { Err(status) }
        }
    }
}

/// Every piece, the manifest last.
async fn send(begun: &Begun, delivery: &Delivery) -> Result<String, Status> {
    let unknown = |text: String| Status::new(Code::Unknown, text);
    let path = delivery.layout.join("index.json");
    let bytes = std::fs::read(&path).map_err(|error| io(&path, &error))?;
    let index: Index = serde_json::from_slice(&bytes)
        .map_err(|error| unknown(format!("{}: {error}", path.display())))?;
    let mut manifest = index
        .manifests
        .into_iter()
        .next()
        .ok_or_else(|| unknown("the builder has written no cache".to_owned()))?;
    let blobs = delivery.layout.join("blobs/sha256");
    for entry in std::fs::read_dir(&blobs).map_err(|error| io(&blobs, &error))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(digest) = format!("sha256:{name}").parse::<Digest>() else { continue };
        if digest != manifest.digest {
            content::store(&begun.session, &delivery.directory, &digest, &entry.path()).await?;
        }
    }
    let path = blobs.join(manifest.digest.hex());
    content::store(&begun.session, &delivery.directory, &manifest.digest, &path).await?;
    manifest.annotations.clear();
    serde_json::to_string(&manifest).map_err(|error| unknown(error.to_string()))
}

fn io(path: &Path, error: &std::io::Error) -> Status {
    Status::new(Code::Unknown, format!("cannot read {}: {error}", path.display()))
}

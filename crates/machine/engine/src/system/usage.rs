//! `GET /system/df`

use crate::call::{Answer, Call};
use crate::containers::list::lines;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::images::list::summary;
use serde_json::{Map, Value, json};
use teu_containers::list::ListOptions;
use teu_containers::time::rfc3339;

/// Answers.
pub fn usage(engine: &Engine, call: &Call) -> Result<Answer> {
    let types: Vec<&str> = call.query.all("type").collect();
    if let Some(other) =
        types.iter().find(|kind| !["container", "image", "volume", "build-cache"].contains(kind))
    {
        return Err(Error::bad(format!("unknown object type: {other}")));
    }
    let wants = |kind: &str| types.is_empty() || types.contains(&kind);
    let mut document = Map::new();
    let mut set = |key: &str, value: Value| drop(document.insert(key.to_owned(), value));
    if wants("image") {
        let (total, images) = images(engine, call)?;
        set("LayersSize", json!(total));
        set("Images", images);
    }
    if wants("container") {
        let options = ListOptions { all: true, size: true, ..ListOptions::default() };
        set("Containers", json!(lines(engine, &options)?));
    }
    if wants("volume") {
        set("Volumes", json!(volumes(engine)?));
    }
    if wants("build-cache") {
        set("BuildCache", json!(build_cache(engine)?));
    }
    Answer::ok(&document)
}

fn images(engine: &Engine, call: &Call) -> Result<(u64, Value)> {
    let store = engine.containers().images();
    let usage = store.usage()?;
    let in_use = engine.containers().images_in_use()?;
    let published = store.published()?;
    let mut all = Vec::new();
    for image in store.list()? {
        let mut line = summary(&image, &published, call.version);
        let used = in_use.iter().filter(|(id, _)| *id == image.id).count();
        line.containers = i64::try_from(used).unwrap_or(i64::MAX);
        if let Some(known) = usage.images.iter().find(|known| known.id == image.id) {
            line.shared_size = i64::try_from(known.shared_bytes).unwrap_or(i64::MAX);
            line.size = known.total_bytes;
        }
        all.push(line);
    }
    let total = usage.images.iter().map(|image| image.unique_bytes).sum::<u64>()
        + usage.images.iter().map(|image| image.shared_bytes).max().unwrap_or(0);
    Ok((total, json!(all)))
}

fn volumes(engine: &Engine) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for usage in engine.containers().volume_usage()? {
        let mut volume = engine.containers().inspect_volume(usage.volume.name())?;
        volume["UsageData"] = json!({
            "RefCount": usage.containers.len(),
            "Size": usage.size_bytes,
        });
        all.push(volume);
    }
    Ok(all)
}

fn build_cache(engine: &Engine) -> Result<Vec<Value>> {
    let seconds = |seconds: i64| rfc3339(seconds.saturating_mul(1_000_000_000));
    let records = teu_builder::usage(&engine.build_state(), engine.containers().images())?;
    let shown = records.iter().map(|record| {
        json!({
            "ID": record.id,
            "Type": record.kind,
            "Description": record.description,
            "InUse": record.in_use,
            "Shared": false,
            "Size": record.size_bytes,
            "CreatedAt": seconds(record.created_s),
            "LastUsedAt": seconds(record.last_used_s),
            "UsageCount": 1,
        })
    });
    Ok(shown.collect())
}

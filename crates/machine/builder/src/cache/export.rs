//! `--cache-to`: the steps of this build, for others.

use super::document::{
    About, CREATED, CacheConfig, DESCRIPTION, Layer, MEDIA_TYPE, Record, UNCOMPRESSED,
};
use crate::error::{Error, Result};
use crate::progress::{Event, Step};
use crate::request::{CachePlace, CacheTarget};
use crate::solve::{Built, Solved, Solver, Used};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashSet;
use std::time::Instant;
use teu_images::transfer::{Assembly, LayoutSink, Quiet, Sink, assemble};
use teu_oci::image::Descriptor;

/// Writes every cache that was asked for; those in images are there already.
pub fn all(results: &[Solved<'_>]) -> Result<()> {
    let Some(Solved { solver, .. }) = results.first() else { return Ok(()) };
    for target in &solver.request.cache_to {
        if target.place == CachePlace::Inline {
            continue;
        }
        let id = solver.next_id();
        let name = format!("exporting cache to {}", target.shown());
        solver.tell(Event::Started(Step { id, name, stage: String::new(), line: 0 }));
        let begun = Instant::now();
        match one(results, target) {
            Ok((steps, descriptor)) => {
                let text = format!("{steps} steps, writing manifest {}", descriptor.digest);
                solver.tell(Event::Note { step: id, text });
                solver.tell(Event::Done { step: id, elapsed: begun.elapsed() });
            }
            Err(problem) => {
                let error = Error::Cache { place: target.shown(), problem };
                solver.tell(Event::Failed { step: id, error: error.to_string() });
                if !target.ignores_errors {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

fn one(
    results: &[Solved<'_>],
    target: &CacheTarget,
) -> std::result::Result<(usize, Descriptor), super::import::Problem> {
    let Some(Solved { solver, .. }) = results.first() else {
        return Err("a build for no platform".into());
    };
    let sink: Box<dyn Sink> = match &target.place {
        CachePlace::Registry(name) => {
            let outside = solver.environment.outside;
            outside.ok_or("this build has no way to a registry")?.sink(name)?
        }
        CachePlace::Local { directory, tag } => Box::new(LayoutSink::new(directory, Some(tag))),
        CachePlace::Inline => return Err("an inline cache is in its image".into()),
    };
    let steps = steps(results, target.max);
    let layers: Vec<Descriptor> = steps.iter().map(layer).collect();
    let assembly = Assembly {
        layers: &layers,
        compression: target.compression.into(),
        level: target.level,
        config_type: MEDIA_TYPE,
        progress: &Quiet,
    };
    let written = assemble(solver.environment.images, &*sink, &assembly, |sent| {
        let config = config(&steps, sent);
        serde_json::to_vec(&config)
            .map_err(|e| teu_images::Error::document("a build cache's document", e))
    })?;
    Ok((steps.len(), written))
}

/// The steps of all platforms, each once.
fn steps(results: &[Solved<'_>], max: bool) -> Vec<Used> {
    let mut seen = HashSet::new();
    let used = results.iter().flat_map(|Solved { solver, .. }| solver.used(max));
    used.filter(|used| seen.insert(used.key.clone())).collect()
}

/// A step's layer as the manifest lists it.
fn layer(used: &Used) -> Descriptor {
    let mut layer = used.record.descriptor.clone();
    layer.annotations = [
        (UNCOMPRESSED, used.record.diff_id.to_string()),
        (DESCRIPTION, used.record.description.clone()),
        (CREATED, used.record.created.clone()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    layer
}

/// The document over layers as they were sent.
fn config(steps: &[Used], sent: &[Descriptor]) -> CacheConfig {
    let layers = steps.iter().zip(sent).map(|(used, sent)| Layer {
        blob: Some(sent.digest.clone()),
        parent: -1,
        annotations: Some(About { diff_id: Some(used.record.diff_id.clone()) }),
    });
    let records = steps.iter().enumerate();
    let records = records.filter_map(|(n, used)| Record::new(&used.key, n, &used.record.created));
    CacheConfig { layers: layers.collect(), records: records.collect() }
}

/// The steps that an image's own layers are, for its configuration; none if that was not asked for.
pub fn inline(solver: &Solver<'_>, built: &Built) -> Option<String> {
    let is_inline = |target: &CacheTarget| target.place == CachePlace::Inline;
    if !solver.request.cache_to.iter().any(is_inline) {
        return None;
    }
    let layers = &built.state.layers;
    let records = solver.used(false).into_iter().filter_map(|used| {
        let place = layers.iter().rposition(|layer| layer.diff_id == used.record.diff_id)?;
        Record::new(&used.key, place, &used.record.created)
    });
    let records: Vec<Record> = records.collect();
    Some(STANDARD.encode(serde_json::to_vec(&records).ok()?))
}

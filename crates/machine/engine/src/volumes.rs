//! `/volumes`

use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::Result;
use serde_json::{Value, json};
use teu_docker::volume::CreateBody;
use teu_volumes::VolumeSpec;

/// `GET /volumes`
pub fn list(engine: &Engine, call: &Call) -> Result<Answer> {
    let containers = engine.containers();
    let mut all = Vec::new();
    for volume in containers.list_volumes(&call.query.filters()?)? {
        match containers.inspect_volume(volume.name()) {
            Ok(value) => all.push(value),
            // Removed meanwhile.
            Err(teu_containers::Error::Volumes(teu_volumes::Error::NoSuchVolume(_))) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Answer::ok(&json!({ "Volumes": all, "Warnings": Value::Null }))
}

/// `POST /volumes/create`
pub fn create(engine: &Engine, call: &Call) -> Result<Answer> {
    let body: CreateBody = call.body()?;
    if body.cluster_volume_spec.is_some() {
        return crate::off::cluster_volume();
    }
    let spec = VolumeSpec {
        anonymous: body.name.is_empty(),
        name: Some(body.name).filter(|name| !name.is_empty()),
        driver: body.driver,
        labels: body.labels,
        options: body.driver_opts,
    };
    let volume = engine.containers().create_volume(&spec)?;
    Answer::json(201, &engine.containers().inspect_volume(volume.name())?)
}

/// `GET /volumes/{name}`
pub fn inspect(engine: &Engine, name: &str) -> Result<Answer> {
    Answer::ok(&engine.containers().inspect_volume(name)?)
}

/// `DELETE /volumes/{name}`
pub fn remove(engine: &Engine, name: &str, call: &Call) -> Result<Answer> {
    match engine.containers().remove_volume(name) {
        Err(teu_containers::Error::Volumes(teu_volumes::Error::NoSuchVolume(_)))
            if call.query.flag("force") =>
        {
            Answer::done()
        }
        Err(error) => Err(error.into()),
        Ok(()) => Answer::done(),
    }
}

/// `POST /volumes/prune`
pub fn prune(engine: &Engine, call: &Call) -> Result<Answer> {
    // Until API 1.42, named volumes went too.
    let all = call.version.0 < 42;
    let pruned = engine.containers().prune_volumes(all, &call.query.filters()?)?;
    Answer::ok(&json!({
        "VolumesDeleted": pruned.removed,
        "SpaceReclaimed": pruned.reclaimed_bytes,
    }))
}

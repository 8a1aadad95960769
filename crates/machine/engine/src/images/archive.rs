//! `docker save` and `docker load`.

use super::journal;
use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::{Error, Result};
use std::sync::Arc;
use teu_docker::message::Message;
use teu_images::{Image, SaveFormat};
use teu_oci::Reference;

/// `GET /images/get`, `GET /images/{name}/get`
pub fn save(engine: &Arc<Engine>, names: Vec<String>) -> Result<Answer> {
    if names.is_empty() {
        return Err(Error::bad("no image is named"));
    }
    // Before the answer begins, so that a missing one is an error.
    let mut images: Vec<(Image, Vec<Reference>)> = Vec::new();
    for text in &names {
        let image = super::find(engine, text)?;
        let named: Option<Reference> = text.parse().ok().filter(|name| image.names.contains(name));
        match images.iter_mut().find(|(known, _)| known.manifest_digest == image.manifest_digest) {
            Some((_, names)) => names.extend(named),
            None => images.push((image, named.into_iter().collect())),
        }
    }
    let engine = engine.clone();
    Ok(Answer::stream("application/x-tar", move |out| {
        let saved = engine.containers().images().save(&images, SaveFormat::Docker, out);
        saved.map_err(std::io::Error::other)
    }))
}

/// `POST /images/load`
pub fn load(engine: &Arc<Engine>, call: Call) -> Result<Answer> {
    let platform = match call.query.nonempty("platform") {
        None => None,
        Some(text) => {
            Some(text.parse().map_err(|_| Error::bad(format!("invalid platform {text:?}")))?)
        }
    };
    let mut archive = call.stream()?;
    let engine = engine.clone();
    Ok(Answer::messages(move |out| {
        let loaded = engine.containers().images().load(&mut archive, platform.as_ref())?;
        for one in loaded {
            let id = one.image.id.to_string();
            if one.names.is_empty() {
                out.message(&Message::stream(format!("Loaded image ID: {id}\n")))
                    .map_err(Error::io("answer"))?;
            }
            for name in &one.names {
                out.message(&Message::stream(format!("Loaded image: {}\n", name.familiar())))
                    .map_err(Error::io("answer"))?;
            }
            let name = one.names.first().map_or_else(|| id.clone(), Reference::familiar);
            journal(&engine, "load", &id, &name);
        }
        Ok(())
    }))
}

//! `POST /images/{name}/push`

use super::create::refused;
use super::progress::{Way, follow};
use super::{find, journal, repository};
use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::{Error, Result};
use std::sync::Arc;
use teu_docker::message::Message;
use teu_images::remote::Purpose;
use teu_images::transfer::{PushRequest, Recode};
use teu_oci::Reference;

/// Pushes a tag, or all of a repository's.
pub fn push(engine: &Arc<Engine>, name: &str, call: &Call) -> Result<Answer> {
    let first = repository(name, call.query.text("tag"))?;
    let first = first.ok_or_else(|| Error::bad("invalid reference format"))?;
    if first.digest.is_some() {
        return Err(Error::bad("cannot push a digest reference"));
    }
    let all = call.query.nonempty("tag").is_none() && !has_tag(name);
    let names = match all {
        false => vec![first.clone()],
        true => all_tags(engine, &first)?,
    };
    if names.is_empty() {
        return Err(missing(&first));
    }
    for name in &names {
        find(engine, &name.to_string()).map_err(|_| missing(name))?;
    }
    let client = engine.registry(call)?;
    client.repository(&first, Purpose::Write).map_err(|error| refused(&first, &error))?;
    let engine = engine.clone();
    Ok(Answer::messages(move |out| {
        let line = format!("The push refers to repository [{}]", first.name());
        out.message(&Message::status(line)).map_err(Error::io("answer"))?;
        for name in &names {
            let descriptor = follow(Way::Push, out, |progress| {
                let request = PushRequest {
                    name,
                    platform: None,
                    referrers: true,
                    recode: Recode::default(),
                    progress,
                };
                teu_images::transfer::push(engine.containers().images(), &client, &request)
            })?;
            let tag = name.tag.clone().unwrap_or_default();
            let shown = name.familiar();
            journal(&engine, "push", &shown, &shown);
            let (digest, size) = (&descriptor.digest, descriptor.size);
            let line = format!("{tag}: digest: {digest} size: {size}");
            out.message(&Message::status(line)).map_err(Error::io("answer"))?;
            let aux = serde_json::json!({ "Tag": tag, "Digest": digest, "Size": size });
            out.message(&Message::aux(aux)).map_err(Error::io("answer"))?;
        }
        Ok(())
    }))
}

fn has_tag(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(_, tag)| !tag.contains('/'))
}

fn missing(name: &Reference) -> Error {
    Error::missing(format!(
        "An image does not exist locally with the tag: {}",
        name.familiar_name()
    ))
}

fn all_tags(engine: &Engine, name: &Reference) -> Result<Vec<Reference>> {
    let mut names: Vec<Reference> = Vec::new();
    for image in engine.containers().images().list()? {
        let own = image.names.into_iter().filter(|other| other.name() == name.name());
        names.extend(own.filter(|other| other.tag.is_some()));
    }
    names.sort_by_key(ToString::to_string);
    Ok(names)
}

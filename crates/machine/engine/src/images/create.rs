//! `POST /images/create`: images from a registry, or from a tar.

use super::progress::{Way, follow};
use super::{journal, repository};
use crate::call::{Answer, Call, Outlet};
use crate::engine::Engine;
use crate::error::{Error, Result};
use std::sync::Arc;
use teu_docker::message::Message;
use teu_images::ImportRequest;
use teu_images::remote::{Client, Purpose, RemoteError};
use teu_images::transfer::{PullRequest, RegistrySource, Selection, Source};
use teu_oci::{Platform, Reference};

/// Pulls or imports.
pub fn create(engine: &Arc<Engine>, call: Call) -> Result<Answer> {
    match call.query.nonempty("fromSrc") {
        Some("-") => import(engine, call),
        Some(other) => Err(Error::bad(format!(
            "cannot import {other:?}: URLs are not fetched by the engine; send the archive itself"
        ))),
        None => pull(engine, &call),
    }
}

fn import(engine: &Arc<Engine>, call: Call) -> Result<Answer> {
    let query = &call.query;
    let platform = match query.nonempty("platform") {
        None => None,
        Some(text) => {
            Some(text.parse().map_err(|_| Error::bad(format!("invalid platform {text:?}")))?)
        }
    };
    let request = ImportRequest {
        name: repository(query.text("repo"), query.text("tag"))?,
        message: query.nonempty("message").map(str::to_owned),
        changes: query.all("changes").map(str::to_owned).collect(),
        platform,
        created: None,
    };
    let mut tar = call.stream()?;
    let engine = engine.clone();
    Ok(Answer::messages(move |out| {
        let image = engine.containers().images().import(&mut tar, &request)?;
        let id = image.id.to_string();
        let name = request.name.as_ref().map_or_else(|| id.clone(), Reference::familiar);
        journal(&engine, "import", &id, &name);
        out.message(&Message::status(id)).map_err(Error::io("answer"))
    }))
}

fn pull(engine: &Arc<Engine>, call: &Call) -> Result<Answer> {
    let query = &call.query;
    let name = repository(query.text("fromImage"), query.text("tag"))?;
    let name = name.ok_or_else(|| Error::bad("invalid reference format"))?;
    let platform = match query.nonempty("platform") {
        None => Platform::host(),
        Some(text) => text.parse().map_err(|_| Error::bad(format!("invalid platform {text:?}")))?,
    };
    let client = engine.registry(call)?;
    let from = query.text("fromImage");
    let last = from.rsplit('/').next().unwrap_or_default();
    // Without a tag all are meant (`docker pull --all-tags`).
    let names = match query.text("tag").is_empty() && !last.contains([':', '@']) {
        true => all_tags(&client, &name)?,
        false => vec![name],
    };
    // A name that is not there is an error with a status; what fails later is a line.
    // Mirrors count, and so does the policy.
    for name in names.iter().take(1) {
        match RegistrySource::new(&client, name, false).root() {
            Ok(_) => {}
            Err(teu_images::Error::Remote(error)) => return Err(refused(name, &error)),
            Err(error) => return Err(error.into()),
        }
    }
    let engine = engine.clone();
    Ok(Answer::messages(move |out| {
        names.iter().try_for_each(|name| one(&engine, &client, name, &platform, out))
    }))
}

/// Every name that a repository has.
fn all_tags(client: &Client, name: &Reference) -> Result<Vec<Reference>> {
    let tags = client.repository(name, Purpose::Read).and_then(|registry| registry.tags());
    let tags = tags.map_err(|error| refused(name, &error))?;
    if tags.is_empty() {
        return Err(Error::missing(format!("{} has no tags", name.familiar_name())));
    }
    Ok(tags.into_iter().map(|tag| Reference { tag: Some(tag), ..name.clone() }).collect())
}

/// Pulls one name, and says how it goes.
fn one(
    engine: &Engine,
    client: &Client,
    name: &Reference,
    platform: &Platform,
    out: &mut Outlet,
) -> Result<()> {
    let shown = match (&name.tag, &name.digest) {
        (_, Some(digest)) => digest.to_string(),
        (tag, None) => tag.clone().unwrap_or_default(),
    };
    let first =
        Message { id: Some(shown), ..Message::status(format!("Pulling from {}", name.repository)) };
    out.message(&first).map_err(Error::io("answer"))?;
    let pulled = follow(Way::Pull, out, |progress| {
        let request = PullRequest {
            name,
            selection: Selection::One(platform.clone()),
            allows_foreign: false,
            progress,
        };
        teu_images::transfer::pull(engine.containers().images(), client, &request)
    })?;
    let name = name.familiar();
    journal(engine, "pull", &name, &name);
    let status = match pulled.was_there {
        true => format!("Status: Image is up to date for {name}"),
        false => format!("Status: Downloaded newer image for {name}"),
    };
    for line in [format!("Digest: {}", pulled.descriptor.digest), status] {
        out.message(&Message::status(line)).map_err(Error::io("answer"))?;
    }
    Ok(())
}

/// What a registry refuses, with the status that clients expect.
pub(super) fn refused(name: &Reference, error: &RemoteError) -> Error {
    match error {
        RemoteError::NotFound { .. } => {
            Error::missing(format!("manifest for {} not found: manifest unknown", name.familiar()))
        }
        RemoteError::Denied { .. } => Error::missing(format!(
            "pull access denied for {}, repository does not exist or may require 'docker login'",
            name.familiar_name()
        )),
        RemoteError::Login { .. } => Error::status_of(401, error.to_string()),
        other => Error::status_of(500, other.to_string()),
    }
}

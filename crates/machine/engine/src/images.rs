//! `/images`, `/distribution`

use crate::call::{Answer, Call};
use crate::engine::Engine;
use crate::error::{Error, Result, with_tag};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use teu_containers::events::Event;
use teu_docker::summary::Deleted;
use teu_images::{Image, PruneFilter, RemoveRequest, Removed};
use teu_oci::Reference;

pub mod archive;
pub mod create;
pub mod inspect;
pub mod list;
pub mod progress;
pub mod push;
pub mod registry;

/// `repo` and `tag` of a query; `None` where nothing is named.
pub(crate) fn repository(repository: &str, tag: &str) -> Result<Option<Reference>> {
    if repository.is_empty() {
        return match tag {
            "" => Ok(None),
            _ => Err(Error::bad("a tag needs a repository")),
        };
    }
    let text = match tag {
        "" => repository.to_owned(),
        tag if tag.contains(':') => format!("{repository}@{tag}"),
        tag => format!("{repository}:{tag}"),
    };
    text.parse().map(Some).map_err(|_| Error::bad("invalid reference format"))
}

/// The image of that name or id, for Docker's messages.
pub(crate) fn find(engine: &Engine, name: &str) -> Result<Image> {
    engine.containers().images().resolve(name).map_err(|error| match error {
        teu_images::Error::NoSuchImage { .. } => {
            Error::missing(format!("No such image: {}", with_tag(name)))
        }
        teu_images::Error::Reference(_) => Error::bad("invalid reference format"),
        other => other.into(),
    })
}

/// `POST /images/{name}/tag`
pub fn tag(engine: &Engine, name: &str, call: &Call) -> Result<Answer> {
    let image = find(engine, name)?;
    let new = repository(call.query.text("repo"), call.query.text("tag"))?;
    let new = new.ok_or_else(|| Error::bad("invalid reference format"))?;
    engine.containers().images().tag(&image, &new)?;
    journal(engine, "tag", image.id.as_str(), &new.familiar());
    Ok(Answer::Empty(201))
}

fn deleted(engine: &Engine, removed: &[Removed]) -> Vec<Deleted> {
    let line = |line: &Removed| match line {
        Removed::Untagged(name) => {
            journal(engine, "untag", &name.familiar(), &name.familiar());
            Deleted::Untagged(name.familiar())
        }
        Removed::Deleted(digest) => {
            journal(engine, "delete", digest.as_str(), digest.as_str());
            Deleted::Deleted(digest.to_string())
        }
    };
    removed.iter().map(line).collect()
}

/// `DELETE /images/{name}`
pub fn remove(engine: &Engine, name: &str, call: &Call) -> Result<Answer> {
    let force = call.query.flag("force");
    let image = find(engine, name)?;
    let users = engine.containers().images_in_use()?;
    let containers = engine.containers();
    let request = RemoveRequest { text: name, force, in_use: &users };
    let removed = containers.images().remove(&request).map_err(|error| match error {
        teu_images::Error::InUse { .. } => in_use(engine, name, &image, &users),
        teu_images::Error::SeveralNames { .. } => Error::conflict(format!(
            "conflict: unable to delete {} (must be forced) - image is referenced in multiple repositories",
            short(image.id.hex())
        )),
        other => other.into(),
    })?;
    Answer::ok(&deleted(engine, &removed))
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// Docker's words, with the container that stands in the way.
fn in_use(
    engine: &Engine,
    name: &str,
    image: &Image,
    users: &[(teu_oci::Digest, String)],
) -> Error {
    let shown = match image.id.hex().starts_with(name.trim_start_matches("sha256:")) {
        true => short(image.id.hex()).to_owned(),
        false => with_tag(name),
    };
    let user = users.iter().find(|(id, _)| *id == image.id);
    let found = user.and_then(|(_, name)| engine.containers().find(name).ok());
    let id = found.as_ref().map_or("", |found| short(&found.record.id));
    let runs = found.as_ref().is_some_and(|found| found.state.needs_shim());
    Error::conflict(match runs {
        true => format!(
            "conflict: unable to delete {shown} (cannot be forced) - image is being used by running container {id}"
        ),
        false => format!(
            "conflict: unable to delete {shown} (must be forced) - container {id} is using its referenced image {}",
            short(image.id.hex())
        ),
    })
}

/// `POST /images/prune`
pub fn prune(engine: &Engine, call: &Call) -> Result<Answer> {
    let mut filter = PruneFilter::default();
    let label = |text: &str| match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    };
    for (key, value) in call.query.filters()? {
        match key.as_str() {
            "until" => {
                let now = teu_containers::time::now_ns();
                let ns = teu_containers::time::parse(&value, now)?;
                filter.until = Some(ns.div_euclid(1_000_000_000));
            }
            "label" => filter.labels.push(label(&value)),
            "label!" => filter.without_labels.push(label(&value)),
            "dangling" => filter.all = matches!(value.as_str(), "0" | "false"),
            other => return Err(Error::bad(format!("invalid filter '{other}'"))),
        }
    }
    let in_use = engine.containers().images_in_use()?;
    let pruned = engine.containers().images().prune(&filter, &in_use)?;
    let lines = deleted(engine, &pruned.removed);
    let lines = if lines.is_empty() { Value::Null } else { json!(lines) };
    Answer::ok(&json!({ "ImagesDeleted": lines, "SpaceReclaimed": pruned.freed_bytes }))
}

/// Writes into the journal.
pub(crate) fn journal(engine: &Engine, action: &str, id: &str, name: &str) {
    let attributes = BTreeMap::from([("name".to_owned(), name.to_owned())]);
    // An event that cannot be written stops nothing.
    let _ = engine.containers().emit(&Event::new("image", action, id, attributes));
}

//! Who asks to be updated: labels of running containers, read strictly.

use crate::context::Context;
use crate::failure::{Failure, Result};
use std::collections::BTreeMap;
use teu_containers::Found;
use teu_containers::list::ListOptions;
use teu_oci::{Digest, Reference};

/// The label, as podman names it.
pub const LABEL: &str = "io.containers.autoupdate";
/// The unit that made a container.
const UNIT: &str = "PODMAN_SYSTEMD_UNIT";

/// Where newer images come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// A registry.
    Registry,
    /// This machine's store, where somebody builds them.
    Local,
}

impl Policy {
    /// `None` where nothing is asked for.
    fn of(labels: &BTreeMap<String, String>) -> Result<Option<Self>> {
        match labels.get(LABEL).map(String::as_str) {
            None | Some("" | "disabled") => Ok(None),
            Some("registry" | "image") => Ok(Some(Self::Registry)),
            Some("local") => Ok(Some(Self::Local)),
            Some(other) => Err(Failure::new(format!("invalid auto-update policy {other:?}"))
                .hint(format!("the label {LABEL} is registry, local or disabled"))),
        }
    }

    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Local => "local",
        }
    }
}

/// A container that may be updated.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The name of its image.
    pub image: Reference,
    /// The image it runs.
    pub image_id: Digest,
    /// Where newer ones come from.
    pub policy: Policy,
    /// The unit that would make it again.
    pub unit: Option<String>,
}

/// Every running container with the label, oldest first.
pub fn candidates(ctx: &Context) -> Result<Vec<Candidate>> {
    let options = ListOptions {
        filters: vec![("label".to_owned(), LABEL.to_owned())],
        ..ListOptions::default()
    };
    let containers = ctx.containers()?;
    let mut found = Vec::new();
    for summary in containers.list(&options)?.iter().rev() {
        found.extend(candidate(&containers.find(&summary.id)?)?);
    }
    Ok(found)
}

fn candidate(found: &Found) -> Result<Option<Candidate>> {
    let record = &found.record;
    let Some(policy) = Policy::of(&record.labels).map_err(|failure| of(&record.name, failure))?
    else {
        return Ok(None);
    };
    let wrong = |text: &str| Err(of(&record.name, Failure::new(text)));
    let Ok(image) = record.image.parse::<Reference>() else {
        return wrong("it was made from an image without a name, of which there is no newer one");
    };
    if image.digest.is_some() {
        return wrong("its image is named by a digest, which never leads to another");
    }
    let Some(image_id) = record.image_id.clone() else {
        return wrong("it has no image");
    };
    let unit = record.labels.get(UNIT).filter(|unit| !unit.is_empty()).cloned();
    let (id, name) = (record.id.clone(), record.name.clone());
    Ok(Some(Candidate { id, name, image, image_id, policy, unit }))
}

fn of(name: &str, failure: Failure) -> Failure {
    Failure { message: format!("container {name}: {}", failure.message), ..failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies() {
        let check = |value: &str, expected: Option<Option<Policy>>| {
            let labels = BTreeMap::from([(LABEL.to_owned(), value.to_owned())]);
            assert_eq!(Policy::of(&labels).ok(), expected, "{value}");
        };
        check("registry", Some(Some(Policy::Registry)));
        check("image", Some(Some(Policy::Registry)));
        check("local", Some(Some(Policy::Local)));
        check("disabled", Some(None));
        check("", Some(None));
        check("nightly", None);
        assert_eq!(Policy::of(&BTreeMap::new()).unwrap(), None);
    }
}

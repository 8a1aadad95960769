//! Lists of upstreams: tags, and who is about a digest. They are remembered for a while and kept
//! nowhere; where the upstream is gone, what was fetched through here is told.

use super::super::lists::{page_of, referrers_answer, tags_answer};
use super::super::{Answer, Ask, Registry};
use super::count;
use crate::name::Name;
use crate::upstreams::{Failure, Foreign};
use std::collections::BTreeSet;
use std::sync::Arc;
use teu_oci::Digest;
use teu_oci::image::Descriptor;

impl Registry {
    pub(super) async fn through_tags(&self, ask: &Ask, foreign: &Foreign, name: &Name) -> Answer {
        let page = page_of(ask)?;
        let answer = |tags: &[String]| {
            let tags: BTreeSet<&str> = tags.iter().map(String::as_str).collect();
            tags_answer(ask, &page, tags.into_iter())
        };
        let upstream = &foreign.upstream;
        let _turn = upstream.turns.take(format!("{name} tags")).await;
        if let Some(known) = upstream.known_tags(name) {
            count(&self.0.metrics.cache_hits);
            return Ok(answer(&known));
        }
        if let Some(problem) = upstream.absent(name, "tags") {
            return Err(problem);
        }
        let here = name.clone();
        let list = move |_: &Registry, foreign: &Foreign| {
            let repository = foreign.upstream.repository(&here, &foreign.there)?;
            repository.tags().map_err(|error| foreign.upstream.failed(error))
        };
        let found = self.ask_upstream(foreign, list).await;
        match found {
            Ok(tags) => {
                let tags = Arc::new(tags);
                upstream.set_tags(name, tags.clone());
                Ok(answer(&tags))
            }
            Err(Failure::Gone(problem)) => {
                let kept: Vec<String> = self
                    .0
                    .records
                    .get(name)
                    .map_or_else(Vec::new, |known| known.read().tags.keys().cloned().collect());
                match kept.is_empty() {
                    true => Err(problem),
                    false => Ok(self.stale(foreign, &problem, answer(&kept))),
                }
            }
            Err(failure) => {
                if let Failure::Absent(problem) = &failure {
                    upstream.set_absent(name, "tags", problem.clone());
                }
                Err(failure.into_problem())
            }
        }
    }

    pub(super) async fn through_referrers(
        &self,
        ask: &Ask,
        foreign: &Foreign,
        (name, digest): (&Name, &Digest),
    ) -> Answer {
        let upstream = &foreign.upstream;
        let _turn = upstream.turns.take(format!("{name} about {digest}")).await;
        if let Some(known) = upstream.known_referrers(name, digest) {
            count(&self.0.metrics.cache_hits);
            return Ok(referrers_answer(ask, fitting(ask, &known), false));
        }
        let (here, about) = (name.clone(), digest.clone());
        let list = move |_: &Registry, foreign: &Foreign| {
            let repository = foreign.upstream.repository(&here, &foreign.there)?;
            repository.referrers(&about).map_err(|error| foreign.upstream.failed(error))
        };
        let found = self.ask_upstream(foreign, list).await;
        match found {
            Ok(found) => {
                let found = Arc::new(found);
                upstream.set_referrers(name, digest, found.clone());
                Ok(referrers_answer(ask, fitting(ask, &found), false))
            }
            Err(Failure::Gone(problem)) => {
                let kept = self.referrers(ask, name, digest.clone()).await?;
                Ok(self.stale(foreign, &problem, kept))
            }
            Err(failure) => Err(failure.into_problem()),
        }
    }
}

/// Those of the kind that is asked for.
fn fitting(ask: &Ask, all: &[Descriptor]) -> Vec<Descriptor> {
    let wanted = ask.query.get("artifactType").filter(|kind| !kind.is_empty());
    let fits = |found: &&Descriptor| wanted.is_none() || found.artifact_type.as_deref() == wanted;
    all.iter().filter(fits).cloned().collect()
}

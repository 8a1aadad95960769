//! `FROM`: what a stage begins with.

use super::{Place, Solver};
use crate::dockerfile::problem::Problem;
use crate::dockerfile::words::expand_word;
use crate::error::{Cause, Error};
use crate::plan::Origin;
use crate::progress::Event;
use crate::request::NamedContext;
use crate::stage::{Scope, StageState};
use std::sync::Arc;
use teu_images::Image;
use teu_oci::Platform;

impl Solver<'_> {
    /// What a stage is built on.
    pub(super) fn base(
        &self,
        index: usize,
        place: &Place,
    ) -> Result<(StageState, Option<Arc<Image>>), Error> {
        let scope = self.scope.stage();
        let platform = self.stage_platform(index).map_err(|cause| self.fault(place, cause))?;
        match &self.plan.bases[index] {
            Origin::Scratch => Ok((StageState::scratch(scope, &platform), None)),
            Origin::Stage(other) => {
                let built = self.stage(*other)?;
                let mut state =
                    StageState::over(built.state.image.clone(), built.state.layers.clone(), scope);
                state.created.clone_from(&built.state.created);
                state.base_time = built.state.base_time;
                Ok((state, built.base.clone()))
            }
            Origin::Context(context) => match &self.request.build_contexts[*context].1 {
                NamedContext::Image(name) => self.base_image(name, scope, &platform, place),
                NamedContext::Directory(_) => {
                    let problem = Problem::NotAllowed {
                        flag: "FROM a directory".to_owned(),
                        hint: "a --build-context of FROM must be docker-image://…",
                    };
                    Err(self.fault(place, problem.into()))
                }
            },
            Origin::Image(name) => self.base_image(name, scope, &platform, place),
        }
    }

    /// `FROM --platform=`, or the platform that is built for.
    pub(super) fn stage_platform(&self, index: usize) -> Result<Platform, Cause> {
        let Some(word) = &self.file.stages[index].platform else {
            return Ok(self.platform.clone());
        };
        let lookup = |name: &str| self.scope.global(name);
        let text = expand_word(word, self.file.directives.escape, &lookup)
            .map_err(|problem| Problem::Expansion { word: word.clone(), problem })?;
        if text.is_empty() {
            return Ok(self.platform.clone());
        }
        let platform: Platform = text.parse().map_err(|_| Problem::Platform(text.clone()))?;
        crate::build::known(&platform).map_err(|error| Cause::User(error.to_string().into()))?;
        Ok(platform)
    }

    fn base_image(
        &self,
        name: &str,
        scope: Scope,
        platform: &Platform,
        place: &Place,
    ) -> Result<(StageState, Option<Arc<Image>>), Error> {
        let (id, begun) = self.started(place);
        match self.image_for(name, platform) {
            Ok(built) => {
                self.tell(Event::Done { step: id, elapsed: begun.elapsed() });
                let state =
                    StageState::over(built.state.image.clone(), built.state.layers.clone(), scope);
                Ok((state, built.base.clone()))
            }
            Err(cause) => {
                self.tell(Event::Failed { step: id, error: cause.to_string() });
                Err(self.fault(place, cause))
            }
        }
    }
}

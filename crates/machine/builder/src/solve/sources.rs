//! Where files come from: images of the store, stages, contexts.

use super::{Built, Solver, lock};
use crate::context::Ignoring;
use crate::dockerfile::problem::suggest;
use crate::error::Cause;
use crate::plan::Origin;
use crate::request::NamedContext;
use crate::stage::{LayerRef, StageState};
use crate::tree::{Owner, Tree};
use std::sync::Arc;
use teu_images::{Error as ImagesError, Image};
use teu_oci::{Platform, Reference};

impl Solver<'_> {
    /// An image of the store, as a stage that is finished.
    pub(super) fn image(&self, name: &str) -> Result<Arc<Built>, Cause> {
        self.image_for(name, &self.platform)
    }

    /// Likewise, for a platform.
    pub(super) fn image_for(&self, name: &str, platform: &Platform) -> Result<Arc<Built>, Cause> {
        let place = format!("{platform} {name}");
        if let Some(built) = lock(&self.images).get(&place) {
            return Ok(Arc::clone(built));
        }
        let text = name.strip_prefix("docker-image://").unwrap_or(name);
        let image = self.resolved(text, platform)?;
        let layers = image.config.rootfs.diff_ids.iter().zip(&image.manifest.layers);
        let layers = layers.map(|(diff_id, descriptor)| LayerRef {
            diff_id: diff_id.clone(),
            descriptor: descriptor.clone(),
        });
        let state = StageState::over(image.config.clone(), layers.collect(), self.scope.stage());
        let built = Arc::new(Built::new(state, Some(Arc::new(image))));
        lock(&self.images).insert(place, Arc::clone(&built));
        Ok(built)
    }

    /// The image, fetched where it is not here or where that was asked for.
    fn resolved(&self, text: &str, platform: &Platform) -> Result<Image, Cause> {
        let images = self.environment.images;
        let resolve = || images.resolve_platform(text, Some(platform));
        let absent = match resolve() {
            Ok(image) if !self.request.pull => return Ok(image),
            Ok(_) => None,
            Err(
                error @ (ImagesError::NoSuchImage { .. }
                | ImagesError::NoPlatform { .. }
                | ImagesError::Missing { .. }),
            ) => Some(error),
            Err(error) => return Err(self.no_image(text, error)),
        };
        match (self.environment.outside, text.parse::<Reference>()) {
            (Some(outside), Ok(name)) => {
                if let Err(mut problem) = outside.pull(&name, platform) {
                    // It is here, but for another machine.
                    if let Some(other @ ImagesError::NoPlatform { .. }) = &absent {
                        problem = format!("{other}; {problem}").into();
                    }
                    let near = absent.and_then(|error| self.near(text, error));
                    return Err(Cause::Pull { name: name.familiar(), problem, near });
                }
                resolve().map_err(|error| self.no_image(text, error))
            }
            // An id is nowhere else, and is here or not.
            _ => match absent {
                Some(error) => Err(self.no_image(text, error)),
                None => resolve().map_err(|error| self.no_image(text, error)),
            },
        }
    }

    fn near(&self, name: &str, error: ImagesError) -> Option<String> {
        match self.no_image(name, error) {
            Cause::NoImage { near, .. } => near,
            _ => None,
        }
    }

    /// A name may be a slip of a stage's as well as of an image's.
    fn no_image(&self, name: &str, error: ImagesError) -> Cause {
        let ImagesError::NoSuchImage { near, .. } = error else { return error.into() };
        let stages = self.file.stages.iter().filter_map(|stage| stage.name.as_deref());
        let near = suggest(name, stages).or(near);
        Cause::NoImage { name: name.to_owned(), near }
    }

    /// The files of `--from`, or of the build's context.
    pub(crate) fn origin_tree(&self, origin: &Origin, name: &str) -> Result<Arc<Tree>, Cause> {
        match origin {
            Origin::Scratch => self.empty_tree("scratch"),
            Origin::Stage(index) => {
                let built = self.stage(*index).map_err(|_| Cause::Canceled)?;
                built.tree(self, &format!("stage {name}"))
            }
            Origin::Image(image) => self.image(image)?.tree(self, &format!("image {image}")),
            Origin::Context(index) => match &self.request.build_contexts[*index] {
                (_, NamedContext::Image(image)) => {
                    self.image(image)?.tree(self, &format!("image {image}"))
                }
                (name, NamedContext::Directory(path)) => {
                    if let Some(tree) = lock(&self.named).get(name) {
                        return Ok(Arc::clone(tree));
                    }
                    let shown = format!("context {name}");
                    let state = self.environment.state;
                    let tree = crate::context::local(
                        path,
                        &shown,
                        None,
                        (Ignoring::of(self.request), state),
                    );
                    let tree = Arc::new(tree.map_err(context_cause)?);
                    lock(&self.named).insert(name.clone(), Arc::clone(&tree));
                    Ok(tree)
                }
            },
        }
    }

    /// Names of `--build-context`.
    pub(crate) fn context_names(&self) -> Vec<&str> {
        self.request.build_contexts.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The chain that an origin's files are of; none of contexts.
    pub(crate) fn origin_chain(&self, origin: &Origin) -> Option<String> {
        let built = match origin {
            Origin::Stage(index) => self.stage(*index).ok()?,
            Origin::Image(image) => self.image(image).ok()?,
            _ => return None,
        };
        built.state.chain.as_ref().map(ToString::to_string)
    }

    /// The build's context; an empty one if there is none.
    pub(crate) fn context_tree(&self) -> Result<Arc<Tree>, Cause> {
        match &self.context {
            Some(tree) => Ok(Arc::clone(tree)),
            None => self.empty_tree("build context (there is none: the Dockerfile came alone)"),
        }
    }

    fn empty_tree(&self, name: &str) -> Result<Arc<Tree>, Cause> {
        let empty = self.session.directory("empty")?;
        let root = crate::overlay::readable(&[], &empty)?;
        let name = name.to_owned();
        Ok(Arc::new(Tree { root, name, ignore: None, owner: Owner::Root, cache: None }))
    }

    /// Remembers the digests of files that were hashed.
    pub(crate) fn save_stat_caches(&self) {
        let named = lock(&self.named);
        for tree in self.context.iter().chain(named.values()) {
            if let Some(cache) = &tree.cache {
                cache.save();
            }
        }
    }
}

fn context_cause(error: crate::error::Error) -> Cause {
    match error {
        crate::error::Error::Io { verb, path, source } => Cause::Io { verb, path, source },
        crate::error::Error::NotDirectory(path) => {
            Cause::io("open", path, rustix::io::Errno::NOTDIR)
        }
        other => Cause::User(other.to_string().into()),
    }
}

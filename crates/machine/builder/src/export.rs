//! Where the result goes.

use crate::attest;
use crate::error::{Cause, Error, Result};
use crate::outcome::Outcome;
use crate::progress::{Event, Step};
use crate::request::{BuildRequest, Destination, Output};
use crate::solve::{Built, Solved, Solver};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Instant;
use teu_images::tree::{TreeKind, TreeOptions, write_tree};
use teu_images::whole::WholeFile;
use teu_images::{Annotations, Image, SaveFormat, Store};
use teu_oci::Reference;
use teu_oci::image::{Descriptor, ImageConfig};

const BUFFER_BYTES: usize = 256 << 10;

/// Sends the target, as it is for every platform, to every output.
pub fn export(results: &[Solved<'_>]) -> Result<Outcome> {
    let Some(Solved { solver, .. }) = results.first() else {
        return Err(Error::Internal("a build for no platform"));
    };
    let default = [Output::Image { name: None }];
    let outputs = match &solver.request.outputs[..] {
        [] => &default[..],
        given => given,
    };
    let mut outcome = Outcome::default();
    for output in outputs {
        let name = match output {
            Output::Image { .. } => "exporting to image",
            Output::Oci { .. } => "exporting to oci image format",
            Output::Docker { .. } => "exporting to docker image format",
            Output::Tar { .. } => "exporting to tar",
            Output::Local { .. } => "exporting to client directory",
            Output::CacheOnly => continue,
        };
        let id = solver.next_id();
        let step = Step { id, name: name.to_owned(), stage: String::new(), line: 0 };
        solver.tell(Event::Started(step));
        let begun = Instant::now();
        match one(results, output, &mut outcome) {
            Ok(()) => {
                if let (Some(id_text), Output::Image { .. }) = (&outcome.image_id, output) {
                    let text = format!("writing image {id_text}");
                    solver.tell(Event::Note { step: id, text });
                    for tag in &solver.request.tags {
                        let text = format!("naming to {tag}");
                        solver.tell(Event::Note { step: id, text });
                    }
                }
                solver.tell(Event::Done { step: id, elapsed: begun.elapsed() });
            }
            Err(error) => {
                solver.tell(Event::Failed { step: id, error: error.to_string() });
                return Err(error);
            }
        }
    }
    if !solver.request.attest.is_empty() && outcome.image_id.is_none() {
        attest::warn(solver);
    }
    if solver.request.push && outcome.image.is_some() {
        push(solver)?;
    }
    crate::cache::export::all(results)?;
    Ok(outcome)
}

/// Sends the tags to their registries.
fn push(solver: &Solver<'_>) -> Result<()> {
    for tag in &solver.request.tags {
        let id = solver.next_id();
        let name = format!("pushing {tag}");
        solver.tell(Event::Started(Step { id, name, stage: String::new(), line: 0 }));
        let begun = Instant::now();
        let pushed = match solver.environment.outside {
            Some(outside) => outside.push(tag),
            None => Err("this build has no way to a registry".into()),
        };
        if let Err(problem) = pushed {
            let error = Error::Push { name: tag.to_string(), problem };
            solver.tell(Event::Failed { step: id, error: error.to_string() });
            return Err(error);
        }
        solver.tell(Event::Done { step: id, elapsed: begun.elapsed() });
    }
    Ok(())
}

fn one(results: &[Solved<'_>], output: &Output, outcome: &mut Outcome) -> Result<()> {
    let Some(Solved { solver, built }) = results.first() else { return Ok(()) };
    match output {
        Output::Image { name } => {
            let mut names = solver.request.tags.clone();
            for name in name.iter().flat_map(|names| names.split(',')) {
                names.push(name.parse().map_err(teu_images::Error::from)?);
            }
            image(results, Some(&names), outcome).map(drop)
        }
        Output::Oci { destination, tar: true } => {
            archive(results, destination, SaveFormat::Oci, outcome)
        }
        Output::Oci { destination, tar: false } => {
            let Destination::Path(path) = destination else {
                return Err(Error::Internal("a directory cannot be standard output"));
            };
            let file = scratch(solver)?;
            let target = Destination::Path(file.clone());
            archive(results, &target, SaveFormat::Oci, outcome)?;
            std::fs::create_dir_all(path).map_err(|source| Error::io("make", path, source))?;
            let file = File::open(&file).map_err(|source| Error::io("open", &file, source))?;
            crate::archive::unpack(Box::new(file), path).map_err(Error::Images)
        }
        Output::Docker { destination } => {
            archive(results, destination, SaveFormat::Docker, outcome)
        }
        Output::Tar { destination } => write(destination, |out| tree(solver, built, out)),
        Output::Local { directory } if results.len() == 1 => local(solver, built, directory),
        Output::Local { directory } => results.iter().try_for_each(|Solved { solver, built }| {
            let name = solver.platform.to_string().replace('/', "_");
            local(solver, built, &directory.join(name))
        }),
        Output::CacheOnly => Ok(()),
    }
}

/// Puts the image, or the index of images, into the store: under names (none: dangling), or with
/// `None` for a moment only, for whoever makes something else of it.
fn image(
    results: &[Solved<'_>],
    names: Option<&[Reference]>,
    outcome: &mut Outcome,
) -> Result<Image> {
    let parts: Vec<_> = results.iter().map(part).collect();
    // They were checked before anything was built.
    let said = results.first().and_then(|first| first.solver.request.levels().ok());
    let said = said.unwrap_or_default();
    let is_attested = results.first().is_some_and(|one| !one.solver.request.attest.is_empty());
    let image = match (&parts[..], results.first()) {
        (parts, Some(_)) if is_attested => attested(results, parts, &said, names)?,
        ([(config, layers)], Some(Solved { solver, .. })) => {
            let images = solver.environment.images;
            let known = names.and_then(|names| unchanged(images, config, names));
            let is_same = |image: &Image| {
                image.manifest.annotations == said.manifest
                    && image.descriptor.digest == image.manifest_digest
            };
            match known.filter(is_same) {
                Some(image) => image,
                None => images.write_annotated_image(config, layers, &said.manifest, names)?,
            }
        }
        (several, Some(Solved { solver, .. })) => {
            solver.environment.images.write_index(several, &said, names)?
        }
        (_, None) => return Err(Error::Internal("a build for no platform")),
    };
    outcome.image_id = Some(image.id.clone());
    outcome.manifest_digest = Some(image.descriptor.digest.clone());
    outcome.image = Some(image.clone());
    Ok(image)
}

/// An index of the images, each with what was asked to be said about it.
fn attested(
    results: &[Solved<'_>],
    parts: &[(ImageConfig, Vec<Descriptor>)],
    said: &Annotations,
    names: Option<&[Reference]>,
) -> Result<Image> {
    let Some(Solved { solver, .. }) = results.first() else {
        return Err(Error::Internal("a build for no platform"));
    };
    let images = solver.environment.images;
    let (mut manifests, mut beside) = (Vec::new(), Vec::new());
    for (Solved { solver, built }, (config, layers)) in results.iter().zip(parts) {
        let image = images.write_annotated_image(config, layers, &said.manifest, None)?;
        beside.extend(attest::attach(solver, built, &image)?);
        manifests.push(image.descriptor);
    }
    manifests.extend(beside);
    Ok(images.index_over(manifests, said, names)?)
}

/// One platform's configuration and layers.
fn part(Solved { solver, built }: &Solved<'_>) -> (ImageConfig, Vec<Descriptor>) {
    let mut config = built.state.finish(&solver.request.labels);
    // Triggers of this image stay; a person's SOURCE_DATE_EPOCH is when it was made.
    if solver.epoch.is_some() {
        config.created = Some(solver.now());
    }
    config.inline_cache = crate::cache::export::inline(solver, built);
    (config, built.state.layers.iter().map(|layer| layer.descriptor.clone()).collect())
}

/// The image, if it is in the store already under all its names: then nothing has to be written,
/// and no disk has to be waited for.
fn unchanged(images: &Store, config: &ImageConfig, names: &[Reference]) -> Option<Image> {
    let id = teu_oci::Digest::sha256(&serde_json::to_vec(config).ok()?);
    let named = |text: &str| images.resolve(text).ok().filter(|image| image.id == id);
    if names.is_empty() {
        return named(id.as_str());
    }
    names.iter().map(|name| named(&name.to_string())).collect::<Option<Vec<_>>>()?.pop()
}

fn archive(
    results: &[Solved<'_>],
    destination: &Destination,
    format: SaveFormat,
    outcome: &mut Outcome,
) -> Result<()> {
    let Some(Solved { solver, .. }) = results.first() else { return Ok(()) };
    let named = outcome.image.is_some();
    let image = match &outcome.image {
        Some(image) => image.clone(),
        // In the store only as long as the archive is written.
        None => image(results, None, outcome)?,
    };
    if !named {
        outcome.image = None;
    }
    let tags = solver.request.tags.clone();
    write(destination, |out| {
        let images = solver.environment.images;
        images.save(&[(image, tags)], format, out).map_err(Error::from)
    })
}

/// A file appears when it is whole.
fn write(
    destination: &Destination,
    produce: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let buffered = |file: &mut dyn Write| {
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
        produce(&mut out)?;
        out.flush().map_err(|source| Error::io("write", "the output", source))
    };
    match destination {
        Destination::Stdout => {
            let copy = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)
                .map_err(|errno| Error::io("open", "standard output", errno))?;
            buffered(&mut File::from(copy))
        }
        Destination::Path(path) => {
            let mut whole =
                WholeFile::create(path).map_err(|source| Error::io("create", path, source))?;
            buffered(&mut whole)?;
            whole.put().map_err(|source| Error::io("put in place", path, source))
        }
    }
}

fn tree(solver: &Solver<'_>, built: &Built, out: &mut dyn Write) -> Result<()> {
    let tree = built.tree(solver, "the target").map_err(plain)?;
    let options =
        TreeOptions { kind: TreeKind::Plain, mtime_clamp: solver.epoch, ..TreeOptions::default() };
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
    let root = crate::beneath::reopen(&tree.root, flags)
        .map_err(|errno| Error::io("open", "the target's root", errno))?;
    write_tree(root.as_fd(), &options, out)?;
    Ok(())
}

/// Through a pipe: the tree is written as a tar and unpacked into the directory, over what is there.
fn local(solver: &Solver<'_>, built: &Built, directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory).map_err(|source| Error::io("make", directory, source))?;
    let (reader, writer) =
        std::io::pipe().map_err(|source| Error::io("make a pipe for", directory, source))?;
    std::thread::scope(|scope| {
        let producer = scope.spawn(move || {
            let mut out = BufWriter::with_capacity(BUFFER_BYTES, writer);
            tree(solver, built, &mut out)?;
            out.flush().map_err(|source| Error::io("write", "the output", source))
        });
        let unpacked = crate::archive::unpack(Box::new(reader), directory);
        let produced = producer.join().unwrap_or(Err(Error::Internal("the exporter panicked")));
        unpacked.map_err(Error::Images).and(produced)
    })
}

fn scratch(solver: &Solver<'_>) -> Result<std::path::PathBuf> {
    solver.session.directory("export").map(|dir| dir.join("image.tar")).map_err(plain)
}

fn plain(cause: Cause) -> Error {
    match cause {
        Cause::Images(error) => Error::Images(error),
        Cause::Io { verb, path, source } => Error::Io { verb, path, source },
        other => Error::Export(Box::new(other)),
    }
}

/// `--iidfile` and `--metadata-file`.
pub fn notes(request: &BuildRequest, outcome: &Outcome) -> Result<()> {
    let put = |path: &Path, text: String| {
        std::fs::write(path, text).map_err(|source| Error::io("write", path, source))
    };
    if let (Some(path), Some(id)) = (&request.iidfile, &outcome.image_id) {
        put(path, id.to_string())?;
    }
    if let Some(path) = &request.metadata_file {
        let names: Vec<String> = request.tags.iter().map(ToString::to_string).collect();
        let metadata = serde_json::json!({
            "containerimage.config.digest": outcome.image_id,
            "containerimage.digest": outcome.manifest_digest,
            "containerimage.descriptor": outcome.image.as_ref().map(|image| &image.descriptor),
            "image.name": names.join(","),
        });
        put(path, format!("{metadata:#}\n"))?;
    }
    Ok(())
}

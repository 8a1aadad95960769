//! Where the result goes.

use crate::error::{Cause, Error, Result};
use crate::outcome::Outcome;
use crate::progress::{Event, Step};
use crate::request::{BuildRequest, Destination, Output};
use crate::solve::{Built, Solver};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Instant;
use teu_images::tree::{TreeKind, TreeOptions, write_tree};
use teu_images::{Image, SaveFormat, Store};
use teu_oci::Reference;
use teu_oci::image::ImageConfig;

const BUFFER_BYTES: usize = 256 << 10;

/// Sends the target to every output.
pub fn export(solver: &Solver<'_>, built: &Built) -> Result<Outcome> {
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
        match one(solver, built, output, &mut outcome) {
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
    crate::attest::attach(solver, built, &outcome)?;
    if solver.request.push && outcome.image.is_some() {
        push(solver)?;
    }
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

fn one(solver: &Solver<'_>, built: &Built, output: &Output, outcome: &mut Outcome) -> Result<()> {
    match output {
        Output::Image { name } => {
            let mut names = solver.request.tags.clone();
            for name in name.iter().flat_map(|names| names.split(',')) {
                names.push(name.parse().map_err(teu_images::Error::from)?);
            }
            image(solver, built, &names, outcome).map(drop)
        }
        Output::Oci { destination, tar: true } => {
            archive(solver, built, destination, SaveFormat::Oci, outcome)
        }
        Output::Oci { destination, tar: false } => {
            let Destination::Path(path) = destination else {
                return Err(Error::Internal("a directory cannot be standard output"));
            };
            let file = scratch(solver)?;
            let target = Destination::Path(file.clone());
            archive(solver, built, &target, SaveFormat::Oci, outcome)?;
            std::fs::create_dir_all(path).map_err(|source| Error::io("make", path, source))?;
            let file = File::open(&file).map_err(|source| Error::io("open", &file, source))?;
            crate::archive::unpack(Box::new(file), path).map_err(Error::Images)
        }
        Output::Docker { destination } => {
            archive(solver, built, destination, SaveFormat::Docker, outcome)
        }
        Output::Tar { destination } => write(destination, |out| tree(solver, built, out)),
        Output::Local { directory } => local(solver, built, directory),
        Output::CacheOnly => Ok(()),
    }
}

fn image(
    solver: &Solver<'_>,
    built: &Built,
    names: &[Reference],
    outcome: &mut Outcome,
) -> Result<Image> {
    let mut config = built.state.finish(&solver.request.labels);
    // Triggers of this image stay; a person's SOURCE_DATE_EPOCH is when it was made.
    if solver.epoch.is_some() {
        config.created = Some(solver.now());
    }
    let layers: Vec<_> = built.state.layers.iter().map(|layer| layer.descriptor.clone()).collect();
    let images = solver.environment.images;
    let image = match unchanged(images, &config, names) {
        Some(image) => image,
        None => images.write_image(&config, &layers, names)?,
    };
    outcome.image_id = Some(image.id.clone());
    outcome.manifest_digest = Some(image.manifest_digest.clone());
    outcome.image = Some(image.clone());
    Ok(image)
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
    solver: &Solver<'_>,
    built: &Built,
    destination: &Destination,
    format: SaveFormat,
    outcome: &mut Outcome,
) -> Result<()> {
    let tags = &solver.request.tags;
    let images = solver.environment.images;
    // The archive is made from the store, where the image must not stay without being asked for.
    let named = outcome.image.is_some();
    let before: Vec<_> = images.list()?.into_iter().map(|image| image.id).collect();
    let existed = |image: &Image| before.contains(&image.id);
    let image = match &outcome.image {
        Some(image) => image.clone(),
        None => image(solver, built, &[], outcome)?,
    };
    let result = write(destination, |out| {
        images.save(&[(image.clone(), tags.clone())], format, out).map_err(Error::from)
    });
    if !named {
        outcome.image = None;
        if !existed(&image) {
            let text = image.id.to_string();
            let request = teu_images::RemoveRequest { text: &text, force: false, in_use: &[] };
            images.remove(&request)?;
        }
    }
    result
}

fn write(
    destination: &Destination,
    produce: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let (path, file) = match destination {
        Destination::Stdout => {
            let copy = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)
                .map_err(|errno| Error::io("open", "standard output", errno))?;
            (None, File::from(copy))
        }
        Destination::Path(path) => {
            let mut partial = path.as_os_str().to_owned();
            partial.push(".partial");
            let partial = std::path::PathBuf::from(partial);
            let file =
                File::create(&partial).map_err(|source| Error::io("create", &partial, source))?;
            (Some((partial, path)), file)
        }
    };
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    let result = produce(&mut out)
        .and_then(|()| out.flush().map_err(|source| Error::io("write", "the output", source)));
    match (path, result) {
        (None, result) => result,
        (Some((partial, path)), Ok(())) => {
            std::fs::rename(&partial, path).map_err(|source| Error::io("rename to", path, source))
        }
        (Some((partial, _)), Err(error)) => {
            let _ = std::fs::remove_file(partial);
            Err(error)
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

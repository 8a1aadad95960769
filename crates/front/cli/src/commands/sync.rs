//! `teu sync`: all tags of a repository, or all images of a directory, to another registry or
//! directory.

use super::copy::place::Place;
use super::copy::{TWO_ENDS, changes, choices, selection};
use crate::context::{Context, complain};
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Flag, Matches};
use crate::progress::layers::{Layers, Place as Shown, Way};
use crate::registry::client;
use std::path::{Path, PathBuf};
use teu_images::remote::Purpose;
use teu_images::transfer::{CopyRequest, copy};
use teu_oci::Reference;

/// Images of one directory.
const IMAGES_LIMIT: usize = 100_000;

/// The command.
pub const SYNC: Command = Command {
    usage: "[OPTIONS] --src TRANSPORT --dest TRANSPORT SOURCE DESTINATION",
    arity: Arity::Exactly(2),
    flags: &[
        &[
            Flag::switch("all", "Copy all images of every index").short('a'),
            Flag::text("dest", "string", "Kind of the destination (docker, dir)").short('d'),
            Flag::switch("dry-run", "Only say what would be copied"),
            Flag::text("format", "string", "Documents of the copies (oci, docker)").short('f'),
            Flag::switch("keep-going", "Go on after a failure"),
            Flag::text("platform", "string", "Copy the images for a platform"),
            Flag::switch("preserve-digests", "Fail rather than change a digest"),
            Flag::switch("quiet", "Suppress output").short('q'),
            Flag::switch("referrers", "Copy attestations, SBOMs and signatures along"),
            Flag::switch("scoped", "Keep the source's whole name beneath the destination"),
            Flag::text("src", "string", "Kind of the source (docker, dir)").short('s'),
        ],
        super::push::COMPRESSION_FLAGS,
        TWO_ENDS,
    ],
    examples: &[
        (
            "teu sync --src docker --dest dir localhost:5000/app /mnt/usb",
            "every tag of a repository to a disk",
        ),
        ("teu sync --src dir --dest docker /mnt/usb localhost:5001", "and back"),
    ],
    ..Command::new("sync", "Copy all tags of a repository, or all images of a directory", run)
};

/// An image to copy: where it is, and its name beneath the destination.
type Item = (Place, String);

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let items = match matches.nonempty("src") {
        Some("docker") => of_registry(matches)?,
        Some("dir") => of_directory(Path::new(matches.operand(0)))?,
        other => return Err(unknown("--src", other)),
    };
    let quiet = matches.switch("quiet");
    let layers = Layers::new(Way::Copy, if quiet { Shown::Quiet } else { Shown::Err });
    let mut failed = false;
    for (from, name) in &items {
        let to = destination(matches, name)?;
        if matches.switch("dry-run") {
            ctx.line(&format!("{} -> {}", from.name(), to.name()))?;
            continue;
        }
        layers.say(&format!("Copying {} to {}", from.name(), to.name()));
        if let Err(failure) = one(ctx, matches, (from, &to), &layers) {
            if !matches.switch("keep-going") {
                return Err(failure);
            }
            complain(&format!("{}: {failure}", from.name()));
            failed = true;
        }
    }
    if !quiet {
        ctx.line(&format!("Synced {} images", items.len()))?;
    }
    if failed { Err(Failure::silent(1)) } else { Ok(0) }
}

fn unknown(flag: &str, found: Option<&str>) -> Failure {
    let message = match found {
        None => format!("{flag} is missing"),
        Some(other) => format!("{flag} {other:?} is not known"),
    };
    Failure::new(message).hint("docker or dir")
}

/// Every tag of a repository, or the one that is named.
fn of_registry(matches: &Matches) -> Result<Vec<Item>> {
    let text = matches.operand(0);
    let name: Reference = text.parse()?;
    let scoped = matches.switch("scoped");
    let beneath = |name: &Reference| {
        let whole = match scoped {
            true => name.name(),
            false => name.repository.rsplit('/').next().unwrap_or_default().to_owned(),
        };
        match (&name.tag, &name.digest) {
            (Some(tag), _) => format!("{whole}:{tag}"),
            (None, Some(digest)) => format!("{whole}@{digest}"),
            (None, None) => whole,
        }
    };
    if super::pull::has_tag(text) || name.digest.is_some() {
        return Ok(vec![(Place::Registry(name.clone()), beneath(&name))]);
    }
    let client = client(&choices(matches, "src-")?)?;
    let tags = client.repository(&name, Purpose::Read)?.tags()?;
    let names = tags.iter().filter(|tag| Reference::is_tag(tag)).map(|tag| name.with_tag(tag));
    Ok(names.map(|name| (Place::Registry(name.clone()), beneath(&name))).collect())
}

/// Every directory beneath that is a `dir:`; its path is its name.
fn of_directory(root: &Path) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut queue = vec![root.to_path_buf()];
    while let Some(dir) = queue.pop() {
        if dir.join("manifest.json").is_file() && dir.join("version").is_file() {
            let name = dir.strip_prefix(root)?.to_string_lossy().into_owned();
            let own = dir.file_name().map(|name| name.to_string_lossy().into_owned());
            let name = if name.is_empty() { own.unwrap_or_default() } else { name };
            items.push((Place::Directory(dir), name));
            if items.len() > IMAGES_LIMIT {
                return Err(Failure::new(format!("more than {IMAGES_LIMIT} images")));
            }
            continue;
        }
        for entry in std::fs::read_dir(&dir)?.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                queue.push(entry.path());
            }
        }
    }
    items.sort_by(|a, b| a.1.cmp(&b.1));
    match items.is_empty() {
        true => Err(Failure::new(format!("{} holds no image of dir:", root.display()))),
        false => Ok(items),
    }
}

fn destination(matches: &Matches, name: &str) -> Result<Place> {
    let root = matches.operand(1);
    match matches.nonempty("dest") {
        Some("docker") => {
            Ok(Place::Registry(format!("{}/{name}", root.trim_end_matches('/')).parse()?))
        }
        Some("dir") => Ok(Place::Directory(PathBuf::from(root).join(name))),
        other => Err(unknown("--dest", other)),
    }
}

fn one(
    ctx: &Context,
    matches: &Matches,
    (from, to): (&Place, &Place),
    layers: &Layers,
) -> Result<()> {
    let source = from.source(ctx, &choices(matches, "src-")?, None)?;
    let sink = to.sink(ctx, &choices(matches, "dest-")?, layers)?;
    let request = CopyRequest {
        selection: selection(matches)?,
        recode: changes(matches)?,
        keep_digests: matches.switch("preserve-digests"),
        referrers: matches.switch("referrers"),
        store: ctx.images()?,
        progress: layers,
    };
    let copied = copy(&*source, &*sink, &request);
    layers.finish();
    copied?;
    Ok(())
}

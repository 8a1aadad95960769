//! `teu save`: images as an archive.

use super::pull::missing;
use crate::context::{Context, out_is_terminal};
use crate::failure::{Doing, Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use teu_images::whole::WholeFile;
use teu_images::{Image, SaveFormat};
use teu_oci::Reference;

/// What is written at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// The command.
pub const SAVE: Command = Command {
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    arity: Arity::AtLeast(1),
    flags: &[&[
        Flag::text(
            "format",
            "string",
            "docker-archive (which is an OCI layout too) or oci-archive",
        )
        .completes(Completes::Words(&["docker-archive", "oci-archive"])),
        Flag::text("output", "string", "Write to a file, instead of STDOUT")
            .short('o')
            .completes(Completes::Files),
        Flag::text("platform", "string", "Save only the given platform"),
    ]],
    operands: Completes::Images,
    examples: &[
        ("teu save -o app.tar app:1 db:1", "two images in one archive"),
        ("teu save app | zstd > app.tar.zst", "compressed"),
    ],
    ..Command::new(
        "save",
        "Save one or more images to a tar archive (streamed to STDOUT by default)",
        run,
    )
};

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let format = match matches.nonempty("format") {
        None | Some("docker-archive" | "docker") => SaveFormat::Docker,
        Some("oci-archive" | "oci") => SaveFormat::Oci,
        Some(other) => {
            return Err(Failure::new(format!("unknown archive format {other:?}"))
                .hint("docker-archive or oci-archive"));
        }
    };
    let platform = matches.nonempty("platform").map(str::parse).transpose()?;
    let store = ctx.images()?;
    let mut images: Vec<(Image, Vec<Reference>)> = Vec::new();
    for text in &matches.operands {
        let image = match store.resolve_platform(text, platform.as_ref()) {
            Ok(image) => image,
            Err(teu_images::Error::NoSuchImage { near, .. }) => {
                return Err(missing(text, near.as_deref()).code(1));
            }
            Err(error) => return Err(error.into()),
        };
        let named: Vec<Reference> = match text.parse::<Reference>() {
            Ok(name) if image.names.contains(&name) => vec![name],
            _ => Vec::new(),
        };
        match images.iter_mut().find(|(known, _)| known.manifest_digest == image.manifest_digest) {
            Some((_, names)) => names.extend(named),
            None => images.push((image, named)),
        }
    }
    let mut sink = sink(matches.nonempty("output"), "save")?;
    store.save(&images, format, &mut sink)?;
    sink.finish()?;
    Ok(0)
}

/// Where an archive goes: standard output, or a file that appears when it is whole.
#[derive(Debug)]
pub enum Sink {
    /// What is there already: standard output, a device, a pipe.
    Open(BufWriter<File>),
    /// A file of its own, at this path.
    Whole(BufWriter<WholeFile>, PathBuf),
}

/// Opens it; refuses a terminal.
pub fn sink(path: Option<&str>, command: &str) -> Result<Sink> {
    let Some(path) = path else {
        if out_is_terminal() {
            return Err(Failure::new("cowardly refusing to save to a terminal")
                .hint(format!("use teu {command} -o FILE, or redirect the output")));
        }
        let stdout = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
        return Ok(Sink::Open(BufWriter::with_capacity(BUFFER_BYTES, stdout.into())));
    };
    let target = PathBuf::from(path);
    // A device or a pipe cannot be replaced by a file.
    let special = target.metadata().is_ok_and(|meta| !meta.is_file() && !meta.is_dir());
    if special {
        let file = File::options().write(true).open(&target).doing(|| format!("open {path}"))?;
        return Ok(Sink::Open(BufWriter::with_capacity(BUFFER_BYTES, file)));
    }
    if target.is_dir() {
        return Err(Failure::new(format!("{path} is a directory")));
    }
    if target.file_name().is_none() {
        return Err(Failure::new(format!("invalid output path: {path:?}")));
    }
    let file = WholeFile::create(&target).doing(|| format!("invalid output path: {path}"))?;
    Ok(Sink::Whole(BufWriter::with_capacity(BUFFER_BYTES, file), target))
}

impl Sink {
    /// Writes the rest; a file gets its name.
    pub fn finish(self) -> Result<()> {
        match self {
            Self::Open(mut out) => out.flush()?,
            Self::Whole(out, target) => {
                let whole = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
                whole.put().doing(|| format!("cannot write {}", target.display()))?;
            }
        }
        Ok(())
    }

    fn out(&mut self) -> &mut dyn Write {
        match self {
            Self::Open(out) => out,
            Self::Whole(out, _) => out,
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out().flush()
    }
}

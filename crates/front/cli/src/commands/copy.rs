//! `teu copy`: an image from any kind of storage to any other.

use super::push::{COMPRESSION_FLAGS, recode};
use crate::context::Context;
use crate::failure::{Doing, Failure, Result};
use crate::flags::{Arity, Command, Flag, Matches};
use crate::progress::layers::{Layers, Place as Shown, Way};
use crate::registry::{Choices, client};
use place::Place;
use teu_images::remote::Purpose;
use teu_images::transfer::{CopyRequest, Dialect, Recode, Selection, copy, trust};
use teu_oci::{Digest, Platform, Reference};

pub mod place;

/// The command.
pub const COPY: Command = Command {
    usage: "[OPTIONS] SOURCE DESTINATION",
    arity: Arity::Exactly(2),
    flags: &[
        &[
            Flag::switch("all", "Copy all images of an index").short('a'),
            Flag::text("format", "string", "Documents of the copy (oci, docker)").short('f'),
            Flag::text("platform", "string", "Copy the image for a platform"),
            Flag::switch("preserve-digests", "Fail rather than change a digest"),
            Flag::switch("quiet", "Suppress output").short('q'),
            Flag::switch("referrers", "Copy attestations, SBOMs and signatures along"),
            Flag::text(
                "sign-by-sigstore-private-key",
                "FILE",
                "Sign the copy in a registry (PKCS#8 in PEM: ECDSA P-256, Ed25519)",
            ),
            Flag::text("sign-identity", "NAME", "The name to sign (default: the destination's)"),
        ],
        COMPRESSION_FLAGS,
        TWO_ENDS,
    ],
    examples: &[
        ("teu copy docker://localhost:5000/app:1 oci:app", "from a registry to a directory"),
        ("teu copy --all oci-archive:app.tar docker://localhost:5000/app:1", "with all platforms"),
        ("teu copy app:1 docker-daemon:app:1", "from the local store to dockerd"),
    ],
    ..Command::new(
        "copy",
        "Copy an image between registries, directories, archives and stores",
        run,
    )
};

/// Settings of the registry at either end.
pub const TWO_ENDS: &[Flag] = &[
    Flag::text("src-creds", "USER[:PASSWORD]", "Credentials for the source"),
    Flag::text("dest-creds", "USER[:PASSWORD]", "Credentials for the destination"),
    Flag::text("src-cert-dir", "PATH", "Certificates for the source"),
    Flag::text("dest-cert-dir", "PATH", "Certificates for the destination"),
    Flag::text("src-tls-verify", "bool", "Require HTTPS and a certificate of the source"),
    Flag::text("dest-tls-verify", "bool", "Require HTTPS and a certificate of the destination"),
    Flag::text("tls-verify", "bool", "Both of them"),
];

/// `--src-…` or `--dest-…`, and what is for both.
pub fn choices(matches: &Matches, prefix: &str) -> Result<Choices> {
    let mut choices = Choices::of(matches, prefix)?;
    if choices.verify.is_none()
        && let Some(text) = matches.nonempty("tls-verify")
    {
        choices.verify = crate::options::boolean(text);
    }
    Ok(choices)
}

/// `--all` and `--platform`.
pub fn selection(matches: &Matches) -> Result<Selection> {
    let all = matches.switch("all");
    Ok(match (all, matches.nonempty("platform")) {
        (true, Some(_)) => {
            return Err(Failure::new("--all and --platform exclude each other"));
        }
        (true, None) => Selection::All,
        (false, Some(platform)) => Selection::One(platform.parse()?),
        (false, None) => Selection::One(Platform::host()),
    })
}

/// `--format` and the compression.
pub fn changes(matches: &Matches) -> Result<Recode> {
    let dialect = match matches.nonempty("format") {
        None => None,
        Some("oci") => Some(Dialect::Oci),
        Some("docker" | "v2s2") => Some(Dialect::Docker),
        Some(other) => {
            return Err(
                Failure::new(format!("format {other:?} is not known")).hint("oci or docker")
            );
        }
    };
    Ok(Recode { dialect, ..recode(matches)? })
}

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let (from, to) = (Place::parse(matches.operand(0))?, Place::parse(matches.operand(1))?);
    let selection = selection(matches)?;
    let platform = match &selection {
        Selection::One(platform) if matches.nonempty("platform").is_some() => Some(platform),
        _ => None,
    };
    let signer =
        matches.nonempty("sign-by-sigstore-private-key").map(|path| Signer::new(path, &to));
    let signer = signer.transpose()?;
    let quiet = matches.switch("quiet");
    let layers = Layers::new(Way::Copy, if quiet { Shown::Quiet } else { Shown::Err });
    let source = from.source(ctx, &choices(matches, "src-")?, platform)?;
    // Nothing is made for an image that is not there.
    source.root()?;
    let sink = to.sink(ctx, &choices(matches, "dest-")?, &layers)?;
    let request = CopyRequest {
        selection,
        recode: changes(matches)?,
        keep_digests: matches.switch("preserve-digests"),
        referrers: matches.switch("referrers"),
        store: ctx.images()?,
        progress: &layers,
    };
    let copied = copy(&*source, &*sink, &request);
    layers.finish();
    let copied = copied?;
    if let Some(signer) = signer {
        signer.sign(matches, &copied.root.descriptor.digest)?;
    }
    ctx.line(copied.root.descriptor.digest.as_str())?;
    Ok(0)
}

/// Signs what a registry has then; what it needs is looked at before anything is copied.
struct Signer<'a> {
    name: &'a Reference,
    key: Vec<u8>,
}

impl<'a> Signer<'a> {
    fn new(path: &str, to: &'a Place) -> Result<Self> {
        let Place::Registry(name) = to else {
            return Err(Failure::new("only a copy in a registry can be signed")
                .hint("signatures are kept beside the image, under a tag of their own"));
        };
        Ok(Self { name, key: std::fs::read(path).doing(|| format!("read {path}"))? })
    }

    fn sign(&self, matches: &Matches, digest: &Digest) -> Result<()> {
        let client = client(&choices(matches, "dest-")?)?;
        let repository = client.repository(self.name, Purpose::Write)?;
        let own = self.name.to_string();
        let stated = matches.nonempty("sign-identity").unwrap_or(&own);
        Ok(trust::sign(&repository, digest, &self.key, stated)?)
    }
}

//! `teu image referrers`: what is said about an image beside it, here or in a registry.

use super::copy::place::Place;
use super::{FORMAT, NO_TRUNC, QUIET};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Completes, Flag, Matches};
use crate::output::{Listing, Row, Style};
use crate::registry::{Choices, REGISTRY_FLAGS, client};
use crate::text::short_id;
use crate::units::human_size;
use serde_json::Value;
use teu_images::remote::Document;
use teu_images::transfer::copy::choose;
use teu_images::transfer::image::{manifest, small_blob};
use teu_images::transfer::{RegistrySource, Source};
use teu_oci::image::Descriptor;
use teu_oci::{Platform, media};

/// The command.
pub const REFERRERS: Command = Command {
    usage: "[OPTIONS] IMAGE",
    arity: Arity::Exactly(1),
    flags: &[
        &[
            FORMAT,
            NO_TRUNC,
            QUIET,
            Flag::text("platform", "string", "Of the image for a platform"),
            Flag::text("predicate", "string", "Print the predicate of a statement")
                .completes(Completes::Words(&["provenance", "sbom"])),
        ],
        REGISTRY_FLAGS,
    ],
    operands: Completes::Images,
    examples: &[
        ("teu image referrers app:1", "attestations and signatures of an image"),
        ("teu image referrers --predicate sbom app:1", "the packages, as SPDX"),
        ("teu image referrers docker://localhost:5000/app:1", "what a registry lists"),
    ],
    ..Command::new("referrers", "List attestations, SBOMs and signatures of an image", run)
};

const HEADS: &[(&str, &str)] = &[
    ("Digest", "DIGEST"),
    ("Type", "TYPE"),
    ("Predicate", "PREDICATE"),
    ("Tag", "TAG"),
    ("Size", "SIZE"),
];
const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";

/// One of them.
struct Referrer {
    document: Document,
    kind: String,
    predicate: String,
    tag: String,
    size_bytes: u64,
    layers: Vec<Descriptor>,
}

fn run(ctx: &Context, matches: &Matches) -> Result<u8> {
    let platform: Option<Platform> = matches.nonempty("platform").map(str::parse).transpose()?;
    let place = Place::parse(matches.operand(0))?;
    let choices = Choices::of(matches, "")?;
    let source: Box<dyn Source + '_> = match &place {
        Place::Registry(name) => {
            Box::new(RegistrySource::new(&client(&choices)?, name, false).to_look_at())
        }
        other => other.source(ctx, &choices, platform.as_ref())?,
    };
    let found = all(&*source, &place.name(), platform.unwrap_or_else(Platform::host))?;
    if let Some(wanted) = matches.nonempty("predicate") {
        return predicate(ctx, &*source, &found, wanted);
    }
    let (whole, quiet) = (matches.switch("no-trunc"), matches.switch("quiet"));
    let rows = found.iter().map(|one| {
        let digest = one.document.descriptor.digest.as_str();
        Row::new()
            .field("Digest", if whole { digest } else { short_id(digest) })
            .field("Type", one.kind.clone())
            .field("Predicate", one.predicate.clone())
            .field("Tag", one.tag.clone())
            .field("Size", human_size(one.size_bytes, 3))
    });
    let shown = ["Digest", "Type", "Predicate", "Size"];
    let listing = Listing { heads: HEADS, shown: &shown, quiet: "Digest", rows: rows.collect() };
    let format = matches.nonempty("format");
    ctx.list(&listing, Style { format, quiet, whole, ..Style::default() })?;
    Ok(0)
}

/// Of the image itself, and of the index that it is in.
fn all(source: &dyn Source, name: &str, platform: Platform) -> Result<Vec<Referrer>> {
    let root = source.root()?;
    let mut subjects = vec![root.descriptor.digest.clone()];
    if media::is_index(&root.descriptor.media_type) {
        subjects.push(choose(&root, &platform, name)?.digest);
    }
    let mut found = Vec::new();
    for subject in subjects {
        for entry in source.referrers(&subject)? {
            if media::is_manifest(&entry.media_type) {
                found.push(read(source.referrer(&entry)?, String::new())?);
            }
        }
        for suffix in ["sig", "att", "sbom"] {
            let tag = format!("{}-{}.{suffix}", subject.algorithm(), subject.hex());
            if let Some(document) = source.tagged(&tag)? {
                found.push(read(document, tag)?);
            }
        }
    }
    Ok(found)
}

fn read(document: Document, tag: String) -> Result<Referrer> {
    let manifest = manifest(&document)?;
    let plain = |text: &str| text.chars().filter(|c| !c.is_control()).take(120).collect();
    let kind = manifest.artifact_type.as_deref().unwrap_or(&manifest.config.media_type);
    let stated = |annotations: &std::collections::BTreeMap<String, String>| {
        annotations.get(PREDICATE_TYPE).map(|text| plain(text))
    };
    let inner = manifest.layers.first().and_then(|layer| stated(&layer.annotations));
    Ok(Referrer {
        kind: plain(kind),
        predicate: stated(&manifest.annotations).or(inner).unwrap_or_default(),
        tag,
        size_bytes: manifest.layers.iter().map(|layer| layer.size).fold(0, u64::saturating_add),
        layers: manifest.layers,
        document,
    })
}

fn predicate(ctx: &Context, source: &dyn Source, found: &[Referrer], wanted: &str) -> Result<u8> {
    let fits = |one: &&Referrer| match wanted {
        "provenance" => one.predicate.starts_with("https://slsa.dev/provenance/"),
        "sbom" => one.predicate.starts_with("https://spdx.dev/Document"),
        other => one.predicate == other,
    };
    let layer = found.iter().find(fits).and_then(|one| one.layers.first());
    let Some(layer) = layer else {
        return Err(Failure::new(format!("no attestation {wanted:?} of the image"))
            .hint("teu image referrers IMAGE lists those there are"));
    };
    let bytes = small_blob(source, layer, "a statement")?;
    let statement: Value = serde_json::from_slice(&bytes)?;
    ctx.print(&super::inspect::pretty(&statement["predicate"])?)?;
    Ok(0)
}

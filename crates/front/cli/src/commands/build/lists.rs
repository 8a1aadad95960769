//! Flags of `teu build` that name several things in a syntax of their own: platforms, caches,
//! attestations.

use crate::failure::Result;
use crate::flags::Matches;
use teu_builder::{Attest, CacheSource, CacheTarget};
use teu_oci::Platform;

/// `--cache-from`
pub(super) fn cache_sources(matches: &Matches) -> Result<Vec<CacheSource>> {
    let mut sources = Vec::new();
    for text in matches.list("cache-from") {
        sources.push(CacheSource::parse(text)?);
    }
    Ok(sources)
}

/// `--cache-to`
pub(super) fn cache_targets(matches: &Matches) -> Result<Vec<CacheTarget>> {
    let mut targets = Vec::new();
    for text in matches.list("cache-to") {
        targets.push(CacheTarget::parse(text)?);
    }
    Ok(targets)
}

/// `--platform`, with commas or several times.
pub(super) fn platforms(matches: &Matches) -> Result<Vec<Platform>> {
    let texts = matches.list("platform");
    let names = texts.iter().flat_map(|text| text.split(',')).map(str::trim);
    Ok(names
        .filter(|name| !name.is_empty())
        .map(str::parse)
        .collect::<std::result::Result<_, _>>()?)
}

/// `--attest`, `--provenance`, `--sbom`
pub(super) fn attest(matches: &Matches) -> Result<Attest> {
    let mut attest = Attest::default();
    for text in matches.list("attest") {
        attest.add(text)?;
    }
    for kind in ["provenance", "sbom"] {
        if let Some(attributes) = matches.nonempty(kind) {
            attest.add_kind(kind, attributes)?;
        }
    }
    Ok(attest)
}

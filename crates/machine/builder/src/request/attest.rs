//! `--attest type=…`, `--provenance`, `--sbom`: what is said about an image beside it, in Buildx's
//! syntax.

use serde::{Deserialize, Serialize};

/// What is attached to the image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attest {
    /// How it was made.
    pub provenance: Option<Detail>,
    /// What packages it has.
    pub sbom: bool,
}

/// How much of the build is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Detail {
    /// What it was made from. Values of build arguments may be secret, and are left out.
    #[default]
    Min,
    /// Build arguments and the Dockerfile as well.
    Max,
}

/// An `--attest` that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseAttestError {
    /// No such kind.
    #[error("attestation type {0:?} is not known: type=provenance[,mode=min|max] or type=sbom")]
    Kind(String),
    /// No such attribute.
    #[error("attribute {0:?} of an attestation is not known: mode=min|max, disabled=true")]
    Attribute(String),
    /// A program that looks for packages.
    #[error("generator={0:?}: SBOMs are made by the builder itself, without a generator image")]
    Generator(String),
}

impl Attest {
    /// Says whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.provenance.is_none() && !self.sbom
    }

    /// `type=provenance,mode=max`
    pub fn add(&mut self, text: &str) -> Result<(), ParseAttestError> {
        let kind = text.split(',').find_map(|part| part.strip_prefix("type="));
        let kind = kind.or_else(|| text.split(',').next()).unwrap_or_default().to_owned();
        let rest: Vec<&str> =
            text.split(',').filter(|part| !part.starts_with("type=") && *part != kind).collect();
        self.add_kind(&kind, &rest.join(","))
    }

    /// The same, where the kind stands by itself; `true` and `false` will do.
    pub fn add_kind(&mut self, kind: &str, attributes: &str) -> Result<(), ParseAttestError> {
        if !matches!(kind, "provenance" | "sbom") {
            return Err(ParseAttestError::Kind(kind.to_owned()));
        }
        let mut is_on = true;
        let mut detail = Detail::Min;
        for attribute in attributes.split(',').filter(|part| !part.is_empty()) {
            match attribute.split_once('=').unwrap_or((attribute, "")) {
                ("true" | "1", "") | ("disabled", "false" | "0") => {}
                ("false" | "0", "") | ("disabled", "true" | "1" | "") => is_on = false,
                ("mode", "min") if kind == "provenance" => detail = Detail::Min,
                ("mode", "max") if kind == "provenance" => detail = Detail::Max,
                // There is one version here, and a builder that has no name of its own.
                ("version", "v1") | ("builder-id", "") if kind == "provenance" => {}
                ("generator", "") if kind == "sbom" => {}
                ("generator", image) if kind == "sbom" => {
                    return Err(ParseAttestError::Generator(image.to_owned()));
                }
                _ => return Err(ParseAttestError::Attribute(attribute.to_owned())),
            }
        }
        match kind {
            "sbom" => self.sbom = is_on,
            _ => self.provenance = is_on.then_some(detail),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Attest, Detail};

    #[test]
    fn words() {
        let (min, max) = (Some(Detail::Min), Some(Detail::Max));
        for (text, expected) in [
            ("type=provenance", Some((min, false))),
            ("type=provenance,mode=max", Some((max, false))),
            ("mode=max,type=provenance", Some((max, false))),
            ("provenance", Some((min, false))),
            ("type=sbom", Some((None, true))),
            ("type=sbom,disabled=true", Some((None, false))),
            ("type=provenance,false", Some((None, false))),
            ("type=sbom,generator=x/y", None),
            ("type=sbom,mode=max", None),
            ("type=other", None),
            ("type=provenance,colour=red", None),
        ] {
            let mut attest = Attest::default();
            let found = attest.add(text).ok().map(|()| (attest.provenance, attest.sbom));
            assert_eq!(found, expected, "{text}");
        }
    }
}

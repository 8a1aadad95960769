//! From a path to what it means. Distribution-spec 1.1, "Endpoints".

use crate::link::{Plus, decode};
use crate::name::{Name, is_tag};
use teu_oci::Digest;

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/v2/` (end-1)
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/NAME/blobs/DIGEST` (end-2, end-10)
    Blob(Name, Digest),
    /// `/v2/NAME/manifests/REFERENCE` (end-3, end-7, end-9)
    Manifest(Name, Reference),
    /// `/v2/NAME/blobs/uploads/` (end-4, end-11)
    Uploads(Name),
    /// `/v2/NAME/blobs/uploads/ID` (end-5, end-6, end-13)
    Upload(Name, String),
    /// `/v2/NAME/tags/list` (end-8)
    Tags(Name),
    /// `/v2/NAME/referrers/DIGEST` (end-12)
    Referrers(Name, Digest),
}

/// A tag or a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A tag.
    Tag(String),
    /// A digest.
    Digest(Digest),
}

/// Why a path means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unroutable {
    /// No path of the protocol.
    Path,
    /// The name is none.
    Name(String),
    /// The digest is none.
    Digest(String),
    /// Neither a tag nor a digest.
    Reference(String),
}

impl Route {
    /// Reads a path.
    pub fn parse(path: &str) -> Result<Self, Unroutable> {
        let Some(rest) = path.strip_prefix("/v2") else { return Err(Unroutable::Path) };
        if rest.is_empty() || rest == "/" {
            return Ok(Self::Base);
        }
        let rest = rest.strip_prefix('/').and_then(|rest| decode(rest, Plus::IsPlus));
        let rest = rest.ok_or(Unroutable::Path)?;
        if rest == "_catalog" {
            return Ok(Self::Catalog);
        }
        let parts: Vec<&str> = rest.split('/').collect();
        let name = |parts: &[&str]| {
            let text = parts.join("/");
            Name::parse(&text).ok_or(Unroutable::Name(text))
        };
        let digest = |text: &str| text.parse().map_err(|_| Unroutable::Digest(text.to_owned()));
        match &*parts {
            [repository @ .., "blobs", "uploads", ""] | [repository @ .., "blobs", "uploads"] => {
                Ok(Self::Uploads(name(repository)?))
            }
            [repository @ .., "blobs", "uploads", id] => {
                Ok(Self::Upload(name(repository)?, (*id).to_owned()))
            }
            [repository @ .., "blobs", text] => Ok(Self::Blob(name(repository)?, digest(text)?)),
            [repository @ .., "manifests", text] => {
                Ok(Self::Manifest(name(repository)?, Reference::parse(text)?))
            }
            [repository @ .., "tags", "list"] => Ok(Self::Tags(name(repository)?)),
            [repository @ .., "referrers", text] => {
                Ok(Self::Referrers(name(repository)?, digest(text)?))
            }
            _ => Err(Unroutable::Path),
        }
    }

    /// The repository it is about.
    pub fn repository(&self) -> Option<&Name> {
        match self {
            Self::Base | Self::Catalog => None,
            Self::Blob(name, _)
            | Self::Manifest(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _)
            | Self::Tags(name)
            | Self::Referrers(name, _) => Some(name),
        }
    }

    /// The same of another repository.
    pub fn of(self, name: Name) -> Self {
        match self {
            Self::Base | Self::Catalog => self,
            Self::Blob(_, digest) => Self::Blob(name, digest),
            Self::Manifest(_, reference) => Self::Manifest(name, reference),
            Self::Uploads(_) => Self::Uploads(name),
            Self::Upload(_, id) => Self::Upload(name, id),
            Self::Tags(_) => Self::Tags(name),
            Self::Referrers(_, digest) => Self::Referrers(name, digest),
        }
    }

    /// What it is, in a word, for metrics and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Catalog => "catalog",
            Self::Blob(..) => "blob",
            Self::Manifest(..) => "manifest",
            Self::Uploads(_) | Self::Upload(..) => "upload",
            Self::Tags(_) => "tags",
            Self::Referrers(..) => "referrers",
        }
    }
}

impl Reference {
    fn parse(text: &str) -> Result<Self, Unroutable> {
        if text.contains(':') {
            return match text.parse() {
                Ok(digest) => Ok(Self::Digest(digest)),
                Err(_) => Err(Unroutable::Digest(text.to_owned())),
            };
        }
        match is_tag(text) {
            true => Ok(Self::Tag(text.to_owned())),
            false => Err(Unroutable::Reference(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests;

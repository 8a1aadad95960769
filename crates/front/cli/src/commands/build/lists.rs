//! Flags of `teu build` that name several things in a syntax of their own: build arguments,
//! annotations, agents, platforms, caches, attestations. What cannot be meant is refused here, before
//! any work is done.

use crate::failure::{Failure, Result};
use crate::flags::Matches;
use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;
use teu_builder::{Attest, CacheSource, CacheTarget, SshAgent};
use teu_oci::Platform;

/// `--build-arg`: a bare name takes its value from the environment, or is left out.
pub(super) fn build_args(texts: &[&str]) -> Result<Vec<(String, String)>> {
    let mut args = Vec::new();
    for text in texts {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (*text, std::env::var(text).ok()),
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(Failure::new(format!("invalid build argument {text:?}: it has no name"))
                .hint("NAME=VALUE, or NAME for the value that the environment has"));
        }
        args.extend(value.map(|value| (name.to_owned(), value)));
    }
    Ok(args)
}

/// `--annotation [LEVEL:]KEY=VALUE`; a label may do without a value, an annotation may not.
pub(super) fn annotations(texts: &[&str]) -> Result<BTreeMap<String, String>> {
    let mut annotations = BTreeMap::new();
    for text in texts {
        let pair = text.split_once('=').filter(|(key, _)| {
            !key.is_empty() && !key.ends_with(':') && !key.contains(char::is_whitespace)
        });
        let Some((key, value)) = pair else {
            return Err(Failure::new(format!("invalid annotation {text:?}, expected key=value"))
                .hint("such as --annotation org.opencontainers.image.title=app, or --annotation index:KEY=VALUE"));
        };
        annotations.insert(key.to_owned(), value.to_owned());
    }
    Ok(annotations)
}

/// `--ssh`, and what a Compose file says of it: an agent's socket.
pub(crate) fn ssh_agent(text: &str) -> Result<SshAgent> {
    let (id, socket) = match text.split_once('=') {
        Some((id, socket)) => (id, PathBuf::from(socket)),
        None => match std::env::var_os("SSH_AUTH_SOCK") {
            Some(socket) => (text, PathBuf::from(socket)),
            None => {
                return Err(Failure::new(format!("invalid empty ssh agent socket for {text:?}"))
                    .hint("start an agent (SSH_AUTH_SOCK), or name one: id=SOCKET"));
            }
        },
    };
    let wrong = |reason: String| {
        Err(Failure::new(format!("ssh agent {id:?}: {}: {reason}", socket.display()))
            .hint("\"default\" is the agent of SSH_AUTH_SOCK, ID=SOCKET another"))
    };
    match socket.metadata() {
        _ if id.is_empty() => wrong("the agent has no ID".to_owned()),
        Err(error) => wrong(error.to_string()),
        Ok(meta) if !meta.file_type().is_socket() => {
            wrong("not a socket (keys are used through an agent: ssh-add FILE)".to_owned())
        }
        Ok(_) => Ok(SshAgent { id: id.to_owned(), socket }),
    }
}

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

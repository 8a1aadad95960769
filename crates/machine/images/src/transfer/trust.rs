//! Signatures fetched and checked before anything else of an image is fetched; and made, after a copy.

use crate::error::{Error, Result};
use crate::remote::policy::{Needed, Policy};
use crate::remote::signature::{self, SignatureFault};
use crate::remote::{Document, RemoteError, Repository};
use crate::transfer::image::Verified;
use std::io::Read;
use teu_oci::image::{Descriptor, Manifest};
use teu_oci::{Digest, Reference, media};

/// Signatures of one image.
const SIGNATURES_LIMIT: usize = 100;
/// Bytes of a statement.
const STATEMENT_LIMIT_BYTES: u64 = 256 << 10;

/// Says whether a digest of a repository has the signatures that a policy wants; an error says what
/// is wrong with those there are.
pub(super) fn check(
    policy: &Policy,
    repository: &Repository,
    digest: &Digest,
    name: &Reference,
) -> Result<()> {
    let needed = policy.needed(name)?;
    if needed.is_empty() {
        return Ok(());
    }
    let found = statements(repository, digest)?;
    satisfied(&needed, &found, digest, name).map_err(|fault| {
        let reason = fault.unwrap_or_else(|| "it has no signature".to_owned());
        RemoteError::Policy { name: name.to_string(), reason }.into()
    })
}

/// A statement and the signature over it.
struct Statement {
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// Says whether every requirement has a signature that is good for it, or what is wrong.
fn satisfied(
    needed: &[Needed],
    found: &[Statement],
    digest: &Digest,
    name: &Reference,
) -> Result<(), Option<String>> {
    for needed in needed {
        let mut fault = None;
        let is_good = found.iter().any(|statement| match one(needed, statement, digest, name) {
            Ok(()) => true,
            Err(reason) => {
                fault = Some(reason);
                false
            }
        });
        if !is_good {
            return Err(fault);
        }
    }
    Ok(())
}

fn one(
    needed: &Needed,
    statement: &Statement,
    digest: &Digest,
    name: &Reference,
) -> Result<(), String> {
    let Statement { payload, signature } = statement;
    // Nothing of a statement is believed before its signature is.
    let verified = needed.keys.iter().any(|key| key.verify(payload, signature).is_ok());
    if !verified {
        return Err(SignatureFault::Wrong.to_string());
    }
    let stated = signature::identity(payload, digest).map_err(|fault| fault.to_string())?;
    match needed.accepts(&stated, name) {
        true => Ok(()),
        false => Err(format!(
            "it is signed as {:?}, which is another name",
            stated.chars().take(200).collect::<String>()
        )),
    }
}

/// The signatures of a digest: under cosign's tag, and among the referrers.
fn statements(repository: &Repository, digest: &Digest) -> Result<Vec<Statement>> {
    let mut manifests = Vec::new();
    match repository.manifest(&tag(digest)) {
        Ok(document) => manifests.push(document),
        Err(error) if error.is_absent() => {}
        Err(error) => return Err(error.into()),
    }
    let referrers = repository.referrers(digest).unwrap_or_default();
    let signed = referrers.iter().filter(|entry| {
        entry.artifact_type.as_deref().is_some_and(|kind| kind.contains("dev.cosign"))
    });
    for entry in signed.take(SIGNATURES_LIMIT) {
        manifests.push(repository.manifest(entry.digest.as_str())?);
    }
    let mut statements = Vec::new();
    for document in manifests {
        let manifest = super::image::manifest(&document)?;
        for layer in manifest.layers.iter().take(SIGNATURES_LIMIT) {
            let signature = layer.annotations.get(signature::ANNOTATION);
            let Some(signature) = signature.and_then(|text| signature::decode(text)) else {
                continue;
            };
            if layer.size > STATEMENT_LIMIT_BYTES {
                continue;
            }
            let mut payload = Vec::new();
            Verified::new(repository.blob(layer, 0)?, layer)
                .read_to_end(&mut payload)
                .map_err(|e| Error::stream("read a signature", e))?;
            statements.push(Statement { payload, signature });
        }
    }
    Ok(statements)
}

/// `sha256-….sig`
fn tag(digest: &Digest) -> String {
    format!("{}-{}.sig", digest.algorithm(), digest.hex())
}

/// Signs what a repository has under a name, as cosign does, beside the signatures there are.
pub fn sign(repository: &Repository, digest: &Digest, key: &[u8], stated: &str) -> Result<()> {
    let refused = |fault: SignatureFault| RemoteError::Policy {
        name: repository.name().to_string(),
        reason: format!("it cannot be signed: {fault}"),
    };
    let payload = signature::statement(stated, digest);
    let signed = signature::sign(key, &payload).map_err(refused)?;
    let mut layer =
        Descriptor::new(signature::PAYLOAD, Digest::sha256(&payload), payload.len() as u64);
    put(repository, &layer, &payload)?;
    layer.annotations.insert(signature::ANNOTATION.to_owned(), signature::encode(&signed));
    let mut layers = match repository.manifest(&tag(digest)) {
        Ok(document) => super::image::manifest(&document)?.layers,
        Err(error) if error.is_absent() => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    layers.push(layer);
    let diff_ids: Vec<&Digest> = layers.iter().map(|layer| &layer.digest).collect();
    let config = serde_json::json!({
        "architecture": "", "os": "", "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    })
    .to_string();
    let config_descriptor =
        Descriptor::new(media::CONFIG, Digest::sha256(config.as_bytes()), config.len() as u64);
    put(repository, &config_descriptor, config.as_bytes())?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(media::MANIFEST.to_owned()),
        artifact_type: None,
        config: config_descriptor,
        layers,
        subject: None,
        annotations: std::collections::BTreeMap::new(),
    };
    let bytes = serde_json::to_vec(&manifest).map_err(|e| Error::document("a manifest", e))?;
    let descriptor = Descriptor::new(media::MANIFEST, Digest::sha256(&bytes), bytes.len() as u64);
    Ok(repository.put_manifest(&tag(digest), &Document { descriptor, bytes })?)
}

fn put(repository: &Repository, blob: &Descriptor, bytes: &[u8]) -> Result<()> {
    if repository.has_blob(&blob.digest)? {
        return Ok(());
    }
    let open = |offset: u64| -> Result<Box<dyn Read + Send + '_>> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        Ok(Box::new(&bytes[start..]))
    };
    repository.upload(blob, &open)
}

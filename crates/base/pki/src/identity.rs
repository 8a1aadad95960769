//! A certificate chain with its private key, and lists of certificates to trust; from and to PEM.

use crate::error::{Error, Result};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Bytes of a PEM file; the whole world's authorities have a fifth of it.
const FILE_BYTES: u64 = 1 << 20;

/// Who a server or client is: its certificate, those that vouch for it, and the key.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    chain_pem: String,
    key_pem: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("certificates", &self.chain.len()).finish_non_exhaustive()
    }
}

impl Identity {
    /// Loads a chain (own certificate first) and its key from PEM files.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self> {
        let (chain_pem, key_pem) = (read(certificate)?, read(key)?);
        let place = |path: &Path| path.display().to_string();
        Self::parse(chain_pem, &place(certificate), key_pem, &place(key))
    }

    /// Takes a chain and its key as PEM texts.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self> {
        let places = ("the certificate", "the key");
        Self::parse(certificate.to_owned(), places.0, key.to_owned(), places.1)
    }

    fn parse(chain_pem: String, chain_at: &str, key_pem: String, key_at: &str) -> Result<Self> {
        let chain = certificates_from_pem(&chain_pem, chain_at)?;
        let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|source| {
            let place = key_at.to_owned();
            match source {
                rustls_pki_types::pem::Error::NoItemsFound => {
                    Error::Empty { place, wanted: "private key", label: "PRIVATE KEY" }
                }
                source => Error::Pem { place, source },
            }
        })?;
        Ok(Self { chain, key, chain_pem, key_pem })
    }

    /// The certificates, its own first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The private key.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }

    /// The certificates as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.chain_pem
    }

    /// The private key as PEM: for its file, and nowhere else.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// Writes both files, the key readable by its owner alone. Files that are there are replaced.
    pub fn save(&self, certificate: &Path, key: &Path) -> Result<()> {
        write(key, &self.key_pem, 0o600)?;
        write(certificate, &self.chain_pem, 0o644)
    }
}

/// Loads all certificates of a PEM file, for example those of authorities to trust.
pub fn load_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    certificates_from_pem(&read(path)?, &path.display().to_string())
}

/// Takes all certificates of a PEM text; `place` is what an error calls it.
pub fn certificates_from_pem(text: &str, place: &str) -> Result<Vec<CertificateDer<'static>>> {
    let found: std::result::Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let found = found.map_err(|source| Error::Pem { place: place.to_owned(), source })?;
    if found.is_empty() {
        let (wanted, label) = ("certificate", "CERTIFICATE");
        return Err(Error::Empty { place: place.to_owned(), wanted, label });
    }
    Ok(found)
}

fn read(path: &Path) -> Result<String> {
    let mut text = String::new();
    let read =
        File::open(path).and_then(|file| file.take(FILE_BYTES + 1).read_to_string(&mut text));
    read.map_err(|e| Error::io("read", path, e))?;
    if text.len() as u64 > FILE_BYTES {
        return Err(Error::TooLarge { path: path.to_path_buf(), limit: FILE_BYTES });
    }
    Ok(text)
}

/// Writes beside and renames, so that no reader sees half a file and no moment a wrong mode.
fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = path.with_file_name(name);
    let mut options = File::options();
    let options = options.write(true).create(true).truncate(true).mode(mode);
    options
        .open(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(|e| Error::io("write", &beside, e))?;
    std::fs::rename(&beside, path).map_err(|e| Error::io("put in place", path, e))
}

#[cfg(test)]
mod tests;

//! Whom to believe: the system's authorities, and what `certs.d` says of one registry.
//!
//! Docker's layout: `DIR/HOST[:PORT]/*.crt` are authorities, `NAME.cert` with `NAME.key` is what the
//! client shows of itself. An authority there is believed beside the system's, for that host only.

use super::error::{RemoteError, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use ureq::tls::{
    Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, TlsProvider, parse_pem,
};

/// Bytes of a file with certificates.
const FILE_LIMIT_BYTES: u64 = 8 << 20;
/// Files of one directory.
const FILES_LIMIT: usize = 100;

/// Where certificates are.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The system's bundle, in PEM.
    pub bundle: Option<PathBuf>,
    /// Directories in the manner of `/etc/docker/certs.d`.
    pub directories: Vec<PathBuf>,
}

impl Trust {
    /// The settings for one host.
    pub(super) fn for_host(&self, host: &str, verify: bool) -> Result<TlsConfig> {
        let mut roots = Vec::new();
        if let (Some(bundle), true) = (&self.bundle, verify)
            && bundle.exists()
        {
            certificates(bundle, &mut roots)?;
        }
        let mut client = None;
        for directory in self.directories.iter().map(|dir| dir.join(host)) {
            for path in files(&directory) {
                match path.extension().and_then(|name| name.to_str()) {
                    Some("crt") if verify => certificates(&path, &mut roots)?,
                    Some("cert") => client = Some(client_certificate(&path)?),
                    _ => {}
                }
            }
        }
        Ok(TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .client_cert(client)
            .disable_verification(!verify)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build())
    }
}

/// The files of a directory, by name; none if there is no such directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.take(FILES_LIMIT).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let wrong = |reason: String| RemoteError::Certificate { path: path.to_path_buf(), reason };
    let size = fs::metadata(path).map_err(|e| wrong(e.to_string()))?.len();
    if size > FILE_LIMIT_BYTES {
        return Err(wrong(format!("more than {FILE_LIMIT_BYTES} bytes")));
    }
    fs::read(path).map_err(|e| wrong(e.to_string()))
}

fn certificates(path: &Path, into: &mut Vec<Certificate<'static>>) -> Result<()> {
    let before = into.len();
    for item in parse_pem(&read(path)?) {
        let wrong = |e: ureq::Error| RemoteError::Certificate {
            path: path.to_path_buf(),
            reason: e.to_string(),
        };
        if let PemItem::Certificate(certificate) = item.map_err(wrong)? {
            into.push(certificate);
        }
    }
    if into.len() == before {
        let reason = "it holds no certificate in PEM".to_owned();
        return Err(RemoteError::Certificate { path: path.to_path_buf(), reason });
    }
    Ok(())
}

fn client_certificate(path: &Path) -> Result<ClientCert> {
    let mut chain = Vec::new();
    certificates(path, &mut chain)?;
    let key_path = path.with_extension("key");
    let key = PrivateKey::from_pem(&read(&key_path)?)
        .map_err(|e| RemoteError::Certificate { path: key_path, reason: e.to_string() })?;
    Ok(ClientCert::new_with_certs(&chain, key))
}

//! Certificates as a person sees them, and how an expired cluster is mended while its server stands.

use super::{Credentials, CredentialsError, Files, read};
use crate::config::Config;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::path::PathBuf;
use teu_pki::{Subject, Validity};

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The file it is in.
    pub path: PathBuf,
    /// Whom it is for.
    pub name: String,
    /// Its last second, since 1970; none if it cannot be read.
    pub ends: Option<i64>,
}

impl Shown {
    fn of(path: PathBuf, pem: &str) -> Self {
        let read = teu_pki::certificates_from_pem(pem, "it").unwrap_or_default();
        let own = read.first();
        let name = own.and_then(|own| Subject::of(own).common_name).unwrap_or_default();
        Self { path, name, ends: own.and_then(|own| Validity::of(own)).map(|it| it.ends) }
    }
}

/// The authorities, and the admin's certificate.
pub fn list(config: &Config) -> Result<Vec<Shown>, CredentialsError> {
    let mut found = Vec::new();
    for name in ["ca.crt", "front-proxy-ca.crt"] {
        let path = config.data.join("pki").join(name);
        if let Some(pem) = read(&path)? {
            found.push(Shown::of(path, &pem));
        }
    }
    let path = config.kubeconfig();
    if let Some(text) = read(&path)? {
        let own = field(&text, "client-certificate-data: ").unwrap_or_default();
        let pem = STANDARD.decode(own).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        found.push(Shown::of(path, &pem.unwrap_or_default()));
    }
    Ok(found)
}

/// Renews authorities that have ended or will within a year (with their keys, so that what they issued
/// is good again), and makes the admin's kubeconfig anew. The server's own certificate is made at its
/// start. Says which files are new.
pub fn repair(config: &Config) -> Result<Vec<PathBuf>, CredentialsError> {
    let folder = config.data.join("pki");
    let before = Files::read(&folder)?;
    let credentials = Credentials::open(config)?;
    let after = Files::read(&folder)?;
    let is_new = |name: &&&str| before.0.get(**name) != after.0.get(**name);
    let mut renewed: Vec<PathBuf> =
        Files::NAMES.iter().filter(is_new).map(|name| folder.join(name)).collect();
    let path = config.kubeconfig();
    let known = read(&path)?.unwrap_or_default();
    let address = field(&known, "server: https://").unwrap_or("127.0.0.1:6443");
    credentials.write_kubeconfig(config, address)?;
    renewed.push(path);
    Ok(renewed)
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use teu_pki::Authority;

    #[test]
    fn an_expired_cluster_is_mended_with_its_keys() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config::new(folder.path().join("data"), folder.path().join("run"));
        let first = Credentials::open(&config).expect("credentials");
        first.write_kubeconfig(&config, "127.0.0.1:7443").expect("a kubeconfig");
        let issued = first.issue(&config, &[]).expect("issued").server;
        // Its authority ended long ago.
        let authority = config.data.join("pki/ca.crt");
        let key = std::fs::read_to_string(config.data.join("pki/ca.key")).expect("a key");
        let old = Authority::from_pem(super::super::NAME, "", &key).expect("an authority");
        let old = old.renewed_until(Validity { begins: 1_000_000_000, ends: 1_100_000_000 });
        std::fs::write(&authority, old.expect("a certificate").certificate_pem()).expect("written");
        let of = |name: &str| {
            let all = list(&config).expect("a list");
            all.into_iter().find(|it| it.path.ends_with(name)).expect("it")
        };
        assert_eq!(of("ca.crt").ends, Some(1_100_000_000));
        assert_eq!(of("admin.kubeconfig").name, "kubernetes-admin");
        let renewed = repair(&config).expect("repaired");
        assert_eq!(renewed, [authority.clone(), config.kubeconfig()]);
        assert!(of("ca.crt").ends.is_some_and(|ends| ends > 1_900_000_000));
        let kubeconfig = std::fs::read_to_string(config.kubeconfig()).expect("a kubeconfig");
        assert!(kubeconfig.contains("https://127.0.0.1:7443"));
        // The key is the same, so what was issued before is good again.
        let again = std::fs::read_to_string(config.data.join("pki/ca.key")).expect("a key");
        assert_eq!(key, again);
        assert!(!issued.chain().is_empty());
        // A certificate that is gone comes back; a key that is gone does not.
        std::fs::remove_file(&authority).expect("removed");
        assert_eq!(repair(&config).expect("repaired")[0], authority);
        std::fs::remove_file(config.data.join("pki/ca.key")).expect("removed");
        assert!(matches!(repair(&config), Err(CredentialsError::NoKey { .. })));
    }
}

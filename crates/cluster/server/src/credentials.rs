//! The cluster's authority, the server's certificate, the admin's kubeconfig.
//!
//! The authority is made at the first start and stays; the two certificates are made anew at every
//! start, so that none is ever old. Keys are readable by their owner alone.

use crate::config::Config;
use crate::connect::Nodes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use teu_pki::{Authority, CertificateDer, Identity, Request, Signer};

/// The authority's name.
const NAME: &str = "teu-cluster-ca";
/// The name of the authority by which aggregated APIs know this server. Another one, because who has
/// a certificate of it may say who anybody is.
const PROXY_NAME: &str = "teu-front-proxy-ca";
/// Who this server is for them.
pub const PROXY_CLIENT: &str = "front-proxy-client";
/// Who this server is for nodes.
const NODE_CLIENT: &str = "kube-apiserver-kubelet-client";
/// Names by which pods know the server.
const NAMES: [&str; 7] = [
    "localhost",
    "127.0.0.1",
    "::1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file or folder.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A certificate.
    #[error(transparent)]
    Pki(#[from] teu_pki::Error),
}

/// What the server needs.
#[derive(Debug)]
pub struct Credentials {
    /// Whom it trusts, and who issues.
    pub authority: Arc<Authority>,
    /// The authority's certificate.
    pub authority_der: Vec<CertificateDer<'static>>,
    /// Who it is.
    pub server: Identity,
    /// Who it is for aggregated APIs.
    pub proxy: Arc<Identity>,
    /// By whose word (PEM).
    pub proxy_authority_pem: String,
    /// How it calls nodes.
    pub nodes: Nodes,
    /// Signs tokens of service accounts.
    pub signer: Arc<Signer>,
}

impl Credentials {
    /// Those of a data folder, made where they are missing.
    pub fn open(config: &Config, bound: &[String]) -> Result<Self, CredentialsError> {
        let folder = config.data.join("pki");
        make_private_folder(&folder)?;
        let authority = authority(&folder, "ca", NAME)?;
        let proxies = self::authority(&folder, "front-proxy-ca", PROXY_NAME)?;
        let proxy = Arc::new(proxies.issue(&Request::client(PROXY_CLIENT))?);
        let authority_pem = authority.certificate_pem();
        let authority_der = teu_pki::certificates_from_pem(&authority_pem, "the authority")?;
        let mut names: Vec<String> = NAMES.map(str::to_owned).to_vec();
        for name in bound.iter().chain(&config.names) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let request =
            Request { common_name: "kube-apiserver".to_owned(), ..Request::server(names) };
        let server = authority.issue(&request)?;
        let proxy_authority_pem = proxies.certificate_pem();
        let organization = Some("system:masters".to_owned());
        let client = Request { organization, ..Request::client(NODE_CLIENT) };
        let nodes = Nodes {
            authorities: authority_pem.into_bytes(),
            identity: Some(Arc::new(authority.issue(&client)?)),
        };
        let signer = Arc::new(signer(&folder)?);
        let authority = Arc::new(authority);
        Ok(Self { authority, authority_der, server, proxy, proxy_authority_pem, nodes, signer })
    }

    /// Writes a kubeconfig of the cluster's owner.
    pub fn write_kubeconfig(&self, config: &Config, address: &str) -> Result<(), CredentialsError> {
        let organization = Some("system:masters".to_owned());
        let request = Request { organization, ..Request::client("kubernetes-admin") };
        let admin = self.authority.issue(&request)?;
        make_private_folder(&config.run)?;
        write_private(&config.kubeconfig(), &self.kubeconfig(&admin, address))
    }

    fn kubeconfig(&self, user: &Identity, address: &str) -> String {
        let authority = STANDARD.encode(self.authority.certificate_pem());
        let certificate = STANDARD.encode(user.certificate_pem());
        let key = STANDARD.encode(user.key_pem());
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: teu\n  cluster:\n    server: https://{address}\n    certificate-authority-data: {authority}\nusers:\n- name: admin\n  user:\n    client-certificate-data: {certificate}\n    client-key-data: {key}\ncontexts:\n- name: teu\n  context:\n    cluster: teu\n    user: admin\ncurrent-context: teu\n"
        )
    }
}

fn authority(folder: &Path, file: &str, name: &str) -> Result<Authority, CredentialsError> {
    let certificate = folder.join(format!("{file}.crt"));
    let key = folder.join(format!("{file}.key"));
    match read(&certificate)?.zip(read(&key)?) {
        Some((certificate, key)) => Ok(Authority::from_pem(name, &certificate, &key)?),
        None => {
            let authority = Authority::create(name)?;
            // The key first: a certificate without its key would look like a whole authority.
            write_private(&key, &authority.key_pem())?;
            write_private(&certificate, &authority.certificate_pem())?;
            Ok(authority)
        }
    }
}

fn signer(folder: &Path) -> Result<Signer, CredentialsError> {
    let path = folder.join("sa.key");
    let key = match read(&path)? {
        Some(key) => key,
        None => {
            let key = Signer::generate()?;
            write_private(&path, &key)?;
            key
        }
    };
    Ok(Signer::from_pem(&key, &path.display().to_string())?)
}

fn read(path: &Path) -> Result<Option<String>, CredentialsError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => {
            Err(CredentialsError::Io { action: "read", path: path.to_path_buf(), source })
        }
    }
}

/// A folder only for its owner.
pub fn make_private_folder(path: &Path) -> Result<(), CredentialsError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| CredentialsError::Io { action: "make", path: path.to_path_buf(), source })
}

/// Written beside and renamed; only for its owner.
fn write_private(path: &Path, text: &str) -> Result<(), CredentialsError> {
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let mut options = fs::File::options();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let written = options
        .open(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, path));
    written.map_err(|source| CredentialsError::Io {
        action: "write",
        path: path.to_path_buf(),
        source,
    })
}

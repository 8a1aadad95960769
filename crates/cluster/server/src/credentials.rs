//! The cluster's authority, the server's certificate, the admin's kubeconfig.
//!
//! The authority is made at the first start and stays; before its last year ends its certificate is made
//! anew with the same key, so that what it has issued stays good. What it issues is made anew at every
//! start, and while the server runs ([`renewal`]). Keys are readable by their owner alone.

mod owner;
pub mod renewal;
pub mod shared;
pub mod shown;

pub use renewal::Held;

use crate::config::Config;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
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
/// An authority that is good for less than this is given a new certificate.
const LAST_YEAR: i64 = 365 * 86_400;
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
    /// A listener that does not take a new certificate.
    #[error(transparent)]
    Web(#[from] teu_web::Error),
    /// The store, where several servers share them.
    #[error("cannot share the cluster's keys through the store: {0}")]
    Store(#[from] teu_store::Error),
    /// A certificate whose key is gone.
    #[error(
        "{certificate} is there and its key {key} is not: put the key back, or remove both to begin \
         with another authority (clients then need a new kubeconfig)"
    )]
    NoKey {
        /// The certificate's file.
        certificate: String,
        /// The key's.
        key: String,
    },
    /// A secret that anybody could guess, or none.
    #[error("the join secret in {} has fewer than {limit} characters", path.display())]
    JoinSecret {
        /// Its file.
        path: PathBuf,
        /// At least.
        limit: usize,
    },
    /// Another secret than the one the keys were sealed by.
    #[error(
        "the join secret does not open the cluster's keys in the store: give this server the one that \
         the first server has"
    )]
    Join,
    /// This server was of another cluster.
    #[error(
        "{file} in this server's folder is not the cluster's: move its `pki` folder away to join"
    )]
    OtherCluster {
        /// Which differs.
        file: String,
    },
    /// A server of another cluster, or of none yet.
    #[error(
        "the objects in etcd are a cluster's whose keys are: {kept}; this server's, in {}, are: {own}. \
         Give it that cluster's keys: copy `pki` of one of its servers there, or give all of them the \
         same `join-secret` and move this folder away. If those keys are lost for good, \
         `etcdctl del /teu/keys` gives the objects to this server",
        folder.display()
    )]
    OtherKeys {
        /// Whose the objects are.
        kept: String,
        /// Who this server is.
        own: String,
        /// Where its keys are.
        folder: PathBuf,
    },
    /// No randomness.
    #[error("the system gave no random bytes")]
    Random,
}

/// The files of a folder `pki`, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Files(BTreeMap<String, String>);

/// Who issues, and who signs.
#[derive(Debug)]
pub struct Credentials {
    /// Whom the server trusts, and who issues.
    pub authority: Arc<Authority>,
    /// The authority's certificate.
    pub authority_der: Vec<CertificateDer<'static>>,
    /// Who issues the certificate by which aggregated APIs know this server.
    proxies: Authority,
    /// Its certificate (PEM).
    pub proxy_authority_pem: String,
    /// Signs tokens of service accounts.
    pub signer: Arc<Signer>,
}

/// What is made anew again and again.
#[derive(Debug)]
pub struct Issued {
    /// Who the server is.
    pub server: Identity,
    /// Who it is for aggregated APIs.
    pub proxy: Arc<Identity>,
    /// Who it is for nodes.
    pub node_client: Arc<Identity>,
}

impl Files {
    /// Keys come before the certificates that need them.
    const NAMES: [&str; 5] =
        ["ca.key", "ca.crt", "front-proxy-ca.key", "front-proxy-ca.crt", "sa.key"];

    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// With what is missing, and with new certificates where the old ones end soon.
    fn completed(mut self) -> Result<Self, CredentialsError> {
        for (file, name) in [("ca", NAME), ("front-proxy-ca", PROXY_NAME)] {
            let (certificate, key) = (format!("{file}.crt"), format!("{file}.key"));
            let authority = match (self.0.get(&certificate), self.0.get(&key)) {
                (Some(certificate), Some(key)) => {
                    let authority = Authority::from_pem(name, certificate, key)?;
                    match ends_soon(&authority) {
                        true => authority.renewed()?,
                        false => continue,
                    }
                }
                // Its certificate is made again; what it has issued stays good.
                (None, Some(key)) => Authority::from_pem(name, "", key)?.renewed()?,
                (Some(_), None) => return Err(CredentialsError::NoKey { certificate, key }),
                (None, None) => Authority::create(name)?,
            };
            self.0.insert(key, authority.key_pem());
            self.0.insert(certificate, authority.certificate_pem());
        }
        if !self.0.contains_key("sa.key") {
            self.0.insert("sa.key".to_owned(), Signer::generate()?);
        }
        Ok(self)
    }
}

fn ends_soon(authority: &Authority) -> bool {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs().cast_signed());
    authority.validity().is_none_or(|validity| validity.ends - now < LAST_YEAR)
}

impl Credentials {
    /// Those of a data folder, made where they are missing.
    pub fn open(config: &Config) -> Result<Self, CredentialsError> {
        let folder = config.data.join("pki");
        make_private_folder(&folder)?;
        let files = Files::read(&folder)?.completed()?;
        files.write(&folder)?;
        let authority = |file: &str, name: &str| {
            let certificate = files.text(&format!("{file}.crt"));
            Authority::from_pem(name, certificate, files.text(&format!("{file}.key")))
        };
        let proxies = authority("front-proxy-ca", PROXY_NAME)?;
        let authority = authority("ca", NAME)?;
        let place = folder.join("sa.key").display().to_string();
        Ok(Self {
            authority_der: teu_pki::certificates_from_pem(
                &authority.certificate_pem(),
                "the authority",
            )?,
            authority: Arc::new(authority),
            proxy_authority_pem: proxies.certificate_pem(),
            proxies,
            signer: Arc::new(Signer::from_pem(files.text("sa.key"), &place)?),
        })
    }

    /// Issues what the server shows; `bound` are addresses it is at.
    pub fn issue(&self, config: &Config, bound: &[String]) -> Result<Issued, CredentialsError> {
        let mut names: Vec<String> = NAMES.map(str::to_owned).to_vec();
        for name in bound.iter().chain(&config.names) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let validity = config.validity;
        let common_name = "kube-apiserver".to_owned();
        let server =
            self.authority.issue(&Request { common_name, validity, ..Request::server(names) })?;
        let proxy = Request { validity, ..Request::client(PROXY_CLIENT) };
        let organization = Some("system:masters".to_owned());
        let node_client = Request { organization, validity, ..Request::client(NODE_CLIENT) };
        Ok(Issued {
            server,
            proxy: Arc::new(self.proxies.issue(&proxy)?),
            node_client: Arc::new(self.authority.issue(&node_client)?),
        })
    }

    /// Writes a kubeconfig of the cluster's owner.
    pub fn write_kubeconfig(&self, config: &Config, address: &str) -> Result<(), CredentialsError> {
        let organization = Some("system:masters".to_owned());
        let validity = config.validity;
        let request = Request { organization, validity, ..Request::client("kubernetes-admin") };
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

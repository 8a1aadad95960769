//! An authority of one's own, and the certificates it issues.

use crate::error::{Error, Result};
use crate::identity::Identity;
use crate::validity::Validity;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, SigningKey as _,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Certificates begin this long before they are made: clocks differ.
const SKEW: Duration = Duration::from_secs(SKEW_SECONDS.unsigned_abs());
/// The same in seconds.
pub const SKEW_SECONDS: i64 = 3600;

/// Who vouches.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    name: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a certificate is for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its common name.
    pub common_name: String,
    /// Its organization: a group, for Kubernetes. (Certificates may have many; rcgen makes one.)
    pub organization: Option<String>,
    /// Names and addresses it is valid for.
    pub names: Vec<String>,
    /// It may be shown by a server.
    pub is_server: bool,
    /// It may be shown by a client.
    pub is_client: bool,
    /// How long from now.
    pub validity: Duration,
}

impl Request {
    /// A server under these names or addresses, the first of which is its common name; a year.
    pub fn server<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        Self {
            common_name: names.first().cloned().unwrap_or_default(),
            organization: None,
            names,
            is_server: true,
            is_client: false,
            validity: Duration::from_secs(365 * 86_400),
        }
    }

    /// A client of this name; a year.
    pub fn client(common_name: impl Into<String>) -> Self {
        Self {
            common_name: common_name.into(),
            is_server: false,
            is_client: true,
            ..Self::server(Vec::<String>::new())
        }
    }
}

impl Authority {
    /// A new authority with a key of its own, for ten years.
    pub fn create(name: &str) -> Result<Self> {
        let make = |source| Error::Make { name: name.to_owned(), source };
        let mut params = parameters(name).map_err(make)?;
        set_validity(&mut params, Duration::from_secs(3650 * 86_400));
        let key = KeyPair::generate().map_err(make)?;
        let certificate_pem = params.self_signed(&key).map_err(make)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate_pem, name: name.to_owned() })
    }

    /// The same authority, by name and key, with a new certificate for ten years: what it has issued
    /// stays good.
    pub fn renewed(&self) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = now.as_secs().cast_signed();
        let ends = now + 3650 * 86_400;
        self.renewed_until(Validity { begins: now - SKEW_SECONDS, ends })
    }

    /// The same for another time.
    pub fn renewed_until(&self, validity: Validity) -> Result<Self> {
        let make = |source| Error::Make { name: self.name.clone(), source };
        let mut params = parameters(&self.name).map_err(make)?;
        let at = |seconds: i64| UNIX_EPOCH + Duration::from_secs(seconds.max(0).unsigned_abs());
        params.not_before = at(validity.begins).into();
        params.not_after = at(validity.ends).into();
        let certificate = params.self_signed(self.issuer.key()).map_err(make)?;
        Self::from_pem(&self.name, &certificate.pem(), &self.key_pem())
    }

    /// One that [`Authority::create`] made under this name, from its files' texts.
    pub fn from_pem(name: &str, certificate_pem: &str, key_pem: &str) -> Result<Self> {
        let make = |source| Error::Make { name: name.to_owned(), source };
        let key = KeyPair::from_pem(key_pem).map_err(make)?;
        let issuer = Issuer::new(parameters(name).map_err(make)?, key);
        Ok(Self { issuer, certificate_pem: certificate_pem.to_owned(), name: name.to_owned() })
    }

    /// Its certificate, for those who shall trust it.
    pub fn certificate_pem(&self) -> String {
        self.certificate_pem.clone()
    }

    /// Its private key, for its file.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// By what its key is known, whatever certificates it gets: SHA-256 over the public key as certificates
    /// have it, in hexadecimal (what `kubeadm join` calls the hash of the CA).
    pub fn fingerprint(&self) -> String {
        let key = self.issuer.key().subject_public_key_info();
        let digest = ring::digest::digest(&ring::digest::SHA256, &key);
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Signs what is to be vouched for (ECDSA over P-256 with SHA-256).
    pub(crate) fn sign_bytes(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        let make = |source| Error::Make { name: self.name.clone(), source };
        self.issuer.key().sign(bytes).map_err(make)
    }

    /// Issues a certificate with a new key.
    pub fn issue(&self, request: &Request) -> Result<Identity> {
        let make = |source| Error::Make { name: request.common_name.clone(), source };
        let mut params = CertificateParams::new(request.names.clone()).map_err(make)?;
        params.distinguished_name.push(DnType::CommonName, &*request.common_name);
        if let Some(organization) = &request.organization {
            params.distinguished_name.push(DnType::OrganizationName, &**organization);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if request.is_server {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        if request.is_client {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        }
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, request.validity);
        let key = KeyPair::generate().map_err(make)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(make)?;
        Identity::from_pem(&certificate.pem(), &key.serialize_pem())
    }
}

fn parameters(name: &str) -> std::result::Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

fn set_validity(params: &mut CertificateParams, validity: Duration) {
    let now = SystemTime::now();
    params.not_before = (now - SKEW).into();
    params.not_after = (now + validity).into();
}

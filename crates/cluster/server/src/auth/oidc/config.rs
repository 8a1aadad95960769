//! Which issuers are believed: kube-apiserver's `AuthenticationConfiguration`
//! (`apiserver.config.k8s.io`, from `v1beta1` on), or `[oidc]` in the server's own file, which says the
//! same as kube-apiserver's flags `--oidc-…`.
//!
//! What is written in CEL there is not here yet; a file with such rules is refused, because a rule that
//! is left out lets somebody in.

use super::Keys;
use crate::file;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use teu_api::decode;
use teu_api::object::text;

/// Bytes of a file.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// Issuers of one file.
const MAX_ISSUERS: usize = 64;
/// Where systems keep the authorities that everybody trusts.
const SYSTEM: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Why issuers cannot be believed.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It says something else.
    #[error("{place} is not understood: {at}: {why}")]
    Content {
        /// The file.
        place: String,
        /// Where.
        at: String,
        /// Why not.
        why: &'static str,
    },
}

/// All issuers that are believed.
#[derive(Debug, Default)]
pub struct Issuers {
    pub(super) all: Vec<Issuer>,
}

/// One of them.
#[derive(Debug)]
pub struct Issuer {
    pub(super) url: String,
    pub(super) discovery: String,
    /// PEM.
    pub(super) authorities: Vec<u8>,
    pub(super) audiences: Vec<String>,
    pub(super) username: Mapped,
    pub(super) groups: Option<Mapped>,
    pub(super) uid: Option<String>,
    /// Claims that have to have a value.
    pub(super) required: Vec<(String, String)>,
    pub(super) keys: Keys,
}

/// A claim, and what is put before its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// The claim.
    pub claim: String,
    /// Before its value.
    pub prefix: String,
}

/// `[oidc]` of the server's file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Simple {
    /// The issuer.
    pub issuer_url: String,
    /// The audience.
    pub client_id: String,
    /// Its authorities (PEM), where they are not the system's.
    pub ca_file: Option<PathBuf>,
    /// Default `sub`.
    pub username_claim: Option<String>,
    /// Default `ISSUER#`, but nothing for `email`; `-` for nothing.
    pub username_prefix: Option<String>,
    /// Default none.
    pub groups_claim: Option<String>,
    /// Default nothing.
    pub groups_prefix: Option<String>,
    /// Claims that have to have a value.
    #[serde(default)]
    pub required_claims: BTreeMap<String, String>,
}

type Wrong = (String, &'static str);

impl Issuers {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, OidcError> {
        let bytes = read(path)?;
        Self::parse(&bytes).map_err(|(at, why)| {
            let place = format!("the authentication configuration {}", path.display());
            OidcError::Content { place, at, why }
        })
    }

    /// Of what the server's own file says.
    pub fn simple(simple: &Simple) -> Result<Self, OidcError> {
        let authorities = match &simple.ca_file {
            Some(path) => read(path)?,
            None => system_authorities(),
        };
        let claim = simple.username_claim.clone().unwrap_or_else(|| "sub".to_owned());
        let prefix = match simple.username_prefix.as_deref() {
            Some("-") => String::new(),
            Some(prefix) => prefix.to_owned(),
            None if claim == "email" => String::new(),
            None => format!("{}#", simple.issuer_url),
        };
        let issuer = Issuer {
            discovery: discovery(&simple.issuer_url),
            url: simple.issuer_url.clone(),
            authorities,
            audiences: vec![simple.client_id.clone()],
            username: Mapped { claim, prefix },
            groups: simple.groups_claim.clone().map(|claim| {
                let prefix = simple.groups_prefix.clone().unwrap_or_default();
                Mapped { claim, prefix }
            }),
            uid: None,
            required: simple.required_claims.clone().into_iter().collect(),
            keys: Keys::default(),
        };
        let checked = check(&issuer, &[]).map_err(|why| OidcError::Content {
            place: "the server's configuration".to_owned(),
            at: "oidc".to_owned(),
            why,
        });
        checked.map(|()| Self { all: vec![issuer] })
    }

    /// Reads a file's text; where it is wrong, and why.
    pub fn parse(bytes: &[u8]) -> Result<Self, Wrong> {
        let whole = || "the file".to_owned();
        let document = decode::yaml(bytes).map_err(|_| (whole(), "it is neither YAML nor JSON"))?;
        let document = document.value;
        let version = text(&document, &["apiVersion"]).unwrap_or_default();
        if !["v1", "v1beta1"]
            .contains(&version.strip_prefix("apiserver.config.k8s.io/").unwrap_or_default())
            || text(&document, &["kind"]) != Some("AuthenticationConfiguration")
        {
            let why = "expected `apiVersion: apiserver.config.k8s.io/v1` and `kind: AuthenticationConfiguration`";
            return Err((whole(), why));
        }
        only(&document, &["apiVersion", "kind", "jwt"]).map_err(|why| (whole(), why))?;
        let listed = list(&document, "jwt");
        if listed.len() > MAX_ISSUERS {
            return Err(("jwt".to_owned(), "at most 64 issuers"));
        }
        let mut all = Vec::new();
        for (number, jwt) in listed.iter().enumerate() {
            let wrong = |why| (format!("jwt[{number}]"), why);
            let issuer = Issuer::parse(jwt).map_err(wrong)?;
            check(&issuer, &all).map_err(wrong)?;
            all.push(issuer);
        }
        Ok(Self { all })
    }
}

impl Issuer {
    fn parse(jwt: &Value) -> Result<Self, &'static str> {
        only(jwt, &["issuer", "claimValidationRules", "claimMappings"])?;
        let nothing = Value::Null;
        let issuer = jwt.get("issuer").unwrap_or(&nothing);
        let known =
            ["url", "discoveryURL", "certificateAuthority", "audiences", "audienceMatchPolicy"];
        only(issuer, &known)?;
        let url = text(issuer, &["url"]).unwrap_or_default().to_owned();
        let own = text(issuer, &["discoveryURL"]).filter(|url| !url.is_empty());
        let authorities = text(issuer, &["certificateAuthority"]).filter(|it| !it.is_empty());
        let mappings = jwt.get("claimMappings").unwrap_or(&nothing);
        only(mappings, &["username", "groups", "uid"])?;
        let mut required = Vec::new();
        for rule in list(jwt, "claimValidationRules") {
            only(rule, &["claim", "requiredValue"])?;
            let field = |name: &str| text(rule, &[name]).unwrap_or_default().to_owned();
            required.push((field("claim"), field("requiredValue")));
        }
        let audiences = list(issuer, "audiences").iter().filter_map(Value::as_str);
        let username =
            mapped(mappings.get("username"))?.ok_or("claimMappings.username is missing")?;
        Ok(Self {
            discovery: own.map_or_else(|| discovery(&url), str::to_owned),
            url,
            authorities: authorities.map_or_else(system_authorities, |pem| pem.as_bytes().to_vec()),
            audiences: audiences.map(str::to_owned).collect(),
            username,
            groups: mapped(mappings.get("groups"))?,
            uid: mapped_claim(mappings.get("uid"))?,
            required,
            keys: Keys::default(),
        })
    }
}

fn check(issuer: &Issuer, before: &[Issuer]) -> Result<(), &'static str> {
    if crate::outgoing::parse_url(&issuer.url).is_err() || issuer.url.contains(['?', '#']) {
        return Err("the issuer's URL has to be https, without a query");
    }
    if crate::outgoing::parse_url(&issuer.discovery).is_err() {
        return Err("the URL of discovery has to be https");
    }
    if issuer.url == crate::auth::accounts::ISSUER {
        return Err("this issuer is the cluster itself");
    }
    if before.iter().any(|other| other.url == issuer.url) {
        return Err("this issuer is named twice");
    }
    if issuer.audiences.iter().all(String::is_empty) {
        return Err("no audience is named");
    }
    Ok(())
}

/// Where an issuer says where its keys are (OpenID Connect Discovery 1.0, 4).
fn discovery(url: &str) -> String {
    format!("{}/.well-known/openid-configuration", url.trim_end_matches('/'))
}

fn mapped_claim(value: Option<&Value>) -> Result<Option<String>, &'static str> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    only(value, &["claim"])?;
    Ok(text(value, &["claim"]).filter(|claim| !claim.is_empty()).map(str::to_owned))
}

fn mapped(value: Option<&Value>) -> Result<Option<Mapped>, &'static str> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    only(value, &["claim", "prefix"])?;
    let Some(claim) = text(value, &["claim"]).filter(|claim| !claim.is_empty()) else {
        return Ok(None);
    };
    let prefix = text(value, &["prefix"]).ok_or("a mapped claim has a prefix, if an empty one")?;
    Ok(Some(Mapped { claim: claim.to_owned(), prefix: prefix.to_owned() }))
}

/// Refuses what is not known here.
fn only(value: &Value, fields: &[&str]) -> Result<(), &'static str> {
    let known = |field: &String| fields.contains(&&**field);
    match value.as_object().is_none_or(|object| object.keys().all(known)) {
        true => Ok(()),
        false => Err(
            "it has a field that is not known here (expressions in CEL are not; they need `claim`)",
        ),
    }
}

fn list<'a>(object: &'a Value, field: &str) -> &'a [Value] {
    object.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn read(path: &Path) -> Result<Vec<u8>, OidcError> {
    let whole = File::open(path).and_then(|file| file::read(file, MAX_FILE_BYTES));
    whole.map_err(|source| OidcError::Read { path: path.to_path_buf(), source })
}

/// Those that the system trusts; none, where it keeps none.
fn system_authorities() -> Vec<u8> {
    SYSTEM.iter().find_map(|path| read(Path::new(path)).ok()).unwrap_or_default()
}

//! Servers that share an etcd are one cluster, so they need one authority and one key for tokens. Whoever
//! is first puts its own into the store, sealed by a secret that all of them are given; the others take
//! them from there.
//!
//! The place is beside `/registry/`, where nothing that the API serves is. What is in a server's folder
//! already and is not the cluster's is refused, not replaced: its clients know it.

use super::{Credentials, CredentialsError, Files, owner, read, write_private};
use crate::config::Config;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Map, Value};
use std::path::Path;
use teu_pki::Validity;
use teu_store::{Consistency, Outcome, Store, Txn};

/// Where they are.
pub(super) const PLACE: &[u8] = b"/teu/pki";
const MARK: &[u8] = b"teu:join:v1:";
/// Characters of a secret that is one.
const MIN_SECRET: usize = 20;
/// How often another server may be faster.
const TRIES: usize = 5;

/// The cluster's credentials, made, joined or renewed.
pub async fn open(config: &Config, store: &dyn Store) -> Result<Credentials, CredentialsError> {
    owner::check(config, store).await?;
    share(config, store).await?;
    let credentials = Credentials::open(config)?;
    owner::claim(config, &credentials, store).await?;
    // An authority that was renewed is everybody's.
    share(config, store).await?;
    Ok(credentials)
}

/// Makes the folder's files and the store's the same, if there is a secret to share them by.
pub async fn share(config: &Config, store: &dyn Store) -> Result<(), CredentialsError> {
    let Some(path) = &config.join_secret else { return Ok(()) };
    let secret = read(path)?.unwrap_or_default();
    let secret = secret.trim();
    if secret.len() < MIN_SECRET {
        return Err(CredentialsError::JoinSecret { path: path.clone(), limit: MIN_SECRET });
    }
    let key = key(secret).ok_or(CredentialsError::Random)?;
    let folder = config.data.join("pki");
    super::make_private_folder(&folder)?;
    let mut own = Files::read(&folder)?;
    for _ in 0..TRIES {
        let found = store.get(PLACE, Consistency::Linearizable).await?;
        let (merged, is_news) = match &found.kv {
            // What is missing is made here and offered.
            None => (own.clone().completed()?, true),
            Some(kv) => {
                let theirs = unseal(&key, &kv.value).ok_or(CredentialsError::Join)?;
                own.merged(&theirs)?
            }
        };
        if is_news {
            let sealed = seal(&key, &merged).ok_or(CredentialsError::Random)?;
            let txn = match &found.kv {
                None => Txn::create(PLACE, sealed),
                Some(kv) => Txn::update(PLACE, kv.modified, sealed),
            };
            if let Outcome::Conflict { .. } = store.commit(txn).await? {
                continue;
            }
        }
        own = merged;
        return own.write(&folder);
    }
    Err(CredentialsError::Join)
}

impl Files {
    /// What there is in a folder.
    pub(super) fn read(folder: &Path) -> Result<Self, CredentialsError> {
        let mut files = Self::default();
        for name in Self::NAMES {
            if let Some(text) = read(&folder.join(name))? {
                files.0.insert(name.to_owned(), text);
            }
        }
        Ok(files)
    }

    /// Keys come before the certificates that need them.
    pub(super) fn write(&self, folder: &Path) -> Result<(), CredentialsError> {
        for name in Self::NAMES {
            let path = folder.join(name);
            if let Some(text) =
                self.0.get(name).filter(|text| read(&path).ok().flatten().as_ref() != Some(*text))
            {
                write_private(&path, text)?;
            }
        }
        Ok(())
    }

    /// The store's with this folder's, and whether the store lacks something of it. A certificate of the
    /// same key that is good for longer is the newer one.
    fn merged(&self, theirs: &Self) -> Result<(Self, bool), CredentialsError> {
        let mut merged = theirs.clone();
        let mut is_news = false;
        for (name, own) in &self.0 {
            match theirs.0.get(name) {
                Some(their) if their == own => {}
                Some(their) if name.ends_with(".crt") => {
                    if ends(own) > ends(their) {
                        merged.0.insert(name.clone(), own.clone());
                        is_news = true;
                    }
                }
                Some(_) => return Err(CredentialsError::OtherCluster { file: name.clone() }),
                None => {
                    merged.0.insert(name.clone(), own.clone());
                    is_news = true;
                }
            }
        }
        Ok((merged, is_news))
    }
}

fn ends(pem: &str) -> i64 {
    let read = teu_pki::certificates_from_pem(pem, "it").ok();
    read.and_then(|read| Validity::of(read.first()?)).map_or(0, |validity| validity.ends)
}

fn key(secret: &str) -> Option<LessSafeKey> {
    let salt = Salt::new(HKDF_SHA256, b"teu join secret");
    let stretched = salt.extract(secret.as_bytes());
    let okm = stretched.expand(&[b"cluster keys"], &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(okm)))
}

fn seal(key: &LessSafeKey, files: &Files) -> Option<Vec<u8>> {
    let all: Map<String, Value> =
        files.0.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect();
    let mut sealed = Value::Object(all).to_string().into_bytes();
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).ok()?;
    let used = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(used, Aad::from(PLACE), &mut sealed).ok()?;
    let text = STANDARD.encode([&nonce[..], &sealed].concat());
    Some([MARK, text.as_bytes()].concat())
}

fn unseal(key: &LessSafeKey, value: &[u8]) -> Option<Files> {
    let mut sealed = STANDARD.decode(value.strip_prefix(MARK)?).ok()?;
    let (nonce, sealed) = sealed.split_first_chunk_mut::<NONCE_LEN>()?;
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let open = key.open_in_place(nonce, Aad::from(PLACE), sealed).ok()?;
    let all: Map<String, Value> = serde_json::from_slice(open).ok()?;
    let text = |(name, value): (String, Value)| Some((name, value.as_str()?.to_owned()));
    Some(Files(all.into_iter().filter_map(text).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use teu_store::embedded::Embedded;
    use teu_store::reply::block_on;

    fn config(folder: &Path, secret: &str) -> Config {
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(folder.join("secret"), secret).expect("written");
        let mut config = Config::new(folder.join("data"), folder.join("run"));
        config.join_secret = Some(folder.join("secret"));
        config
    }

    fn file(config: &Config, name: &str) -> Option<String> {
        std::fs::read_to_string(config.data.join("pki").join(name)).ok()
    }

    #[test]
    fn all_have_what_the_first_had_and_the_store_does_not_tell() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Embedded::open(&folder.path().join("store")).expect("a store");
        let secret = "a long secret of all servers";
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let (one, two) = (config(&one, secret), config(&two, secret));
        for config in [&one, &two, &one] {
            block_on(share(config, &store)).expect("shared");
        }
        for name in Files::NAMES {
            assert!(file(&one, name).is_some(), "{name}");
            assert_eq!(file(&one, name), file(&two, name), "{name}");
        }
        let kept = block_on(store.get(PLACE, Consistency::Linearizable)).expect("read").kv;
        let kept = kept.expect("a value").value.clone();
        assert!(!kept.windows(7).any(|bytes| bytes == b"PRIVATE"));
        // Another secret opens nothing, a short one is none, and another cluster's server is refused.
        let other = config(&folder.path().join("three"), "another long secret of somebody");
        assert!(matches!(block_on(share(&other, &store)), Err(CredentialsError::Join)));
        let short = config(&folder.path().join("four"), "short");
        let refused = block_on(share(&short, &store));
        assert!(matches!(refused, Err(CredentialsError::JoinSecret { .. })));
        let foreign = config(&folder.path().join("five"), secret);
        let empty = Embedded::open(&folder.path().join("other")).expect("a store");
        block_on(share(&foreign, &empty)).expect("shared");
        let refused = block_on(share(&foreign, &store));
        assert!(matches!(refused, Err(CredentialsError::OtherCluster { .. })), "{refused:?}");
    }
}

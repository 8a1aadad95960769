//! Whose etcd this is: the fingerprints of the cluster's keys stand beside its objects, so that a server with
//! other keys is refused instead of being a second cluster, unknown to the first one's clients, on the
//! same objects.
//!
//! Fingerprints are of public keys, so that a certificate that was renewed changes nothing, and tell
//! nobody anything. An embedded store is one server's alone and needs none.

use super::{Credentials, CredentialsError, Files, NAME};
use crate::config::{Config, StoreConfig};
use std::path::Path;
use teu_pki::{Authority, Signer};
use teu_store::{Consistency, Store, Txn};

/// Where they are.
const PLACE: &[u8] = b"/teu/keys";
/// What a folder without keys has.
const NONE: &str = "none";

/// Refuses a folder of another cluster, before anything is made in it.
pub async fn check(config: &Config, store: &dyn Store) -> Result<(), CredentialsError> {
    let Some(kept) = kept(config, store).await? else { return Ok(()) };
    let folder = config.data.join("pki");
    let own = of_files(&Files::read(&folder)?)?;
    // Who has none, and the secret, gets the cluster's, if they are there to be had.
    if own.is_none() && config.join_secret.is_some() {
        let shared = store.get(super::shared::PLACE, Consistency::Linearizable).await?;
        if shared.kv.is_some() {
            return Ok(());
        }
    }
    compare(&kept, own.as_deref().unwrap_or(NONE), &folder)
}

/// Says whose the store is, if nobody has.
pub async fn claim(
    config: &Config,
    credentials: &Credentials,
    store: &dyn Store,
) -> Result<(), CredentialsError> {
    if config.store == StoreConfig::Embedded {
        return Ok(());
    }
    let own = of(&credentials.authority, &credentials.signer);
    store.commit(Txn::create(PLACE, own.clone())).await?;
    // Another may have been faster.
    match kept(config, store).await? {
        Some(kept) => compare(&kept, &own, &config.data.join("pki")),
        None => Ok(()),
    }
}

async fn kept(config: &Config, store: &dyn Store) -> Result<Option<String>, CredentialsError> {
    if config.store == StoreConfig::Embedded {
        return Ok(None);
    }
    let found = store.get(PLACE, Consistency::Linearizable).await?.kv;
    Ok(found.map(|kv| String::from_utf8_lossy(&kv.value).into_owned()))
}

fn compare(kept: &str, own: &str, folder: &Path) -> Result<(), CredentialsError> {
    if kept == own {
        return Ok(());
    }
    let (kept, own) = (kept.to_owned(), own.to_owned());
    Err(CredentialsError::OtherKeys { kept, own, folder: folder.to_path_buf() })
}

fn of(authority: &Authority, signer: &Signer) -> String {
    format!("authority sha256:{}, tokens {}", authority.fingerprint(), signer.verifier().id())
}

/// Of what is in a folder, if the keys are.
fn of_files(files: &Files) -> Result<Option<String>, CredentialsError> {
    let (authority, tokens) = (files.text("ca.key"), files.text("sa.key"));
    if authority.is_empty() || tokens.is_empty() {
        return Ok(None);
    }
    let authority = Authority::from_pem(NAME, files.text("ca.crt"), authority)?;
    Ok(Some(of(&authority, &Signer::from_pem(tokens, "sa.key")?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use teu_store::embedded::Embedded;
    use teu_store::reply::block_on;

    #[test]
    fn another_clusters_server_is_refused_and_told_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Embedded::open(&folder.path().join("store")).expect("a store");
        let config = |name: &str| {
            let mut config = Config::new(folder.path().join(name), folder.path().join("run"));
            config.store = StoreConfig::parse("etcd://a").expect("a store");
            config
        };
        let start = |config: &Config| {
            block_on(check(config, &store))?;
            let credentials = Credentials::open(config)?;
            block_on(claim(config, &credentials, &store))
        };
        let (one, mut two) = (config("one"), config("two"));
        start(&one).expect("the first is the cluster");
        start(&one).expect("and stays it");
        let refused = start(&two).expect_err("another");
        assert!(refused.to_string().contains("copy `pki`"), "{refused}");
        assert!(!two.data.join("pki").exists(), "nothing was made");
        // One that was a cluster of its own before.
        Credentials::open(&two).expect("keys");
        let refused = start(&two).expect_err("another");
        assert!(refused.to_string().contains("sha256:"), "{refused}");
        std::fs::remove_dir_all(two.data.join("pki")).expect("moved away");
        // With the secret it gets the cluster's, if the first has put them there.
        two.join_secret = Some(folder.path().join("secret"));
        assert!(block_on(check(&two, &store)).is_err());
        store.commit(Txn::create(super::super::shared::PLACE, "sealed")).wait().expect("put");
        block_on(check(&two, &store)).expect("it may ask for them");
        // Or it has the first one's folder.
        std::fs::create_dir_all(two.data.join("pki")).expect("a folder");
        for name in Files::NAMES {
            let from = one.data.join("pki").join(name);
            std::fs::copy(from, two.data.join("pki").join(name)).expect("copied");
        }
        two.join_secret = None;
        start(&two).expect("the same cluster");
        // A certificate that was renewed is of the same key.
        std::fs::remove_file(two.data.join("pki/ca.crt")).expect("removed");
        start(&two).expect("the same cluster");
    }
}
